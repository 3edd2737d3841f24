"""Whether a service answers: exit code 0 or 1, for the health checks of containers.

healthy.py http://127.0.0.1:8350/healthz              the answer is 2xx
healthy.py http://host:8080/monitor/health triggerer  and it says that this part is healthy, as Airflow's does
"""

from __future__ import annotations

import json
import sys
import urllib.request

_SECONDS = 8.0


def healthy(url: str, part: str = "") -> bool:
    """Whether ``url`` answers 2xx and, where a ``part`` is named, says ``{part: {"status": "healthy"}}``."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - of our own files alone
            return not part or json.load(answer)[part]["status"] == "healthy"
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return False


if __name__ == "__main__":
    sys.exit(0 if healthy(*sys.argv[1:]) else 1)

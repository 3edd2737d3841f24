"""A sign of life for a service outside, which tells people when it has had none for a while.

Voxpop can tell of a feed that fell silent, but not of its own death. Such services (dead man's switches) take a plain
GET. The address often is the only secret, so nothing here repeats it.
"""

from __future__ import annotations

import logging

import httpx

from voxpop.errors import ReceiverUnavailable

_SECONDS = 10.0

logging.getLogger("httpx").setLevel(logging.WARNING)  # it notes each address at INFO, and this one may be secret


def give(url: str) -> None:
    """Fetches the address once.

    Raises:
        ReceiverUnavailable: no answer within ten seconds, or another than 2xx.
    """
    try:
        answer = httpx.get(url, timeout=_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ReceiverUnavailable(f"VOXPOP_HEARTBEAT_URL cannot be reached ({type(error).__name__})") from None
    if not answer.is_success:
        raise ReceiverUnavailable(f"VOXPOP_HEARTBEAT_URL answered {answer.status_code}")

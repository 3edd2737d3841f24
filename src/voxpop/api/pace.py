"""How often one caller may ask. Counted in this process, which is the only one that serves the API.

Windows slide (``limits``' sliding-window counter), so that nobody gets twice the number around the turn of a minute.
The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import math
import time
from typing import Any, Final

from fastapi import Depends, HTTPException, Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from voxpop.api.headers import MORE
from voxpop.api.who import Called

_WINDOW: Final = 60


class Pace:
    """Counts each caller's requests; kept as ``app.state.pace``.

    Args:
        per_minute: most requests of a caller in a minute; 0: no limit.
    """

    def __init__(self, per_minute: int) -> None:
        self._most = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._counts = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, *caller: str) -> dict[str, str]:
        """Counts a request; returns the headers that say how many are left.

        Raises:
            HTTPException: 429, there were too many.
        """
        if self._most is None:
            return {}
        taken = self._counts.hit(self._most, *caller)
        window = self._counts.get_window_stats(self._most, *caller)
        wait = max(1, math.ceil(window.reset_time - time.time()))
        headers = {
            "ratelimit-policy": f'"caller";q={self._most.amount};w={_WINDOW}',
            "ratelimit": f'"caller";r={window.remaining};t={wait}',
        }
        if not taken:
            more = {**headers, "retry-after": str(wait)}
            raise HTTPException(429, f"more than {self._most.amount} requests in a minute", more)
        return headers


async def _paced(request: Request, caller: Called) -> None:
    pace: Pace = request.app.state.pace
    setattr(request.state, MORE, pace.count(caller.how, caller.id))


paced: Any = Depends(_paced)
"""A dependency that counts a request of the caller."""

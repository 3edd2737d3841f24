"""Waiting for a service that is away: longer each time, never long, and not all members in step."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError

from voxpop.errors import StoreUnavailable, Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_SECONDS = 0.1
MOST_SECONDS = 2.0
"""So soon after a service is back everybody has noticed."""


class GivenUp(Exception):  # noqa: N818 - a turn of events, not an error
    """The worker is told to end; what was waited for is left undone."""


class Patient(Protocol):
    """``patiently`` for somebody who knows what to give up for."""

    def __call__(self, act: Callable[[], T], /) -> T: ...


class Backoff:
    """Seconds to wait before the next attempt: doubled each time up to ``most``, of which half is chance."""

    def __init__(self, most: float = MOST_SECONDS) -> None:
        self._next, self._most = _FIRST_SECONDS, most

    def seconds(self) -> float:
        """How long to wait now."""
        now, self._next = self._next, min(2 * self._next, self._most)
        return now * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def reset(self) -> None:
        """The service answered."""
        self._next = _FIRST_SECONDS


def patiently(
    act: Callable[[], T], give_up: threading.Event, *, who: str, away: Callable[[bool], None] = lambda _: None
) -> T:
    """``act()``, again and again while a service that it needs is away; ``away`` is told when that begins and ends.

    Raises:
        GivenUp: ``give_up`` was set while the service was waited for.
    """
    backoff = Backoff()
    try:
        while True:
            try:
                return act()
            except Unavailable as error:
                seconds = backoff.seconds()
                logger.warning("%s: %s; trying again in %.1f s", who, error, seconds)
                away(True)
                if give_up.wait(seconds):
                    raise GivenUp from error
    finally:
        away(False)


@contextmanager
def store_answers() -> Iterator[None]:
    """Tells a database that is away from one that refuses.

    Raises:
        StoreUnavailable: it does not answer, or has not the means to just now.
    """
    try:
        yield
    except DBAPIError as error:
        # A session that the server ended, for silence or by hand, answers with an error of any class.
        if not error.connection_invalidated and (not isinstance(error, OperationalError) or is_refusal(error)):
            raise
        raise StoreUnavailable(f"the database does not answer: {error.orig}") from error


def is_refusal(error: OperationalError) -> bool:
    """Whether waiting does not help: a limit of the database's own (class 54), such as the size of an index row."""
    return str(getattr(error.orig, "sqlstate", None) or "").startswith("54")

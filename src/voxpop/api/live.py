"""What changes is seen at once: PostgreSQL rings (LISTEN/NOTIFY), and each open page hears of it (server-sent events).

A page is told only that something changed, and asks again for what it shows; so nothing is told to who may not see it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo
from starlette.concurrency import run_in_threadpool

from voxpop.store.people import BELL

logger = logging.getLogger(__name__)

MOST_LISTENERS: Final = 500
_ALIVE_SECONDS: Final = 15.0
"""So often a silent stream says that it lives: proxies close one that does not."""
_LONGEST_SECONDS: Final = 3600.0
"""A browser then comes again, and says anew who it is."""
_TOGETHER_SECONDS: Final = 0.1
"""What rings within so short a time is told once."""


class Bell:
    """Listens to the database from the first page on, in a thread of its own, until it is closed.

    Args:
        url: where the database is, when it is asked for.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._rung = secrets.randbelow(2**40)

    @property
    def rung(self) -> int:
        """Which ring was the last; begins anywhere, so that after a restart every page asks again."""
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._listen, name="bell", daemon=True)
                self._thread.start()
            return self._rung

    def ring(self) -> None:
        """Tells everybody that something changed."""
        with self._lock:
            self._rung += 1
            for loop, event in self._listeners:
                loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        """Ends every stream and lets go of the database."""
        self._closed.set()
        self.ring()
        if self._thread is not None:
            self._thread.join()

    def full(self) -> bool:
        """Whether too many listen already."""
        return len(self._listeners) >= MOST_LISTENERS

    async def rings(self, may: Callable[[], bool] = lambda: True) -> AsyncIterator[str]:
        """Server-sent events: ``hello`` with the last ring, then ``changed`` with each new one.

        Args:
            may: whether the listener still may hear; asked in a thread before anything is said, so every 15 s at least.
        """
        mine = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._listeners.add(mine)
        end = mine[0].time() + _LONGEST_SECONDS
        try:
            yield f"retry: 1000\nevent: hello\ndata: {self.rung}\n\n"
            while not self._closed.is_set() and mine[0].time() < end:
                rang = await _rings_in_time(mine[1])
                if self._closed.is_set() or not await run_in_threadpool(may):
                    return
                yield f"event: changed\ndata: {self.rung}\n\n" if rang else ": still here\n\n"
        finally:
            with self._lock:
                self._listeners.discard(mine)

    def _listen(self) -> None:
        pause = 0.5
        while not self._closed.is_set():
            try:
                url = self._url().replace("postgresql+psycopg://", "postgresql://", 1)
                patience = make_conninfo(url, connect_timeout=5, keepalives_idle=10, keepalives_interval=5)
                with psycopg.connect(patience, autocommit=True) as connection:
                    connection.execute(f"LISTEN {BELL}")
                    self.ring()  # who listened before may have missed something
                    pause = 0.5
                    while not self._closed.is_set():
                        for _ in connection.notifies(timeout=0.5, stop_after=1):
                            self.ring()
            except psycopg.Error as error:
                logger.warning("no changes are heard until the database answers: %s", type(error).__name__)
                self._closed.wait(pause)
                pause = min(2 * pause, 10.0)


async def _rings_in_time(event: asyncio.Event) -> bool:
    """Waits for a ring and for what rings together with it; False where none comes while a stream may be silent."""
    try:
        await asyncio.wait_for(event.wait(), _ALIVE_SECONDS)
    except TimeoutError:
        return False
    await asyncio.sleep(_TOGETHER_SECONDS)
    event.clear()
    return True

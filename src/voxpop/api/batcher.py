"""Many callers, one model: what they send is computed together, and no more waits than may.

While a batch is computed the next callers' texts gather, so batches grow with the load and a lone caller waits for
nobody. What is gathered goes to the reader at once, which cuts it into batches of its own by length (models/batching),
the same as for the stream.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from voxpop.errors import Unavailable

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Busy(Unavailable):
    """As much waits as may; the same request may be taken in a moment."""


class Batcher(Generic[Asked, Answer]):
    """A thread that computes what waits, in the order in which it came.

    Args:
        run: an answer to each of what it is given.
        waiting: how many may wait.
        at_once: how many are given to ``run`` at once.
    """

    def __init__(self, run: Callable[[Sequence[Asked]], Sequence[Answer]], *, waiting: int, at_once: int = 256) -> None:
        self._run, self._most, self._at_once = run, waiting, at_once
        self._queue: deque[tuple[Asked, Future[Answer]]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, asked: Sequence[Asked]) -> list[Future[Answer]]:
        """Queues all of ``asked`` or none; a future that is cancelled is not computed.

        Raises:
            Busy: there is no room for them, or it is closed.
        """
        with self._changed:
            if self._closed or len(self._queue) + len(asked) > self._most:
                raise Busy("too many texts wait for the model: come again in a moment")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
                self._thread.start()
            futures: list[Future[Answer]] = [Future() for _ in asked]
            self._queue.extend(zip(asked, futures, strict=True))
            self._changed.notify()
        return futures

    def close(self) -> None:
        """Lets what is computed end, and gives up what waits."""
        with self._changed:
            self._closed = True
            left = [future for _, future in self._queue]
            self._queue.clear()
            self._changed.notify()
        for future in left:
            if future.set_running_or_notify_cancel():
                future.set_exception(Busy("Voxpop is ending: come again in a moment"))
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            live = [(asked, future) for asked, future in batch if future.set_running_or_notify_cancel()]
            if live:
                self._answer(live)

    def _next(self) -> list[tuple[Asked, Future[Answer]]]:
        """What is computed next; nothing once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._at_once))]

    def _answer(self, batch: Sequence[tuple[Asked, Future[Answer]]]) -> None:
        """Answers a batch; where it raises, its halves, so that one caller's text costs no other's answer."""
        try:
            answers = self._run([asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001 - belongs to whoever waits for it
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            middle = len(batch) // 2
            self._answer(batch[:middle])
            self._answer(batch[middle:])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)

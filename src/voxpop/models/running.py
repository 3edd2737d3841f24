"""Runs planned batches: several at once on a processor, smaller ones where memory does not suffice.

On a processor every batch is computed by one thread, and the cores share the batches out among them. A product that
is itself split over threads waits for the slowest of them thousands of times a second: on a machine that others use
too, that was measured to cost three quarters of the throughput.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import NamedTuple, TypeVar

import torch

from voxpop.models.batching import Batch
from voxpop.models.engine import Engine, Padded, cores

logger = logging.getLogger(__name__)

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone

Out = TypeVar("Out")

LEAST_SHARE = 256
"""Tokens below which a batch is not split for the sake of another core."""

TRIM_SECONDS = 60.0
"""How often memory that is free is given back to the system: glibc would keep what the largest batches once took."""


class BatchFigures(NamedTuple):
    """What one batch was: its task ("topic", …, "embed"), sequences, tokens without and with padding, and seconds."""

    task: str
    sequences: int
    real_tokens: int
    padded_tokens: int
    seconds: float


class Runner:
    """Computes batches of at most ``budget`` tokens.

    Attributes:
        budget: most tokens in one batch; halved, for good, each time that memory does not suffice.
        engine: what computes.
        observe: is told of each batch, from the thread that computed it.
    """

    def __init__(self, budget: int, *, threads: int = 0, engine: Engine | None = None) -> None:
        self.budget = budget
        self.engine: Engine = engine or Padded()
        self.observe: Callable[[BatchFigures], None] | None = None
        self._lock = threading.Lock()
        self._trimmed = perf_counter()
        self._threads = 1 if self.engine.device.type == "cuda" else threads or cores()
        self._pool = _pool(self._threads)

    def run(self, task: str, lengths: Sequence[int], compute: Callable[[Batch], Out]) -> Iterator[tuple[Batch, Out]]:
        """Each batch of sequences of these lengths with what ``compute`` makes of it, in inference mode.

        Raises:
            RuntimeError, MemoryError: a sequence alone does not fit into memory.
        """
        share = -(-sum(lengths) // self._threads)
        planned = self.engine.plan(lengths, min(self.budget, max(share, LEAST_SHARE)))
        found = list(self._pool.map(lambda batch: list(self._attempt(task, lengths, batch, compute)), planned))
        self.engine.finish()
        self._trim()
        return (one for of_one in found for one in of_one)

    def _trim(self) -> None:
        if _trim is not None and perf_counter() - self._trimmed >= TRIM_SECONDS:
            self._trimmed = perf_counter()
            _trim(0)

    def _attempt(
        self, task: str, lengths: Sequence[int], batch: Batch, compute: Callable[[Batch], Out]
    ) -> Iterable[tuple[Batch, Out]]:
        """Computes a batch, in parts where the budget was halved since it was planned or is now."""
        cost = self.engine.cost(batch, lengths)
        if cost <= self.budget or len(batch.indices) == 1:
            try:
                return [(batch, self._timed(task, lengths, batch, compute))]
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error) or len(batch.indices) == 1:
                    raise
                self._halve(cost)
        middle = len(batch.indices) // 2
        parts = (batch._replace(indices=part) for part in (batch.indices[:middle], batch.indices[middle:]))
        return [one for part in parts for one in self._attempt(task, lengths, part, compute)]

    def _halve(self, cost: int) -> None:
        """Halves the budget, unless another thread did so while a batch of ``cost`` tokens failed."""
        with self._lock:
            self.budget = min(self.budget, max(cost // 2, 1))
        logger.warning("memory does not suffice for %d tokens at once; from now on at most %d", cost, self.budget)

    def _timed(self, task: str, lengths: Sequence[int], batch: Batch, compute: Callable[[Batch], Out]) -> Out:
        start = perf_counter()
        with torch.inference_mode():
            found = compute(batch)
        if self.observe is not None:
            self.engine.finish()  # a card computes on after it was told to
            real = sum(lengths[i] for i in batch.indices)
            seconds = perf_counter() - start
            cost = self.engine.cost(batch, lengths)
            self.observe(BatchFigures(task, len(batch.indices), real, cost, seconds))
        return found


def out_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice: a card's, which torch has a class for, or the machine's, told by its words."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that each compute alone. All are started here: how many threads torch uses is kept for each thread, but
    what one sets is also what threads that start later begin with."""
    before = torch.get_num_threads()
    started = threading.Barrier(threads)

    def alone() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # settles it: a thread's first question takes what was set last by any
        started.wait()

    pool = ThreadPoolExecutor(threads, "voxpop-model", alone)
    list(pool.map(lambda _: None, range(threads)))
    torch.set_num_threads(before)
    return pool

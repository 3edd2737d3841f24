"""Runs a step and keeps what came of it; isolates what is at fault, whoever finds it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from voxpop import metrics, testing
from voxpop.errors import Fenced, Refused, Superseded
from voxpop.log.base import Log, Partition, Record
from voxpop.stages import dead_letter
from voxpop.store import writer
from voxpop.worker.holdings import Holdings
from voxpop.worker.isolation import isolated, reason_of
from voxpop.worker.patience import Patient
from voxpop.worker.queues import Batch
from voxpop.worker.step import Result, Step

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Work(NamedTuple):
    """What a thread is at."""

    since: float
    """``time.monotonic()``."""
    partitions: frozenset[Partition]


class Handler:
    """What two threads do with batches: one computes, one finishes.

    A batch that cannot be finished as a whole is computed anew in parts, by whoever finishes it, so a lock keeps the
    step to one thread at a time.

    Args:
        patient: does a part of finishing, again and again while a service that it needs is away.
    """

    def __init__(self, step: Step, log: Log, holdings: Holdings, patient: Patient) -> None:
        self.records = 0
        """Stored so far."""
        self.dead = 0
        self.busy: dict[str, Work] = {}
        """The computing ("compute") and the finishing ("write") that are under way."""
        self._step, self._log, self._holdings, self._patient = step, log, holdings, patient
        self._one = threading.Lock()

    def compute(self, records: Sequence[Record]) -> list[Result]:
        """Runs the step; where it raises, halves the batch until the record at fault stands alone and is dead.

        Raises:
            Unavailable: a service that the step needs is away.
        """
        partitions = (record.partition for record in records)
        with self._one, metrics.step_seconds.labels(self._step.group).time(), self._at("compute", partitions):
            return isolated(self._step.run, records, self._fault)

    def finish(self, batch: Batch, results: Sequence[Result]) -> None:
        """Publishes and stores what was computed of ``batch``, and waits for what is away.

        What is published waits for its store and is not published again meanwhile, unless it must be computed anew: an
        outage of the database would else fill the log.

        Raises:
            GivenUp: the worker is told to end while a service is away.
        """
        live = batch.living()
        if not live.records:
            return
        if len(live.records) < len(batch.records):
            results = self._anew(live)  # for results cannot be taken apart
        try:
            self._publish(live, results)
            self._store(live, results)
        except Fenced as fenced:
            logger.warning("%s; its records are dropped here", fenced)
            self.finish(live, results)
        except Superseded as superseded:
            logger.warning("%s; its records are read again", superseded)
            self.finish(live, self._anew(live))
        except (Refused, DBAPIError, ValueError) as error:
            if len(live.records) == 1:
                with suppress(Fenced):  # then it is another member's to bury
                    self._store(live, [self._fault(live.records[0], error)])
                return
            for half in live.halves():
                if (left := half.living()).records:
                    self.finish(left, self._anew(left))

    def bury(self, record: Record, reason: str) -> Result:
        """The record as a dead letter."""
        return Result([], lambda _: None, [dead_letter(record, self._step.group, reason)])

    def _anew(self, batch: Batch) -> list[Result]:
        return self._attempt(batch, partial(self.compute, batch.records))

    def _publish(self, batch: Batch, results: Sequence[Result]) -> None:
        if self._step.output is not None:
            messages = [message for result in results for message in result.messages]
            self._attempt(batch, partial(self._log.publish, self._step.output, messages))
            testing.reach("published")

    def _store(self, batch: Batch, results: Sequence[Result]) -> None:
        def write(connection: Connection) -> None:
            for result in results:
                result.write(connection)
                writer.write_dead_letters(connection, result.dead)

        def store() -> None:
            with metrics.store_seconds.labels(self._step.group).time():
                self._holdings.store(batch.ends, write)

        self._attempt(batch, store)
        dead = sum(len(result.dead) for result in results)
        self.records += len(batch.records)
        self.dead += dead
        metrics.records.labels(self._step.group).inc(len(batch.records))
        metrics.dead_letters.labels(self._step.group).inc(dead)

    def _fault(self, record: Record, error: Exception) -> Result:
        """A record that cannot be handled, as a dead letter with the end of the traceback."""
        return self.bury(record, reason_of(error))

    def _attempt(self, batch: Batch, act: Callable[[], T]) -> T:
        """``act()`` as a part of finishing, under way for as long as one attempt lasts."""

        def once() -> T:
            with self._at("write", batch.lanes):
                return act()

        return self._patient(once)

    @contextmanager
    def _at(self, what: str, partitions: Iterable[Partition]) -> Iterator[None]:
        self.busy[what] = Work(time.monotonic(), frozenset(partitions))
        try:
            yield
        finally:
            del self.busy[what]

"""The only stream loop: poll, stage, write, commit, drain.

One cycle: poll records; run the stage on them; in one transaction store what came of them, their dead letters and the
next offset of their partitions; then tell the log. Killed before the transaction commits, the cycle runs again from
the same offsets; killed after, it does not run again. What a stage published to the log before that transaction is
published a second time, and folds away downstream because its keys are natural.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from voxpop.errors import Fenced, Refused, StoreUnavailable, Unavailable
from voxpop.log.base import Consumer, Log, Message, Partition, Record
from voxpop.records import DeadLetter
from voxpop.stages import dead_letter
from voxpop.store import positions, writer

logger = logging.getLogger(__name__)

_BACKOFF_SECONDS = (0.1, 30.0)

MOST_TRIES = 3
"""A record that ended its process so often, alone, is a dead letter."""


class Result(NamedTuple):
    """What a step made of some records."""

    messages: list[Message]
    """To publish to the step's output before the offsets move."""
    write: Callable[[Connection], None]
    """Stores the rest, within the transaction that moves the offsets."""
    dead: list[DeadLetter]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A stage as the worker runs it: a consumer group, the topics that it reads and the one that it fills."""

    group: str
    topics: tuple[str, ...]
    run: Callable[[Sequence[Record]], Result]
    output: str | None = None


class Worker:
    """One member of a consumer group.

    Args:
        step: what to do.
        log: where records come from and messages go to.
        engine: the store.
        max_records: most records in one cycle.
    """

    def __init__(self, step: Step, log: Log, engine: Engine, *, max_records: int = 512) -> None:
        self.step = step
        self.records = 0
        self.dead = 0
        self.fault: BaseException | None = None
        """What ended ``run`` before it was told to stop."""
        self._log = log
        self._engine = engine
        self._max_records = max_records
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{threading.get_ident()}"
        self._claims: dict[Partition, positions.Claim] = {}
        self._begun: dict[Partition, int] = {}
        """Offsets that this process has counted as begun: it did not die of them, so it counts them once."""
        self.busy_since: float | None = None
        """``time.monotonic()`` at which the cycle in hand began to compute; None between cycles."""

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set, then finishes the cycle in hand. A service that is away is waited for."""
        consumer = self._log.subscribe(self.step.group, self.step.topics)
        wait = _BACKOFF_SECONDS[0]
        try:
            while not stop.is_set():
                try:
                    self._cycle(consumer)
                    wait = _BACKOFF_SECONDS[0]
                except Fenced as fenced:
                    logger.warning("%s; its results are dropped here", fenced)
                    self._forget(consumer)
                except Unavailable as away:
                    logger.warning("%s: %s; trying again in %.1f s", self.step.group, away, wait)
                    self._forget(consumer)
                    stop.wait(wait)
                    wait = min(2 * wait, _BACKOFF_SECONDS[1])
        except BaseException as fault:
            self.fault = fault
            raise
        finally:
            consumer.close()

    def _cycle(self, consumer: Consumer) -> None:
        records = consumer.poll(self._max_records, timeout=0.5)
        self._claim(consumer)
        held = [r for r in records if (c := self._claims.get(r.partition)) and r.offset >= c.next_offset]
        if held:
            self.busy_since = time.monotonic()
            try:
                self._attempt(held)
            finally:
                self.busy_since = None
            consumer.commit({p: self._claims[p].next_offset for p in {r.partition for r in held}})

    def _attempt(self, records: Sequence[Record]) -> None:
        """Handles the records; those of a partition where a process died before, one by one, to find which it is."""
        begun = self._begin({r.partition for r in records})
        suspected = {partition for partition, tries in begun.items() if tries > 1}
        if trusted := [r for r in records if r.partition not in suspected]:
            self._handle(trusted)
        for record in (r for r in records if r.partition in suspected):
            if self._begin({record.partition})[record.partition] > MOST_TRIES:
                reason = f"it ended its process {MOST_TRIES} times: killed, crashed or hung"
                self._store([Result([], lambda _: None, [dead_letter(record, self.step.group, reason)])], [record])
                self.records, self.dead = self.records + 1, self.dead + 1
            else:
                self._handle([record])

    def _begin(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Counts the records at the partitions' offsets as begun, durably; how often they were by now."""
        found = {}
        with _transaction(self._engine) as connection:
            for partition in sorted(partitions):
                held = self._claims[partition]
                again = self._begun.get(partition) == held.next_offset
                found[partition] = (positions.tries if again else positions.begin)(connection, held)
        self._begun |= {partition: self._claims[partition].next_offset for partition in partitions}
        return found

    def _handle(self, records: Sequence[Record]) -> None:
        """Runs the step on ``records``, publishes and stores; what either refuses is isolated like any fault."""
        results = self._isolated(records)
        try:
            if self.step.output is not None:
                self._log.publish(self.step.output, [message for result in results for message in result.messages])
            self._store(results, records)
        except (Refused, DBAPIError) as error:
            if len(records) > 1:
                middle = len(records) // 2
                self._handle(records[:middle])
                self._handle(records[middle:])
                return
            results = [self._fault(records[0], error)]
            self._store(results, records)
        self.records += len(records)
        self.dead += sum(len(result.dead) for result in results)

    def _claim(self, consumer: Consumer) -> None:
        """Claims the partitions gained since the last cycle and lets go of those lost."""
        owned = consumer.assignment()
        self._claims = {p: c for p, c in self._claims.items() if p in owned}
        for partition in sorted(owned - self._claims.keys()):
            with _transaction(self._engine) as connection:
                claim = positions.claim(
                    connection,
                    group=self.step.group,
                    topic=partition.topic,
                    topic_id=partition.topic_id,
                    partition=partition.number,
                    owner=self._owner,
                )
            self._claims[partition] = claim
            consumer.seek(partition, claim.next_offset)

    def _forget(self, consumer: Consumer) -> None:
        """Drops what was fetched and claimed: the next cycle starts from the stored offsets."""
        self._claims.clear()
        consumer.close()

    def _store(self, results: Sequence[Result], records: Sequence[Record]) -> None:
        """Stores results and moves the offsets past ``records``, all or nothing."""
        offsets = {r.partition: r.offset + 1 for r in records}
        with _transaction(self._engine) as connection:
            for result in results:
                result.write(connection)
                writer.write_dead_letters(connection, result.dead)
            moved = {p: positions.advance(connection, self._claims[p], n) for p, n in sorted(offsets.items())}
        self._claims.update(moved)

    def _isolated(self, records: Sequence[Record]) -> list[Result]:
        """Runs the step; where it raises, halves the batch until the record at fault stands alone and is dead."""
        try:
            return [self.step.run(records)]
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - any fault of a record must be isolated
            if len(records) > 1:
                middle = len(records) // 2
                return self._isolated(records[:middle]) + self._isolated(records[middle:])
            return [self._fault(records[0], error)]

    def _fault(self, record: Record, error: Exception) -> Result:
        """A record that cannot be handled, as a dead letter with the end of the traceback."""
        reason = "".join(traceback.format_exception(error)[-8:])
        return Result([], lambda _: None, [dead_letter(record, self.step.group, reason)])


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    """``engine.begin()`` that tells a database that is away from one that refuses."""
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise StoreUnavailable(f"the database does not answer: {error.orig}") from error


def drain(workers: Sequence[Worker], idle: Callable[[], bool], *, poll_seconds: float = 0.2) -> None:
    """Waits until ``idle`` says so twice with no record handled between."""
    while True:
        before = sum(w.records for w in workers)
        if idle():
            time.sleep(poll_seconds)
            if idle() and sum(w.records for w in workers) == before:
                return
        time.sleep(poll_seconds)

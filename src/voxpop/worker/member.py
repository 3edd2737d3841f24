"""The worker: one member of a consumer group, whose own thread polls while others compute and write."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy import Engine

from voxpop import metrics, testing
from voxpop.errors import Fenced, LogUnavailable, StoreUnavailable
from voxpop.log.base import Consumer, Log, Partition, Record
from voxpop.worker.handler import Handler
from voxpop.worker.holdings import Holdings, Lane
from voxpop.worker.patience import Backoff, GivenUp, patiently
from voxpop.worker.queues import Batch, Load, Queue, joined
from voxpop.worker.step import Result, Step

logger = logging.getLogger(__name__)

MOST_TRIES = 3
"""A record that ended its process so often, alone, is a dead letter."""

_POLL_SECONDS = 0.5
_PAUSED_POLL_SECONDS = 0.05
_COMPUTED_BATCHES = 2
"""So many wait to be written at most: more would only be more to drop when a partition is lost."""
_LEAVE_SECONDS = 2.0
"""So long a stop waits for the database to take counts back; then they stay."""
_POLLS_ON_THEIR_WAY = 4
"""Of full polls' records, so many are on their way at most."""

Computed = tuple[Batch, list[Result]]
T = TypeVar("T")


class Worker:
    """One member of a consumer group.

    Args:
        step: what to do.
        log: where records come from and messages go to.
        engine: the store.
        max_records: most records in one batch.
        queue_bytes: most bytes of records between poll and store, but for the poll that goes beyond.
        drain_seconds: after so long a stop abandons what is not done.
    """

    def __init__(
        self,
        step: Step,
        log: Log,
        engine: Engine,
        *,
        max_records: int = 512,
        queue_bytes: int = 16 << 20,
        drain_seconds: float = 25.0,
    ) -> None:
        self.step = step
        self.fault: BaseException | None = None
        """What ended ``run`` before it was told to stop."""
        self.abandoned = False
        """Whether work in hand was left undone when ``run`` returned; its threads may still be at it."""
        self._log, self._max_records, self._drain_seconds = log, max_records, drain_seconds
        owner = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(3)}"
        self._holdings = Holdings(engine, step.group, owner)
        self._handler = Handler(step, log, self._holdings, self._finish)
        self._load = Load(_POLLS_ON_THEIR_WAY * max_records, queue_bytes, self._tell_load)
        self._inbox: Queue[Batch] = Queue()
        self._computed: Queue[Computed] = Queue(_COMPUTED_BATCHES)
        self._lanes: dict[Partition, Lane] = {}
        self._owned: frozenset[Partition] = frozenset()
        self._paused = False
        self._away: set[str] = set()
        """What waits for a service at present."""
        self._claim_backoff, self._claim_at = Backoff(), 0.0
        self._stopping = threading.Event()
        self._giving_up = threading.Event()

    @property
    def records(self) -> int:
        """Records handled so far, dead letters included."""
        return self._handler.records

    @property
    def dead(self) -> int:
        """Dead letters so far."""
        return self._handler.dead

    @property
    def busy_since(self) -> float | None:
        """``time.monotonic()`` at which the oldest work in hand began; None where there is none."""
        return min((work.since for work in tuple(self._handler.busy.values())), default=None)

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set, then writes what is computed and leaves; a service that is away is waited for.

        Once it is told to stop it takes no longer than ``drain_seconds``: what is not done by then is abandoned, and
        done by whoever comes next.
        """
        consumer = self._log.subscribe(self.step.group, self.step.topics)
        threads = [self._thread("compute", self._compute), self._thread("write", self._write)]
        try:
            while not stop.is_set() and self.fault is None:
                self._cycle(consumer, stop)
        except BaseException as fault:
            self._fail(fault)
            raise
        finally:
            self._drain(threads)
            self._tell(consumer)
            consumer.close()
            self._settle(frozenset())
        if self.fault is not None:
            raise self.fault

    # The member's own thread: poll, claim, feed, tell.

    def _cycle(self, consumer: Consumer, stop: threading.Event) -> None:
        # A lane that another member has fenced is claimed again only where the poll after that still assigns it.
        self._lanes = {p: lane for p, lane in self._lanes.items() if lane.alive}
        self._regulate(consumer)
        records = self._poll(consumer, stop)
        self._settle(consumer.assignment())
        self._feed(records)  # before anything is claimed: a new lane starts where it seeks, and these are from before
        self._claim(consumer)
        self._tell(consumer)

    def _regulate(self, consumer: Consumer) -> None:
        """Pauses while there is too much on its way, or while a service is away, and goes on after that."""
        wanted = self._load.full() or bool(self._away)
        if wanted != self._paused:
            (consumer.pause if wanted else consumer.resume)()
            self._paused = wanted
        metrics.partitions_paused.labels(self.step.group).set(len(self._owned) if wanted else 0)

    def _poll(self, consumer: Consumer, stop: threading.Event) -> list[Record]:
        """Polls; a log that is away is polled again later, by the same member."""
        backoff = Backoff()
        while True:
            try:
                records = consumer.poll(
                    self._load.room(self._max_records), _PAUSED_POLL_SECONDS if self._paused else _POLL_SECONDS
                )
                if records:
                    testing.reach("polled")
                return records
            except LogUnavailable as away:
                seconds = backoff.seconds()
                logger.warning("%s: %s; polling again in %.1f s", self.step.group, away, seconds)
                metrics.unavailable.labels(self.step.group).inc()
                self._settle(consumer.assignment())
                if stop.wait(seconds) or self.fault is not None:
                    return []

    def _settle(self, owned: frozenset[Partition]) -> None:
        """Lets go of what was lost: what is on its way of it is dropped, or refused by the fence."""
        for partition in self._lanes.keys() - owned:
            self._lanes.pop(partition).alive = False
        if owned != self._owned:
            metrics.rebalances.labels(self.step.group).inc()
            self._owned = owned
        metrics.partitions.labels(self.step.group).set(len(owned))

    def _claim(self, consumer: Consumer) -> None:
        """Claims what was gained. While the database is away it stays unclaimed, and polling goes on."""
        gained = sorted(self._owned - self._lanes.keys())
        if not gained or time.monotonic() < self._claim_at:
            return
        try:
            for partition in gained:
                lane = self._holdings.claim(partition)
                consumer.seek(partition, lane.fed)
                self._lanes[partition] = lane
            self._claim_backoff.reset()
        except StoreUnavailable as away:
            seconds = self._claim_backoff.seconds()
            logger.warning("%s: %s; claiming again in %.1f s", self.step.group, away, seconds)
            self._claim_at = time.monotonic() + seconds

    def _feed(self, records: Sequence[Record]) -> None:
        """Hands on what is new of the partitions that are held."""
        new = []
        for record in records:
            lane = self._lanes.get(record.partition)
            if lane is not None and record.offset >= lane.fed:
                lane.fed = record.offset + 1
                new.append(record)
        if new:
            batch = Batch(new, {r.partition: self._lanes[r.partition] for r in new})
            self._load.add(batch)
            self._inbox.put(batch)

    def _tell(self, consumer: Consumer) -> None:
        """Tells the log how far the store is, for the lag alone."""
        moved = {lane: at for lane in self._lanes.values() if (at := lane.claim.next_offset) != lane.told}
        if moved:
            consumer.commit({lane.partition: at for lane, at in moved.items()})
            testing.reach("told")
        for lane, at in moved.items():
            lane.told = at

    def _drain(self, threads: Sequence[threading.Thread]) -> None:
        """Ends the other threads: the batch in hand is finished, what is computed is written, the rest is left."""
        deadline = time.monotonic() + self._drain_seconds
        self._stopping.set()
        self._inbox.close(discard=True)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        at_work = self._at_work()  # before those that wait are told to give up, and wait no more
        self._giving_up.set()
        self._computed.abort()
        if self.fault is None:
            self._thread("leave", partial(self._holdings.leave, at_work)).join(_LEAVE_SECONDS)
        if any(thread.is_alive() for thread in threads):
            self.abandoned = True
            logger.warning("%s: not done within %.0f s; the rest is left", self.step.group, self._drain_seconds)

    def _at_work(self) -> set[Partition]:
        """Partitions of which something is computed or written. Who waits for a service, even within an attempt, is not
        at work: it dies of no record.
        """
        busy = tuple(self._handler.busy.items())  # first: one that stops waiting in between is at work
        return {partition for what, work in busy if what not in self._away for partition in work.partitions}

    # The other threads.

    def _compute(self) -> None:
        try:
            while parts := self._inbox.take(self._fits):
                self._attempt(joined(parts))
                for part in parts:
                    self._holdings.outlived(part.lanes.values())
                    self._load.remove(part)
        finally:
            self._computed.close()

    def _fits(self, parts: Sequence[Batch], another: Batch) -> bool:
        return sum(len(part.records) for part in (*parts, another)) <= self._max_records

    def _write(self) -> None:
        while jobs := self._computed.take():
            for batch, results in jobs:
                self._handler.finish(batch, results)
                self._holdings.outlived(batch.lanes.values())
                self._load.remove(batch)
                self._computed.done()

    def _attempt(self, batch: Batch) -> None:
        """Computes a batch; the records of a partition where a process died before, one by one, to find which it is."""
        tries = self._begin(batch)
        suspected = {lane.partition for lane, count in tries.items() if count > 1}
        if trusted := [r for r in batch.living().records if r.partition not in suspected]:
            self._hand_on(batch.of(trusted))
        for record in (r for r in batch.records if r.partition in suspected):
            self._alone(batch.of([record]))

    def _alone(self, batch: Batch) -> None:
        """Computes and stores one record by itself, unless it has ended its process too often."""
        self._computed.settle()
        if self._stopping.is_set():
            raise GivenUp
        for count in self._begin(batch, alone=True).values():
            if count > MOST_TRIES:
                reason = f"it ended its process {MOST_TRIES} times: killed, crashed or hung"
                self._queue(batch, [self._handler.bury(batch.records[0], reason)])
            else:
                self._hand_on(batch)
        self._computed.settle()

    def _begin(self, batch: Batch, *, alone: bool = False) -> dict[Lane, int]:
        """Counts the batch as begun, without what was lost meanwhile."""

        def begin() -> dict[Lane, int]:
            while live := batch.living().ends:
                try:
                    return self._holdings.begin(live, alone=alone)
                except Fenced as fenced:
                    logger.warning("%s; its records are dropped here", fenced)
            return {}

        return self._patiently("begin", begin, self._stopping)

    def _hand_on(self, batch: Batch) -> None:
        results = self._patiently("compute", partial(self._handler.compute, batch.records), self._stopping)
        testing.reach("computed")
        self._queue(batch, results)

    def _queue(self, batch: Batch, results: list[Result]) -> None:
        self._load.add(batch)
        self._computed.put((batch, results))

    def _finish(self, act: Callable[[], T]) -> T:
        return self._patiently("write", act, self._giving_up)

    def _patiently(self, what: str, act: Callable[[], T], give_up: threading.Event) -> T:
        return patiently(act, give_up, who=f"{self.step.group}: {what}", away=partial(self._note, what))

    def _note(self, what: str, away: bool) -> None:
        """Whether a thread waits for a service: meanwhile nothing is polled that would only lie here."""
        if away and what not in self._away:
            metrics.unavailable.labels(self.step.group).inc()
        (self._away.add if away else self._away.discard)(what)

    def _tell_load(self, records: int, size: int) -> None:
        metrics.queue_records.labels(self.step.group).set(records)
        metrics.queue_bytes.labels(self.step.group).set(size)

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Starts a thread. It does not outlive the process: what it is at, stands or falls as one transaction."""

        def guarded() -> None:
            try:
                work()
            except GivenUp:
                pass
            except BaseException as fault:  # noqa: BLE001 - ``run`` raises it
                self._fail(fault)

        thread = threading.Thread(target=guarded, name=f"{self.step.group}-{name}", daemon=True)
        thread.start()
        return thread

    def _fail(self, fault: BaseException) -> None:
        """Ends every thread of the worker."""
        if self.fault is None:
            self.fault = fault
        self._stopping.set()
        self._giving_up.set()
        self._inbox.abort()
        self._computed.abort()


def drain(workers: Sequence[Worker], idle: Callable[[], bool], *, poll_seconds: float = 0.2) -> None:
    """Waits until ``idle`` says so twice with no record handled between."""
    while True:
        before = sum(w.records for w in workers)
        if idle():
            time.sleep(poll_seconds)
            if idle() and sum(w.records for w in workers) == before:
                return
        time.sleep(poll_seconds)

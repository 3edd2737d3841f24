"""A member of a Kafka consumer group that starts where it is told and never guesses an offset.

Partitions are gained and lost on the library's own thread, while the caller computes, too. The listener there only
pauses what was gained and notes what was lost; ``poll`` sorts it out in the caller's thread. A partition that was
lost and won again between two polls shows as lost in the first and as gained in the second, for another member may
have worked on it meanwhile.

Records are fetched by the topic's name. So that those of a topic that was deleted and made anew are not taken for
those of the old one, the topic's id is asked for after each fetch: ids never come back, so one that is the same
before and after a fetch was the same during it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import MemberState

from voxpop.log.base import Partition, Record
from voxpop.log.kafka_client import answered, connect
from voxpop.log.kafka_options import Options

logger = logging.getLogger(__name__)

_SLICE_SECONDS = 0.1
"""How long the library waits before what it gained is looked at."""
_LOOK_SECONDS = 5.0
"""A silent log is asked so often whether it is there and its topics are the same."""
_QUIET_SECONDS = 30.0
"""A partition that gives nothing for so long is sought again where it was: nobody would notice if the library had lost
the place. No fetch takes as long."""
_LEAVE_SECONDS = 3.0
_POLL_INTERVAL_SECONDS = 900.0
"""A member that does not poll for so long is stuck, and its partitions go to others."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on the library's thread: pauses what was gained, notes what was lost, and waits for nothing."""

    def __init__(self, consumer: Any) -> None:
        self.lost: deque[Any] = deque()
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        for partition in assigned:
            hold(self._consumer, partition)

    def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        self.lost.extend(revoked)


def hold(consumer: Any, partition: Any) -> None:
    """Delivers nothing of ``partition`` until it is sought; gives it a place, or the library looks for one itself."""
    with suppress(ValueError, KeyError):  # it may be lost at any moment
        consumer.pause(partition)
        consumer.seek(partition, 0)


def _finish_join(consumer: Any) -> None:
    """Has the library go on with a join that it began.

    A leader that joins again because a topic changed forgets why as soon as it has dealt out the partitions
    (kafka-python 3.0.12: ``need_rejoin`` compares snapshots that ``_perform_assignment`` makes equal). If a poll ends
    in between, the next one does not wait for the join, which is then never finished: no heartbeat, no partition.
    """
    if consumer.group_metadata().state == MemberState.REBALANCING:
        consumer._coordinator.request_rejoin()


def _keep_joins(coordinator: Any) -> None:
    """Has a join count that ended between two polls.

    The library drops what it brought and asks the group anew (kafka-python 3.0.12: ``join_group_async`` starts
    again where the task is done), so members that poll shortly, on a slow machine, can rebalance without end. Here what
    the join brought is kept for the poll that comes next, as long as the member is in the same generation.
    """
    join = coordinator._do_join_and_sync_async
    kept: tuple[Any, bytes] | None = None

    async def joined() -> bytes:
        nonlocal kept
        before, kept = kept, None
        # The state is REBALANCING until a poll has taken in what the join brought.
        if before is not None and coordinator.state is MemberState.REBALANCING and before[0] == coordinator._generation:
            return before[1]
        brought: bytes = await join()
        kept = (coordinator._generation, brought)
        return brought

    coordinator._do_join_and_sync_async = joined


class KafkaMember:
    """A member of ``group``, which it joins at the first ``poll``. One thread uses it.

    Args:
        options: how to reach the brokers.
        group: the consumer group.
        topics: what it reads.
        topic_ids: tells the ids of topics, as they are now.
        instance: name under which the group knows this member across restarts (static membership, KIP-345).
    """

    def __init__(
        self,
        options: Options,
        group: str,
        topics: Sequence[str],
        topic_ids: Callable[[Collection[str]], dict[str, str]],
        *,
        instance: str | None = None,
    ) -> None:
        self._options = options
        self._group = group
        self._topics = list(topics)
        self._topic_ids = topic_ids
        self._instance = instance
        self._consumer: Any = None
        self._listener: _Listener | None = None
        self._owned: dict[Any, Partition] = {}
        self._next: dict[Any, int] = {}
        """The offset to deliver next of each partition that was sought."""
        self._heard: dict[Any, float] = {}
        """``time.monotonic()`` at which each of these was sought or gave something."""
        self._looked = float("-inf")
        self._paused = False

    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._owned.values())

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        deadline = time.monotonic() + timeout
        with answered():
            consumer = self._open()
            while True:
                left = max(0.0, deadline - time.monotonic())
                fetched = self._fetch(consumer, max_records, min(left, _SLICE_SECONDS))
                try:
                    changed = self._settle(consumer, fetched=bool(fetched))
                except BaseException:
                    self._rewind(consumer, fetched)
                    raise
                if self._paused:
                    self._rewind(consumer, fetched)
                    self._hold_all(consumer)
                    fetched = {}
                records = self._delivered(fetched)
                if records or changed or left <= 0:
                    return records

    def seek(self, partition: Partition, offset: int) -> None:
        at = TopicPartition(partition.topic, partition.number)
        if self._consumer is None or self._owned.get(at) != partition:
            return
        with suppress(ValueError, KeyError):  # lost since the last poll; the next one says so
            self._consumer.seek(at, offset)
            if not self._paused:
                self._consumer.resume(at)
            self._next[at] = offset
            self._heard[at] = time.monotonic()

    def pause(self) -> None:
        self._paused = True
        if self._consumer is not None:
            self._hold_all(self._consumer)

    def resume(self) -> None:
        self._paused = False
        for at in self._next:
            with suppress(ValueError, KeyError):  # lost since the last poll; the next one says so
                self._consumer.resume(at)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Tells Kafka without waiting; a commit that fails is made up for by the next one."""
        if self._consumer is None:
            return
        told = {
            TopicPartition(p.topic, p.number): OffsetAndMetadata(offset, "", -1)
            for p, offset in offsets.items()
            if self._owned.get(TopicPartition(p.topic, p.number)) == p
        }
        try:
            self._consumer.commit_async(told)
        except kafka_errors.KafkaError as error:
            logger.info("%s: the lag was not told: %s", self._group, error)

    def close(self) -> None:
        consumer, self._consumer, self._listener = self._consumer, None, None
        self._owned.clear()
        self._next.clear()
        self._heard.clear()
        self._looked = float("-inf")
        if consumer is not None:
            with suppress(kafka_errors.KafkaError):
                consumer.close(autocommit=False, timeout_ms=_LEAVE_SECONDS * 1000)

    def _open(self) -> Any:
        if self._consumer is None:
            session = int(self._options.session * 1000)
            self._consumer = connect(
                KafkaConsumer,
                self._options,
                group_id=self._group,
                group_instance_id=self._instance,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                partition_assignment_strategy=[CooperativeStickyAssignor],
                session_timeout_ms=session,
                heartbeat_interval_ms=min(3000, session // 3),
                max_poll_interval_ms=int(_POLL_INTERVAL_SECONDS * 1000),
            )
            _keep_joins(self._consumer._coordinator)
            self._listener = _Listener(self._consumer)
            self._consumer.subscribe(topics=self._topics, listener=self._listener)
        return self._consumer

    def _fetch(self, consumer: Any, max_records: int, seconds: float) -> dict[Any, list[Any]]:
        _finish_join(consumer)
        self._release(consumer)
        try:
            fetched: dict[Any, list[Any]] = consumer.poll(timeout_ms=seconds * 1000, max_records=max_records)
            return fetched
        except kafka_errors.OffsetOutOfRangeError:
            before = set(self._owned.values())
            self._look(consumer)
            if before <= set(self._owned.values()):
                raise
            return {}  # the topic was made anew, so the offset was that of another stream

    def _settle(self, consumer: Any, *, fetched: bool) -> bool:
        """Takes in what was gained and lost since; True if anything was: the caller sees it before it is regained."""
        assert self._listener is not None
        assigned, lost = consumer.assignment(), set()
        while self._listener.lost:
            lost.add(self._listener.lost.popleft())
        gone = [at for at in self._owned if at not in assigned or at in lost]
        for at in gone:
            self._forget(at)
        for at in assigned & lost:
            hold(consumer, at)
        gained = assigned - lost - self._owned.keys()
        if fetched or gained or time.monotonic() - self._looked > _LOOK_SECONDS:
            return self._look(consumer, gained) or bool(gone)
        return bool(gone)

    def _look(self, consumer: Any, gained: Collection[Any] = ()) -> bool:
        """Asks for the topics' ids and gives each partition its own; True if one is new here.

        Raises:
            kafka.errors.KafkaError: the brokers do not answer.
        """
        ids = self._topic_ids(self._topics)
        self._looked = time.monotonic()
        new = False
        for at in [*self._owned, *gained]:
            if at.topic not in ids:
                self._forget(at)
                hold(consumer, at)
                continue
            now = Partition(at.topic, ids[at.topic], at.partition)
            if self._owned.get(at) != now:
                self._forget(at)
                hold(consumer, at)
                self._owned[at] = now
                new = True
        return new

    def _hold_all(self, consumer: Any) -> None:
        """Pauses all that was sought: after a rebalance, the library has forgotten what was paused."""
        for at in self._next:
            with suppress(ValueError, KeyError):  # lost since the last poll; the next one says so
                consumer.pause(at)

    def _release(self, consumer: Any) -> None:
        """Goes on with what was sought and is held all the same, or gives nothing.

        Neither should happen, yet once a partition of a member that had been frozen was not read for 80 s. What was
        lost meanwhile is not delivered, whatever is fetched of it.
        """
        if self._paused:
            return
        held, now = consumer.paused(), time.monotonic()
        for at, offset in self._next.items():
            if at in held or now - self._heard[at] > _QUIET_SECONDS:
                self._heard[at] = now
                with suppress(ValueError, KeyError):  # lost since the last poll; the next one says so
                    consumer.seek(at, offset)
                    consumer.resume(at)

    def _rewind(self, consumer: Any, fetched: Collection[Any]) -> None:
        """Has what was fetched and cannot be delivered now fetched again."""
        for at in fetched:
            if at in self._next:
                with suppress(ValueError, KeyError):  # lost since the last poll; the next one says so
                    consumer.seek(at, self._next[at])

    def _forget(self, at: Any) -> None:
        self._owned.pop(at, None)
        self._next.pop(at, None)
        self._heard.pop(at, None)

    def _delivered(self, fetched: Mapping[Any, Sequence[Any]]) -> list[Record]:
        """The records of partitions that are owned and sought, and none from before where they were sought."""
        records = []
        for at, batch in fetched.items():
            if at not in self._next:
                continue
            for record in batch:
                if record.offset >= self._next[at]:
                    records.append(Record(self._owned[at], record.offset, record.key or b"", record.value or b""))
                    self._next[at] = record.offset + 1
                    self._heard[at] = time.monotonic()
        return records

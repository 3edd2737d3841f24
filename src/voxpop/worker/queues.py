"""What is on its way between two threads, and how much of it there may be."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from voxpop.log.base import Partition, Record
from voxpop.worker.holdings import Lane
from voxpop.worker.patience import GivenUp

T = TypeVar("T")


class Batch(NamedTuple):
    """Records in offset order within each partition, and the lane that each partition's belong to."""

    records: list[Record]
    lanes: dict[Partition, Lane]

    @property
    def bytes(self) -> int:
        """Size of the records' values."""
        return sum(len(record.value) for record in self.records)

    @property
    def ends(self) -> dict[Lane, int]:
        """The next offset of each lane once the batch is stored."""
        return {self.lanes[record.partition]: record.offset + 1 for record in self.records}

    def of(self, records: Iterable[Record]) -> Batch:
        """The batch of some of the records."""
        chosen = list(records)
        return Batch(chosen, {r.partition: self.lanes[r.partition] for r in chosen})

    def living(self) -> Batch:
        """What of it may still be stored: its lane is held, and it is not stored yet."""
        return self.of(
            r for r in self.records if (lane := self.lanes[r.partition]).alive and r.offset >= lane.claim.next_offset
        )

    def halves(self) -> tuple[Batch, Batch]:
        """The first and the second half of the records."""
        middle = len(self.records) // 2
        return self.of(self.records[:middle]), self.of(self.records[middle:])


def joined(batches: Sequence[Batch]) -> Batch:
    """One batch of several. Of a partition that was lost and won again, what was read before is left out."""
    living = [batch.living() for batch in batches]
    lanes = {partition: lane for batch in living for partition, lane in batch.lanes.items()}
    return Batch([r for b in living for r in b.records if b.lanes[r.partition] is lanes[r.partition]], lanes)


class Load:
    """Counts what was polled and is not stored yet.

    Args:
        most_records: no more are polled once there are so many.
        most_bytes: nor once their values are so large.
        changed: is told of each change, with records and bytes.
    """

    def __init__(self, most_records: int, most_bytes: int, changed: Callable[[int, int], None]) -> None:
        self._most_records, self._most_bytes, self._changed = most_records, most_bytes, changed
        self._records = self._bytes = 0
        self._seen_records = self._seen_bytes = 0
        self._full = False
        self._lock = threading.Lock()

    def add(self, batch: Batch) -> None:
        """The batch is on its way."""
        with self._lock:
            self._seen_records += len(batch.records)
            self._seen_bytes += batch.bytes
        self._move(len(batch.records), batch.bytes)

    def remove(self, batch: Batch) -> None:
        """The batch is stored, or dropped."""
        self._move(-len(batch.records), -batch.bytes)

    def full(self) -> bool:
        """Whether to take no more: from the limit on until half of it is free again."""
        with self._lock:
            share = max(self._records / self._most_records, self._bytes / self._most_bytes)
            self._full = share >= (0.5 if self._full else 1.0)
            return self._full

    def room(self, most: int) -> int:
        """How many records, at most ``most``, are likely to fit: by the mean size of those seen so far."""
        with self._lock:
            mean = self._seen_bytes / self._seen_records if self._seen_records else 0.0
            free = self._most_bytes - self._bytes
            return max(1, min(most, int(free / mean))) if mean else most

    def _move(self, records: int, size: int) -> None:
        with self._lock:
            self._records += records
            self._bytes += size
            self._changed(self._records, self._bytes)


class Queue(Generic[T]):
    """Hands things from one thread to another, in order.

    Args:
        most: ``put`` waits while so many lie here; 0: it never waits.
    """

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._items: deque[T] = deque()
        self._in_hand = 0
        self._closed = self._broken = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Hands ``item`` over.

        Raises:
            GivenUp: nobody takes anything any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._broken or not self._most or len(self._items) < self._most)
            if self._closed:
                raise GivenUp
            self._items.append(item)
            self._changed.notify_all()

    def take(self, fits: Callable[[Sequence[T], T], bool] = lambda taken, item: False) -> list[T]:
        """Waits for something; takes it and what lies here behind it, as long as that ``fits`` to what is taken.

        Nothing once the queue is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._broken or self._closed or bool(self._items))
            taken: list[T] = []
            while self._items and (not taken or fits(taken, self._items[0])):
                taken.append(self._items.popleft())
            self._in_hand += len(taken)
            self._changed.notify_all()
            return taken

    def done(self, count: int = 1) -> None:
        """So many of those taken are dealt with."""
        with self._changed:
            self._in_hand -= count
            self._changed.notify_all()

    def settle(self) -> None:
        """Waits until everything that was put is dealt with.

        Raises:
            GivenUp: nobody takes anything any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._broken or not (self._items or self._in_hand))
            if self._broken:
                raise GivenUp

    def close(self, *, discard: bool = False) -> None:
        """Takes nothing more; what lies here is still handed over, unless it is to be discarded."""
        with self._changed:
            self._closed = True
            if discard:
                self._items.clear()
            self._changed.notify_all()

    def abort(self) -> None:
        """Ends everybody's waiting at once."""
        with self._changed:
            self._broken = self._closed = True
            self._items.clear()
            self._changed.notify_all()

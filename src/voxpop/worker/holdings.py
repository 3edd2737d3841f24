"""What a member holds: a lane for each partition, from where it may write, and what it has begun.

The count of tries, in the database, tells of processes that died of the records at an offset. It is durable before
anything is computed: what is begun at the stored offset is counted there, and what is begun while records before it
are still to be stored is covered by their count until their store hands it on, in the transaction that moves the
offset. So a process that dies leaves a count of at least one on whatever it had begun. One that only loses a partition
takes its count back, and so does one that is told to end, but for what it is at work on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from voxpop import testing
from voxpop.errors import Fenced, StoreUnavailable
from voxpop.log.base import Partition
from voxpop.store import positions
from voxpop.worker.patience import store_answers


@dataclass(eq=False)
class Lane:
    """A partition for as long as this member holds it; after another claim it is another lane."""

    partition: Partition
    claim: positions.Claim
    """Moves with each store."""
    fed: int
    """The next offset to take from the log."""
    begun: int
    """Records below this offset were begun."""
    told: int
    """What the log knows of it, for the lag."""
    alive: bool = True
    """False, for good, once the partition is lost or claimed by another."""


class Holdings:
    """Claims, counts and stores for one member of ``group``. Threads may share it."""

    def __init__(self, engine: Engine, group: str, owner: str) -> None:
        self._engine, self._group, self._owner = engine, group, owner
        self._lock = threading.Lock()
        """Between looking at what is begun and the commit of what follows from it."""
        self._counted: dict[Partition, int] = {}
        """Offsets whose count includes this process: it did not die of them, so it counts them once."""
        self._latest: dict[Partition, Lane] = {}

    def claim(self, partition: Partition) -> Lane:
        """Claims the partition for this member.

        Raises:
            StoreUnavailable: the database is away.
        """
        with store_answers(), self._engine.begin() as connection:
            claim = positions.claim(
                connection,
                group=self._group,
                topic=partition.topic,
                topic_id=partition.topic_id,
                partition=partition.number,
                owner=self._owner,
            )
        testing.reach("claimed")
        at = claim.next_offset
        lane = Lane(partition, claim, fed=at, begun=at, told=at)
        with self._lock:
            self._latest[partition] = lane
        return lane

    def begin(self, ends: Mapping[Lane, int], *, alone: bool = False) -> dict[Lane, int]:
        """Counts records as begun, up to an offset in each lane; how often those at the stored offset were by now.

        Args:
            alone: nothing of these lanes is on its way, so the records are the ones at the stored offsets.

        Raises:
            Fenced: another member has claimed one of them since; its lane is dead.
            StoreUnavailable: the database is away, and nothing is begun.
        """
        with self._lock:
            heads = [lane for lane in ends if alone or lane.begun <= lane.claim.next_offset]
            found = dict.fromkeys(ends, 1) | self._count(heads)
            for lane, end in ends.items():
                lane.begun = end
        testing.reach("begun")
        return found

    def outlived(self, lanes: Iterable[Lane]) -> None:
        """Takes back what this process counted in those of the lanes that it lost, and is not at work on any more.

        It did not die of them, and where members come and go all the time a record would else be held to have killed
        every one that had it for a moment. While the database is away the count stays: then the record is tried alone
        sooner than it need be.
        """
        self._take_back(lambda: [lane for lane in lanes if not lane.alive])

    def leave(self, at_work: Collection[Partition]) -> None:
        """Takes back all that this process counted, but in the partitions that it is at work on, for it is told to end.

        It did not die of what only waited: where members are restarted while a service is away, the next records would
        else be held to have killed each of them. While the database is away the counts stay.
        """
        self._take_back(lambda: [lane for partition, lane in self._latest.items() if partition not in at_work])

    def store(self, ends: Mapping[Lane, int], write: Callable[[Connection], None]) -> None:
        """Writes and moves the lanes' offsets, all or nothing.

        Raises:
            Fenced: another member has claimed some of the partitions since; their lanes are dead.
            StoreUnavailable: the database is away. All may be stored, if it went away while it committed: then the
                next attempt is fenced.
        """
        with store_answers(), self._engine.connect() as connection:
            write(connection)
            testing.reach("written")
            with self._lock:
                moved = self._advance(connection, ends)
                connection.commit()
                for lane, claim in moved.items():
                    lane.claim = claim
                    if lane.begun > claim.next_offset:
                        self._counted[lane.partition] = claim.next_offset
        testing.reach("stored")

    def _take_back(self, chosen: Callable[[], Collection[Lane]]) -> None:
        with self._lock:
            counted = [
                lane
                for lane in chosen()
                if self._latest[lane.partition] is lane and self._counted.get(lane.partition) == lane.claim.next_offset
            ]
            for lane in counted:
                del self._counted[lane.partition]
        if counted:
            with suppress(StoreUnavailable), store_answers(), self._engine.begin() as connection:
                for lane in sorted(counted, key=lambda lane: lane.partition):
                    positions.take_back(connection, lane.claim)

    def _count(self, lanes: Collection[Lane]) -> dict[Lane, int]:
        found: dict[Lane, int] = {}
        if not lanes:
            return found
        with store_answers(), self._engine.begin() as connection:
            for lane in sorted(lanes, key=lambda lane: lane.partition):
                again = self._counted.get(lane.partition) == lane.claim.next_offset
                with _fencing(lane):
                    found[lane] = (positions.tries if again else positions.begin)(connection, lane.claim)
        self._counted |= {lane.partition: lane.claim.next_offset for lane in lanes}
        return found

    def _advance(self, connection: Connection, ends: Mapping[Lane, int]) -> dict[Lane, positions.Claim]:
        """Moves every lane's offset; finds all that are fenced, for one that is often comes with others."""
        moved, fenced = {}, None
        for lane, end in sorted(ends.items(), key=lambda item: item[0].partition):
            try:
                with _fencing(lane):
                    moved[lane] = positions.advance(connection, lane.claim, end, begun=lane.begun > end)
            except Fenced as error:
                fenced = error
        if fenced is not None:
            raise fenced
        return moved


@contextmanager
def _fencing(lane: Lane) -> Iterator[None]:
    """A lane whose claim is fenced is dead."""
    try:
        yield
    except Fenced:
        lane.alive = False
        raise

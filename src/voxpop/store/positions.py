"""Where each consumer group is in each partition, kept beside the results, and the fence around it.

A member that is assigned a partition claims its row, which raises the epoch. Whoever writes results moves the row's
offset in the same transaction, and only if the epoch is still its own and the offset the one that it started from.
So the results and the offset stand or fall together, and a member that was frozen while another took over cannot
write: its epoch is stale. (Kafka's documentation on consumer positions recommends the offset beside the results; the
epoch is the fencing token of Kleppmann, "How to do distributed locking", 2016.)
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from voxpop.errors import Fenced
from voxpop.store.tables import positions


class Claim(NamedTuple):
    """The right to write results of one partition: this epoch, from this offset."""

    group: str
    topic_id: str
    partition: int
    epoch: int
    next_offset: int


def claim(connection: Connection, *, group: str, topic: str, topic_id: str, partition: int, owner: str) -> Claim:
    """Takes the partition: raises its epoch and says where to go on."""
    row = connection.execute(
        insert(positions)
        .values(
            consumer_group=group,
            topic_id=topic_id,
            partition=partition,
            topic=topic,
            next_offset=0,
            epoch=1,
            owner=owner,
        )
        .on_conflict_do_update(
            index_elements=["consumer_group", "topic_id", "partition"],
            set_={"epoch": positions.c.epoch + 1, "owner": owner},
        )
        .returning(positions.c.epoch, positions.c.next_offset)
    ).one()
    return Claim(group, topic_id, partition, row.epoch, row.next_offset)


def advance(connection: Connection, held: Claim, next_offset: int) -> Claim:
    """Moves the offset within the caller's transaction.

    Raises:
        Fenced: another member has claimed the partition since, or the offset is not where this one left it.
    """
    moved = connection.execute(
        update(positions)
        .where(
            positions.c.consumer_group == held.group,
            positions.c.topic_id == held.topic_id,
            positions.c.partition == held.partition,
            positions.c.epoch == held.epoch,
            positions.c.next_offset == held.next_offset,
        )
        .values(next_offset=next_offset)
    )
    if moved.rowcount != 1:
        raise Fenced(f"partition {held.partition} of {held.group} was claimed by another member")
    return held._replace(next_offset=next_offset)


def offsets(connection: Connection, group: str) -> dict[tuple[str, int], int]:
    """Next offset by (topic, partition number)."""
    rows = connection.execute(
        select(positions.c.topic, positions.c.partition, positions.c.next_offset).where(
            positions.c.consumer_group == group
        )
    )
    return {(row.topic, row.partition): row.next_offset for row in rows}

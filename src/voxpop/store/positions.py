"""Where each consumer group is in each partition, kept beside the results, and the fence around it.

A member that is assigned a partition claims its row, which raises the epoch. Whoever writes results moves the row's
offset in the same transaction, and only if the epoch is still its own and the offset the one that it started from.
So the results and the offset stand or fall together, and a member that was frozen while another took over cannot
write: its epoch is stale. (Kafka's documentation on consumer positions recommends the offset beside the results; the
epoch is the fencing token of Kleppmann, "How to do distributed locking", 2016.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, update
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


def begin(connection: Connection, held: Claim) -> int:
    """Counts, before anything is computed, that the records at the offset are begun; how often they were by now.

    Whoever lives to move the offset sets the count back. So a count above one tells of a process that died of them.

    Raises:
        Fenced: another member has claimed the partition since.
    """
    tries: int | None = connection.execute(
        update(positions).where(*_held(held)).values(tries=positions.c.tries + 1).returning(positions.c.tries)
    ).scalar_one_or_none()
    if tries is None:
        raise _fenced(held)
    return tries


def tries(connection: Connection, held: Claim) -> int:
    """How often the records at the offset were begun.

    Raises:
        Fenced: another member has claimed the partition since.
    """
    found: int | None = connection.execute(select(positions.c.tries).where(*_held(held))).scalar_one_or_none()
    if found is None:
        raise _fenced(held)
    return found


def take_back(connection: Connection, left: Claim) -> None:
    """Undoes one ``begin`` of a claim that is given up, whoever has it by now, if the offset is still where it was."""
    connection.execute(
        update(positions)
        .where(
            positions.c.consumer_group == left.group,
            positions.c.topic_id == left.topic_id,
            positions.c.partition == left.partition,
            positions.c.next_offset == left.next_offset,
            positions.c.tries > 0,
        )
        .values(tries=positions.c.tries - 1)
    )


def advance(connection: Connection, held: Claim, next_offset: int, *, begun: bool = False) -> Claim:
    """Moves the offset within the caller's transaction.

    Args:
        begun: the records at the new offset are begun by now, so their count starts at one.

    Raises:
        Fenced: another member has claimed the partition since, or the offset is not where this one left it.
    """
    moved = connection.execute(update(positions).where(*_held(held)).values(next_offset=next_offset, tries=int(begun)))
    if moved.rowcount != 1:
        raise _fenced(held)
    return held._replace(next_offset=next_offset)


def _held(held: Claim) -> tuple[ColumnElement[bool], ...]:
    """The row, if it is still as this member left it."""
    return (
        positions.c.consumer_group == held.group,
        positions.c.topic_id == held.topic_id,
        positions.c.partition == held.partition,
        positions.c.epoch == held.epoch,
        positions.c.next_offset == held.next_offset,
    )


def _fenced(held: Claim) -> Fenced:
    return Fenced(f"partition {held.partition} of {held.group} was claimed by another member")


def offsets(connection: Connection, group: str, topic_ids: Mapping[str, str]) -> dict[tuple[str, int], int]:
    """Next offset by (topic, partition number), in the incarnations of the topics that ``topic_ids`` names."""
    rows = connection.execute(
        select(positions.c.topic, positions.c.partition, positions.c.next_offset).where(
            positions.c.consumer_group == group, positions.c.topic_id.in_(topic_ids.values())
        )
    )
    return {(row.topic, row.partition): row.next_offset for row in rows}


def read(connection: Connection, topic_id: str) -> dict[int, int]:
    """By partition, the offset below which every group has read."""
    rows = connection.execute(
        select(positions.c.partition, func.min(positions.c.next_offset).label("done"))
        .where(positions.c.topic_id == topic_id)
        .group_by(positions.c.partition)
    )
    return {row.partition: row.done for row in rows}

"""Refused records, as stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, func, select, tuple_

from voxpop.errors import StoreError
from voxpop.store.tables import dead_letters


class Row(NamedTuple):
    """A dead letter; ``payload`` is raw, so show it masked."""

    id: str
    stage: str
    reason: str
    origin: str
    position: int | None
    payload: bytes
    received_at: datetime


_COLUMNS = [dead_letters.c[name] for name in Row._fields]


def listed(connection: Connection, stage: str | None, limit: int) -> tuple[int, list[Row]]:
    """How many there are, and the newest."""
    where = [] if stage is None else [dead_letters.c.stage == stage]
    total = connection.execute(select(func.count()).select_from(dead_letters).where(*where)).scalar_one()
    rows = connection.execute(
        select(*_COLUMNS).where(*where).order_by(dead_letters.c.received_at.desc(), dead_letters.c.id).limit(limit)
    )
    return total, [Row(*row) for row in rows]


def batches(engine: Engine, size: int) -> Iterator[list[Row]]:
    """All that are there, the newest first, some at a time; those that come in meanwhile are not among them.

    No transaction is open while the caller works on a batch, and it may remove what it has seen.
    """
    key = tuple_(dead_letters.c.received_at, dead_letters.c.id)
    query = select(*_COLUMNS).order_by(dead_letters.c.received_at.desc(), dead_letters.c.id.desc()).limit(size)
    further = query
    while True:
        with engine.connect() as connection:
            rows = [Row(*row) for row in connection.execute(further)]
        if not rows:
            return
        yield rows
        further = query.where(key < (rows[-1].received_at, rows[-1].id))


def one(connection: Connection, beginning: str) -> Row:
    """The one whose id begins so.

    Raises:
        StoreError: none does, or several do.
    """
    rows = connection.execute(
        select(*_COLUMNS).where(dead_letters.c.id.startswith(beginning, autoescape=True)).limit(2)
    )
    found = [Row(*row) for row in rows]
    if len(found) != 1:
        raise StoreError(f"{'no' if not found else 'more than one'} dead letter begins with {beginning!r}")
    return found[0]


def remove(connection: Connection, ids: Sequence[str] | None) -> int:
    """Forgets those of these ids (None: all); returns how many."""
    where = [] if ids is None else [dead_letters.c.id.in_(ids)]
    return connection.execute(delete(dead_letters).where(*where)).rowcount

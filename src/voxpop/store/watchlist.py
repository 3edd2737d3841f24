"""The watchlist as stored: who is watched now."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, select, text

from voxpop.records import Entity
from voxpop.store import bulk, tables


def replace(connection: Connection, entities: Iterable[Entity]) -> int:
    """Makes ``entities`` the watchlist; one that is no longer on it stays known, but is not linked any more."""
    rows = [(e.id, e.name, msgspec.json.encode(e).decode(), True) for e in entities]
    connection.execute(text("UPDATE entities SET active = false"))
    bulk.upsert(
        connection,
        tables.entities,
        ["entity_id", "name", "detail", "active"],
        rows,
        update=["name", "detail", "active"],
    )
    return len(rows)


def load(connection: Connection) -> list[Entity]:
    """The entities watched, by id."""
    rows = connection.execute(
        select(tables.entities.c.detail).where(tables.entities.c.active).order_by(tables.entities.c.entity_id)
    )
    return [msgspec.convert(row.detail, Entity) for row in rows]

"""The watchlist as stored: who is watched now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, select, text

from voxpop.records import Entity, Name
from voxpop.store import bulk, tables

_HAN, _KANA = re.compile("[\u4e00-\u9fff]"), re.compile("[\u3040-\u30ff]")


class Change(NamedTuple):
    """What a new watchlist changes in who is watched: how many entities."""

    watched: int
    added: int
    changed: int
    removed: int


def replace(connection: Connection, entities: Sequence[Entity]) -> Change:
    """Makes ``entities`` the watchlist; one that is no longer on it stays known, but is not linked any more."""
    before, now = {e.id: e for e in load(connection)}, {e.id: e for e in entities}
    rows = [(e.id, e.name, msgspec.json.encode(e).decode(), True) for e in entities]
    connection.execute(text("UPDATE entities SET active = false"))
    bulk.upsert(
        connection,
        tables.entities,
        ["entity_id", "name", "detail", "active"],
        rows,
        update=["name", "detail", "active"],
    )
    kept = before.keys() & now.keys()
    changed = sum(before[key] != now[key] for key in kept)
    return Change(len(rows), len(now) - len(kept), changed, len(before) - len(kept))


def load(connection: Connection) -> list[Entity]:
    """The entities watched, by id."""
    rows = connection.execute(
        select(tables.entities.c.detail).where(tables.entities.c.active).order_by(tables.entities.c.entity_id)
    )
    return [msgspec.convert(row.detail, Entity) for row in rows]


def names(connection: Connection) -> list[tuple[str, str]]:
    """(id, name) of every watched entity, by name."""
    t = tables.entities.c
    rows = connection.execute(select(t.entity_id, t.name).where(t.active).order_by(func.lower(t.name), t.entity_id))
    return [(row.entity_id, row.name) for row in rows]


def chinese_names(connection: Connection, at: datetime) -> dict[str, str]:
    """What each entity that was ever watched is called in Chinese at ``at``, by id; those without such a name lack."""
    details = connection.execute(select(tables.entities.c.detail)).scalars()
    known = (msgspec.convert(detail, Entity) for detail in details)
    return {entity.id: name for entity in known if (name := chinese_name(entity, at)) is not None}


def chinese_name(entity: Entity, at: datetime) -> str | None:
    """The entity's name, or else the first of its aliases in use, that is Chinese; None where none is."""
    named = (alias.text for alias in entity.aliases if _in_use(alias, at))
    return next((name for name in (entity.name, *named) if _HAN.search(name) and not _KANA.search(name)), None)


def _in_use(alias: Name, at: datetime) -> bool:
    day = at.astimezone(UTC)
    return (alias.valid_from is None or alias.valid_from <= day) and (alias.valid_to is None or day <= alias.valid_to)

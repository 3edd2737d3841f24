"""Facts of this installation, by name."""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from voxpop.store.tables import facts


def get(connection: Connection, key: str) -> str | None:
    """The fact, or None."""
    value: str | None = connection.execute(select(facts.c.value).where(facts.c.key == key)).scalar_one_or_none()
    return value


def put(connection: Connection, key: str, value: str) -> None:
    """Sets the fact."""
    statement = insert(facts).values(key=key, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))

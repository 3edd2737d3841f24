"""The model versions that have read something, and which one counts."""

from __future__ import annotations

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from voxpop.store.tables import models


def activate(connection: Connection, model: str, profile: str) -> None:
    """Makes ``model`` the version whose opinions count."""
    connection.execute(text("UPDATE models SET active = false WHERE model <> :model AND active"), {"model": model})
    statement = insert(models).values(model=model, profile=profile, active=True)
    connection.execute(statement.on_conflict_do_update(index_elements=["model"], set_={"active": True}))


def active(connection: Connection) -> str | None:
    """The version whose opinions count; None before anything was read."""
    value: str | None = connection.execute(select(models.c.model).where(models.c.active)).scalar_one_or_none()
    return value

"""The model versions that have read something, and which one counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from voxpop.store.tables import model_moves, models

Kind = Literal["promoted", "undone", "set"]
"""What made a version count: a person who promoted it, or took that back, or a profile that the settings name."""


class Version(NamedTuple):
    """A model version that reads, or has read."""

    model: str
    profile: str
    active: bool
    received_at: datetime
    """When it was first seen."""


class Move(NamedTuple):
    """One version was made to count in place of another."""

    number: int
    kind: Kind
    model: str
    former: str
    who: str
    received_at: datetime
    detail: Mapping[str, Any]


def activate(
    connection: Connection,
    model: str,
    profile: str,
    *,
    kind: Kind = "set",
    who: str = "settings",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Makes ``model`` the version whose opinions count; where another one did, that is recorded."""
    former = active(connection)
    connection.execute(text("UPDATE models SET active = false WHERE model <> :model AND active"), {"model": model})
    statement = insert(models).values(model=model, profile=profile, active=True)
    connection.execute(statement.on_conflict_do_update(index_elements=["model"], set_={"active": True}))
    if former is None or former == model:
        return
    number = connection.execute(select(func.coalesce(func.max(model_moves.c.number), 0) + 1)).scalar_one()
    values = {"number": number, "kind": kind, "model": model, "former": former, "who": who, "detail": detail or {}}
    connection.execute(model_moves.insert().values(received_at=func.clock_timestamp(), **values))


def beside(connection: Connection, model: str, profile: str) -> None:
    """Notes a version that reads in the shadow of the one that counts."""
    statement = insert(models).values(model=model, profile=profile, active=False)
    connection.execute(statement.on_conflict_do_nothing())


_ACTIVE = select(models.c.model).where(models.c.active)


def active(connection: Connection, as_of: datetime | None = None) -> str | None:
    """The version whose opinions count, or did at ``as_of``; None before anything was read.

    What one version has said of the past became known when it was promoted: as of an earlier time it said nothing.
    """
    if as_of is not None:
        later = select(model_moves.c.former).where(model_moves.c.received_at > as_of).order_by(model_moves.c.number)
        before: str | None = connection.execute(later.limit(1)).scalar_one_or_none()
        if before is not None:
            return before
    value: str | None = connection.execute(_ACTIVE).scalar_one_or_none()
    return value


def versions(connection: Connection) -> list[Version]:
    """All of them, the one that counts first, then the youngest."""
    columns = (models.c[name] for name in Version._fields)
    order = models.c.active.desc(), models.c.received_at.desc(), models.c.model
    return [Version(*row) for row in connection.execute(select(*columns).order_by(*order))]


def find(connection: Connection, model: str) -> Version | None:
    """The version of that name."""
    return next((version for version in versions(connection) if version.model == model), None)


def last_move(connection: Connection) -> Move | None:
    """The last change of the version that counts; None where there was none."""
    columns = (model_moves.c[name] for name in Move._fields)
    row = connection.execute(select(*columns).order_by(model_moves.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else Move(*row)


def moves(connection: Connection) -> list[Move]:
    """Every change of the version that counts, the oldest first."""
    columns = (model_moves.c[name] for name in Move._fields)
    return [Move(*row) for row in connection.execute(select(*columns).order_by(model_moves.c.number))]

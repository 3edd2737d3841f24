"""Reports that were due, as they were sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from voxpop.store import tables


class Stored(NamedTuple):
    """A report as stored."""

    report_id: str
    kind: str
    watchlist: str
    starts_at: datetime
    until: datetime
    as_of: datetime
    lang: str
    happened: bool
    html: str
    files: list[dict[str, Any]]
    """Name, type and base64 of each."""


def save(connection: Connection, report: Stored, now: datetime) -> None:
    """Keeps the report; one of the same id is there already."""
    values = {**report._asdict(), "received_at": now}
    connection.execute(insert(tables.reports).values(**values).on_conflict_do_nothing())


def load(connection: Connection, report_id: str) -> Stored | None:
    """The report of this id."""
    t = tables.reports.c
    columns = (t[name] for name in Stored._fields)
    row = connection.execute(select(*columns).where(t.report_id == report_id)).one_or_none()
    return None if row is None else Stored(*row)

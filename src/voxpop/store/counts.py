"""Counts that a summary is made of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from voxpop.store.tables import documents


def stories(connection: Connection) -> int:
    """How many stories the documents tell."""
    return int(connection.execute(text("SELECT count(DISTINCT story_id) FROM story_members")).scalar_one())


def alerts(connection: Connection) -> int:
    """How many alerts there are, whatever became of them."""
    return int(connection.execute(text("SELECT count(*) FROM alerts")).scalar_one())


def unread(connection: Connection) -> int:
    """How many documents name a watched entity in a language that the model cannot read."""
    return int(
        connection.execute(
            text("SELECT count(DISTINCT (document_id, revision)) FROM opinions WHERE label IS NULL")
        ).scalar_one()
    )


def heard(connection: Connection, since: datetime | None = None) -> dict[str, list[datetime]]:
    """When each source published (since then), in order."""
    t = documents.c
    found = select(t.source, func.array_agg(aggregate_order_by(t.published_at, t.published_at)).label("times"))
    where = [] if since is None else [t.published_at >= since]
    return {row.source: row.times for row in connection.execute(found.where(*where).group_by(t.source))}


class Heard(NamedTuple):
    """When a source published."""

    source: str
    first: datetime
    last: datetime
    documents: int
    gaps: list[tuple[int, datetime, datetime]]
    """The long gaps between two documents, in order: the number of each among all, its start and end."""


_GAPS = text(
    "WITH told AS (SELECT source, published_at AS at, lag(published_at) OVER of_source AS before,"
    "  row_number() OVER of_source - 2 AS gap FROM documents WHERE published_at >= :since"
    "  WINDOW of_source AS (PARTITION BY source ORDER BY published_at)"
    "), long AS (SELECT * FROM told WHERE at - before > :longer_than)"
    " SELECT t.source, min(t.at) AS first, max(t.at) AS last, count(*) AS documents, l.numbers, l.starts, l.ends"
    " FROM told t LEFT JOIN (SELECT source, array_agg(gap ORDER BY gap) AS numbers,"
    "  array_agg(before ORDER BY gap) AS starts, array_agg(at ORDER BY gap) AS ends FROM long GROUP BY source) l"
    "  ON l.source = t.source GROUP BY t.source, l.numbers, l.starts, l.ends ORDER BY t.source"
)


def gaps(connection: Connection, since: datetime, longer_than: timedelta) -> list[Heard]:
    """When each source published since then, by source."""
    rows = connection.execute(_GAPS, {"since": since, "longer_than": longer_than})
    return [
        Heard(
            r.source,
            r.first,
            r.last,
            r.documents,
            list(zip(r.numbers or (), r.starts or (), r.ends or (), strict=True)),
        )
        for r in rows
    ]

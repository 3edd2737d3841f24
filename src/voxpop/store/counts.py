"""Counts that a summary is made of."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from voxpop.store.tables import documents


def stories(connection: Connection) -> int:
    """How many stories the documents tell."""
    return int(connection.execute(text("SELECT count(DISTINCT story_id) FROM story_members")).scalar_one())


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

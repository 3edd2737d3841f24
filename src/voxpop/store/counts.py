"""Counts that a summary is made of."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text


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
    """When each source published, from ``since`` on, in order."""
    rows = connection.execute(
        text(
            "SELECT source, array_agg(published_at ORDER BY published_at) AS times FROM documents"
            " WHERE CAST(:since AS timestamptz) IS NULL OR published_at >= :since GROUP BY source"
        ),
        {"since": since},
    )
    return {row.source: row.times for row in rows}

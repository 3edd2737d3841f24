"""Trend points: one entity's stories in one hour, appended and never overwritten.

A window is stale when a document in it, or a story counted in it, changed. ``refresh`` computes the stale windows
anew and appends a revision where the content differs from the last; a second run appends nothing. Sums run over exact
numerics, so that the order in which rows are read cannot change a bit of the result.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from importlib.resources import files
from typing import NamedTuple

from sqlalchemy import Connection, text

from voxpop.records import UNSURE_BELOW, TrendPoint
from voxpop.store.locks import commit_order

_MARK = text(
    "INSERT INTO stale_windows (entity_id, start)"
    " SELECT entity_id, date_trunc('hour', published_at, 'UTC') FROM mentions WHERE document_id = ANY(:documents)"
    " UNION SELECT m.entity_id, date_trunc('hour', min(m.published_at), 'UTC')"
    "  FROM current_mentions m JOIN story_members s ON s.document_id = m.document_id"
    "  WHERE s.story_id = ANY(:stories) GROUP BY s.story_id, m.entity_id"
    " ORDER BY 1, 2 ON CONFLICT DO NOTHING"
)

_REOPEN = text(
    "INSERT INTO stale_windows (entity_id, start)"
    " SELECT DISTINCT m.entity_id, date_trunc('hour', d.published_at, 'UTC') FROM documents d"
    "  JOIN mentions m ON m.document_id = d.document_id AND m.revision = d.revision"
    " WHERE d.published_at >= :start AND d.published_at < :end ORDER BY 1, 2 ON CONFLICT DO NOTHING"
)

_TAKE = text(
    "DELETE FROM stale_windows WHERE (entity_id, start) IN"
    " (SELECT entity_id, start FROM stale_windows ORDER BY start, entity_id LIMIT :limit) RETURNING entity_id, start"
)

_APPEND = text(files("voxpop.store").joinpath("append_trend_points.sql").read_text("utf-8"))

_KNOWN = (
    "SELECT DISTINCT ON (entity_id, start) entity_id AS entity, start, model,"
    " stories, negative_stories, positive_stories, unread_stories, unsure_stories, mentions, sentiment, reach,"
    " available_at FROM trend_points WHERE model = :model AND start >= :since{}"
    " ORDER BY entity_id, start, revision DESC"
)
_ALL_KNOWN, _CHANGED = text(_KNOWN.format("")), text(_KNOWN.format(" AND available_at > :after"))

_LATEST = text(
    "SELECT DISTINCT ON (entity_id, start) entity_id AS entity, start, model,"
    " stories, negative_stories, positive_stories, unread_stories, unsure_stories, mentions, sentiment, reach"
    " FROM trend_points WHERE model = :model"
    " AND (CAST(:as_of AS timestamptz) IS NULL OR available_at <= :as_of)"
    " AND (CAST(:since AS timestamptz) IS NULL OR start >= :since)"
    " ORDER BY entity_id, start, revision DESC"
)


def mark_stale(connection: Connection, *, documents: Collection[str] = (), stories: Collection[str] = ()) -> None:
    """Marks each window that counts one of the documents, or one of the stories (in the hour of its first)."""
    connection.execute(_MARK, {"documents": list(documents), "stories": list(stories)})


def reopen(connection: Connection, start: datetime, end: datetime) -> None:
    """Marks every window of an hour in [start, end), whether or not anything in it changed."""
    connection.execute(_REOPEN, {"start": start, "end": end})


def refresh(
    connection: Connection, model: str, *, limit: int = 2000, since: datetime | None = None, beside: str | None = None
) -> int:
    """Computes up to ``limit`` stale windows anew, within the caller's transaction; returns how many it took.

    Args:
        connection: the store.
        model: whose opinions count.
        limit: most windows.
        since: of this version only those from then on (None: all).
        beside: another name to compute all of them for.
    """
    commit_order(connection)
    taken = [(w.entity_id, w.start) for w in connection.execute(_TAKE, {"limit": limit})]
    compute(connection, model, [w for w in taken if since is None or w[1] >= since])
    if beside is not None:
        compute(connection, beside, taken)
    return len(taken)


def stale(connection: Connection, before: datetime) -> bool:
    """Whether a window that began earlier waits to be computed."""
    found = text("SELECT EXISTS (SELECT FROM stale_windows WHERE start < :before)")
    return bool(connection.execute(found, {"before": before}).scalar_one())


def compute(connection: Connection, model: str, windows: Collection[tuple[str, datetime]]) -> None:
    """Appends the points of these windows, by one version, where they are not what was last said of them."""
    if not windows:
        return
    commit_order(connection)
    asked = {"entities": [entity for entity, _ in windows], "starts": [start for _, start in windows]}
    connection.execute(_APPEND, asked | {"model": model, "sure": UNSURE_BELOW})


_WINDOWS = text(
    "SELECT DISTINCT m.entity_id, date_trunc('hour', m.published_at, 'UTC') AS start FROM mentions m"
    " WHERE m.published_at >= :since ORDER BY 1, 2"
)

_TOUCHED = text(
    "INSERT INTO stale_windows (entity_id, start)"
    " SELECT entity_id, date_trunc('hour', published_at, 'UTC') FROM mentions WHERE available_at >= :since"
    " UNION SELECT entity_id, start FROM trend_points WHERE available_at >= :since"
    " ORDER BY 1, 2 ON CONFLICT DO NOTHING"
)


def windows(connection: Connection, since: datetime) -> list[tuple[str, datetime]]:
    """The hours from ``since`` on in which an entity was named, by entity and time."""
    return [(row.entity_id, row.start) for row in connection.execute(_WINDOWS, {"since": since})]


def mark_touched(connection: Connection, since: datetime) -> None:
    """Marks each window in which something, or of which a point, became available at ``since`` or later."""
    connection.execute(_TOUCHED, {"since": since})


def latest(
    connection: Connection,
    model: str,
    *,
    as_of: datetime | None = None,
    since: datetime | None = None,
) -> list[TrendPoint]:
    """The last revision of each window from ``since`` on that was available at ``as_of`` (None: now), by entity and
    start.

    Windows in which nothing was said have no point.
    """
    rows = connection.execute(_LATEST, {"model": model, "as_of": as_of, "since": since})
    names = tuple(rows.keys())
    return [TrendPoint(**dict(zip(names, row, strict=True))) for row in rows.all()]


class Bin(NamedTuple):
    """What was told of an entity in some hours."""

    start: datetime
    stories: int
    negative: int
    positive: int
    unread: int
    sentiment: float | None
    """Mean of the stories that were read; None where none was."""


class Course(NamedTuple):
    """How an entity was spoken of, in bins of so many hours; those in which nothing was told lack."""

    hours: int
    bins: list[Bin]


_COURSE = text(
    "WITH points AS MATERIALIZED (SELECT DISTINCT ON (start) start, stories, negative_stories, positive_stories,"
    "  unread_stories, sentiment, CASE WHEN sentiment IS NOT NULL THEN stories - unread_stories ELSE 0 END AS read"
    "  FROM trend_points WHERE entity_id = :entity AND model = :model AND start >= :since"
    "  ORDER BY start, revision DESC),"
    " width AS (SELECT CASE WHEN span <= interval '200 hours' THEN 1 WHEN span <= interval '1200 hours' THEN 6 ELSE 24"
    "  END AS hours FROM (SELECT max(start) - min(start) AS span FROM points) s)"
    " SELECT hours, date_bin(make_interval(hours => hours), start, 'epoch') AS bin, sum(stories),"
    "  sum(negative_stories), sum(positive_stories), sum(unread_stories), sum(sentiment * read) / nullif(sum(read), 0)"
    " FROM points, width GROUP BY hours, bin ORDER BY bin"
)


def course(connection: Connection, model: str, entity: str, since: datetime) -> Course:
    """What was told of an entity from ``since`` on, in bins of 1, 6 or 24 hours, so that there are few of them.

    They begin at times in UTC: in the server's zone a day may have 23 hours, and the next bin would be missed.
    """
    rows = connection.execute(_COURSE, {"model": model, "entity": entity, "since": since}).all()
    return Course(rows[0].hours if rows else 1, [Bin(row[1].astimezone(UTC), *row[2:]) for row in rows])


class Changes(NamedTuple):
    """The points that changed, as they stand, and up to when that is known: what to ask ``after`` the next time."""

    points: list[TrendPoint]
    known_to: datetime | None


def changes(connection: Connection, model: str, since: datetime, after: datetime | None) -> Changes:
    """The points of windows from ``since`` on that were given a revision ``after`` a time (None: all)."""
    asked = {"model": model, "since": since}
    found = connection.execute(_CHANGED, asked | {"after": after}) if after else connection.execute(_ALL_KNOWN, asked)
    rows = found.all()
    # The columns come in the order of the fields; a mapping of each row would take longer than all else.
    points = [TrendPoint(**dict(zip(TrendPoint.__struct_fields__, row, strict=False))) for row in rows]
    return Changes(points, max((row.available_at for row in rows), default=after))

"""What alarms are made of: each story about an entity and who told it first, and reach as it was seen."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from voxpop.records import UNSURE_BELOW


class ToldStory(NamedTuple):
    """A story as it speaks of one entity."""

    entity: str
    story: str
    at: datetime
    """When the first document of it that names the entity was published."""
    channel: str
    source: str
    author: str | None
    """Of that document."""
    document: str
    label: str | None
    """By the mean of all its documents, as trend points count it: negative, positive, other; None: unread."""


_ALL = (
    "named AS ("
    "  SELECT DISTINCT m.entity_id, m.document_id, m.revision, m.published_at, s.story_id"
    "  FROM current_mentions m JOIN story_members s ON s.document_id = m.document_id"
    "  WHERE m.published_at >= :since)"
)
_IN_WINDOWS = (
    "windows AS MATERIALIZED (SELECT * FROM unnest(CAST(:entities AS text[]), CAST(:starts AS timestamptz[]))"
    "  AS w(entity_id, start)"
    "), touched AS MATERIALIZED ("
    "  SELECT DISTINCT w.entity_id, s.story_id FROM windows w JOIN LATERAL ("
    "   SELECT m.document_id FROM current_mentions m WHERE m.entity_id = w.entity_id"
    "    AND m.published_at >= w.start AND m.published_at < w.start + interval '1 hour'"
    "  ) m ON true JOIN story_members s ON s.document_id = m.document_id"
    "), named AS ("
    "  SELECT DISTINCT t.entity_id, m.document_id, m.revision, m.published_at, t.story_id"
    "  FROM touched t JOIN story_members s ON s.story_id = t.story_id JOIN LATERAL (SELECT * FROM current_mentions m"
    "   WHERE m.document_id = s.document_id AND m.entity_id = t.entity_id AND m.published_at >= :since) m ON true)"
)
_JUDGED = (
    ", judged AS ("
    "  SELECT n.entity_id, n.story_id, min(n.published_at) AS at,"
    "   (array_agg(n.document_id ORDER BY n.published_at, n.document_id))[1] AS opener,"
    "   avg(CAST(o.negative AS numeric)) AS negative, avg(CAST(o.neutral AS numeric)) AS neutral,"
    "   avg(CAST(o.positive AS numeric)) AS positive"
    "  FROM named n LEFT JOIN opinions o ON o.document_id = n.document_id AND o.revision = n.revision"
    "   AND o.entity_id = n.entity_id AND o.model = :model"
    "  GROUP BY n.entity_id, n.story_id)"
    " SELECT j.entity_id AS entity, j.story_id AS story, j.at, d.channel, d.source, d.author, j.opener AS document,"
    "  CASE WHEN negative IS NULL THEN NULL"
    "   WHEN negative > greatest(neutral, positive) AND negative >= :sure THEN 'negative'"
    "   WHEN positive > greatest(neutral, negative) AND positive >= :sure THEN 'positive' ELSE 'other' END AS label"
    " FROM judged j JOIN documents d ON d.document_id = j.opener AND d.latest"
)
_ORDER = " ORDER BY j.entity_id, j.at, j.story_id"
_STORIES = text(f"WITH {_ALL}{_JUDGED}{_ORDER}")
_STORIES_IN = text(
    f"WITH {_IN_WINDOWS}{_JUDGED}"
    " JOIN windows w ON w.entity_id = j.entity_id AND w.start = date_trunc('hour', j.at, 'UTC')" + _ORDER
)


def stories(
    connection: Connection, model: str, since: datetime, windows: Collection[tuple[str, datetime]] | None = None
) -> list[ToldStory]:
    """The stories first told since ``since``, by entity and time.

    Args:
        windows: only those told first in one of these hours of an entity.
    """
    asked: dict[str, Any] = {"model": model, "since": since, "sure": UNSURE_BELOW}
    if windows is None:
        return [ToldStory(*row) for row in connection.execute(_STORIES, asked).all()]
    asked |= {"entities": [entity for entity, _ in windows], "starts": [start for _, start in windows]}
    return [ToldStory(*row) for row in connection.execute(_STORIES_IN, asked).all()]


class Sight(NamedTuple):
    """A figure of the reach of one document of a story."""

    story: str
    document: str
    source: str
    author: str | None
    published_at: datetime
    at: datetime
    """When it stood at this figure: at first sight the publication, later when the source or else we changed it."""
    reach: int


_SEEN = (
    "SELECT s.story_id, d.document_id, d.source, d.author, d.published_at,"
    " CASE WHEN row_number() OVER seen = 1 THEN d.published_at"
    "  WHEN e.as_of > d.published_at THEN e.as_of ELSE e.received_at END AS at, e.reach"
    " FROM story_members s JOIN documents d ON d.document_id = s.document_id AND d.latest"
    " JOIN engagements e ON e.document_id = d.document_id"
    " WHERE d.published_at >= :since AND EXISTS"
    "  (SELECT FROM current_mentions m WHERE m.document_id = d.document_id)"
)
_IN_HOURS = (
    " AND s.story_id = ANY (ARRAY(SELECT near.story_id FROM unnest(CAST(:hours AS timestamptz[])) AS h(start)"
    "  JOIN LATERAL (SELECT t.document_id FROM documents t WHERE t.latest"
    "   AND t.published_at >= h.start AND t.published_at < h.start + interval '1 hour') t ON true"
    "  JOIN story_members near ON near.document_id = t.document_id))"
)
_BY = (
    " WINDOW seen AS (PARTITION BY d.document_id ORDER BY e.as_of, e.reach, e.replies)"
    " ORDER BY s.story_id, at, d.document_id, e.reach"
)
_SIGHTS, _SIGHTS_IN = text(_SEEN + _BY), text(_SEEN + _IN_HOURS + _BY)


def sights(connection: Connection, since: datetime, hours: Collection[datetime] | None = None) -> list[Sight]:
    """The reach of all stories that name an entity, by story and time.

    Args:
        hours: only of the stories of which a document was published in one of these hours.
    """
    if hours is None:
        return [Sight(*row) for row in connection.execute(_SIGHTS, {"since": since}).all()]
    rows = connection.execute(_SIGHTS_IN, {"since": since, "hours": list(hours)})
    return [Sight(*row) for row in rows.all()]


def raised(connection: Connection, rule: str) -> dict[str, list[tuple[datetime, str]]]:
    """Of each entity when alerts of the rule fired, by any version of the model, and their ids."""
    rows = connection.execute(
        text("SELECT alert_id, entity_id, fired_at FROM alerts WHERE rule = :rule ORDER BY fired_at"), {"rule": rule}
    )
    found: dict[str, list[tuple[datetime, str]]] = {}
    for row in rows:
        found.setdefault(row.entity_id, []).append((row.fired_at, row.alert_id))
    return found

"""What alarms are made of: each story about an entity and who told it first, and reach as it was seen."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from voxpop.records import UNSURE_BELOW
from voxpop.store import bulk


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


_STORIES = text(
    "WITH named AS ("
    "  SELECT DISTINCT m.entity_id, m.document_id, m.revision, m.published_at, s.story_id"
    "  FROM current_mentions m JOIN story_members s ON s.document_id = m.document_id"
    "  WHERE m.published_at >= :since"
    "), judged AS ("
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
    " ORDER BY j.entity_id, j.at, j.story_id"
)


def stories(connection: Connection, model: str, since: datetime) -> list[ToldStory]:
    """The stories first told since ``since``, by entity and time."""
    rows = bulk.rows(connection, _STORIES, {"model": model, "since": since, "sure": UNSURE_BELOW})
    return list(map(ToldStory._make, rows))


class Sight(NamedTuple):
    """A figure of the reach of one document of a story."""

    story: str
    document: str
    source: str
    author: str | None
    at: datetime
    """When it stood at this figure: at first sight the publication, later when the source or else we changed it."""
    reach: int


_SIGHTS = text(
    "SELECT s.story_id, d.document_id, d.source, d.author,"
    " CASE WHEN row_number() OVER seen = 1 THEN d.published_at"
    "  WHEN e.as_of > d.published_at THEN e.as_of ELSE e.received_at END AS at, e.reach"
    " FROM story_members s JOIN documents d ON d.document_id = s.document_id AND d.latest"
    " JOIN engagements e ON e.document_id = d.document_id"
    " WHERE d.published_at >= :since AND EXISTS"
    "  (SELECT FROM current_mentions m WHERE m.document_id = d.document_id)"
    " WINDOW seen AS (PARTITION BY d.document_id ORDER BY e.as_of, e.reach, e.replies)"
    " ORDER BY s.story_id, at, d.document_id, e.reach"
)


def sights(connection: Connection, since: datetime) -> list[Sight]:
    """The reach of all stories that name an entity, by story and time."""
    return list(map(Sight._make, bulk.rows(connection, _SIGHTS, {"since": since})))


def raised(connection: Connection, rule: str, model: str) -> dict[str, list[tuple[datetime, str]]]:
    """Of each entity when alerts of the rule fired, and their ids."""
    rows = connection.execute(
        text(
            "SELECT alert_id, entity_id, fired_at FROM alerts WHERE rule = :rule AND model = :model ORDER BY fired_at"
        ),
        {"rule": rule, "model": model},
    )
    found: dict[str, list[tuple[datetime, str]]] = {}
    for row in rows:
        found.setdefault(row.entity_id, []).append((row.fired_at, row.alert_id))
    return found

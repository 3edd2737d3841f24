"""What the dashboard reads. 'Now' is the watermark, the latest publication, since history may be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text


class Counts(NamedTuple):
    """What is stored."""

    documents: int
    stories: int
    unread: int
    refused: int
    watermark: datetime | None


class EntityRow(NamedTuple):
    """An entity and its last day before the watermark."""

    entity: str
    name: str
    sector: str | None
    stories: int
    negative: int
    unread: int
    sentiment: float | None


class Said(NamedTuple):
    """A claim of a document: the words that answer a question, where they stand, and how it claims it."""

    question: str
    text: str
    start: int
    end: int
    score: float
    factuality: str


class Told(NamedTuple):
    """A risk event that a document reports."""

    event: str
    severity: int
    sentence: str
    score: float


class Teller(NamedTuple):
    """A document of a story, with what it says of the entity asked about."""

    document: str
    source: str
    author: str | None
    published_at: datetime
    lang: str
    text: str
    title_end: int
    url: str | None
    reach: int
    spans: list[tuple[int, int]]
    label: str | None
    probability: float | None
    claims: list[Said]
    risks: list[Told]


class StoryRow(NamedTuple):
    """A story about one entity: how many told it, how far it reached, how it speaks of the entity."""

    story: str
    documents: int
    reach: int
    first: datetime
    last: datetime
    negative: float | None
    positive: float | None
    tellers: list[Teller]


def counts(connection: Connection) -> Counts:
    """How much of what is stored."""
    row = connection.execute(
        text(
            "SELECT (SELECT count(*) FROM documents WHERE latest) AS documents,"
            " (SELECT count(DISTINCT story_id) FROM story_members) AS stories,"
            " (SELECT count(DISTINCT document_id) FROM opinions WHERE label IS NULL) AS unread,"
            " (SELECT count(*) FROM dead_letters) AS refused,"
            " (SELECT max(published_at) FROM documents) AS watermark"
        )
    ).one()
    return Counts(*row)


def watermark(connection: Connection) -> datetime | None:
    """The latest publication; None before any."""
    latest: datetime | None = connection.execute(text("SELECT max(published_at) FROM documents")).scalar_one()
    return latest


_ENTITIES = text(
    "SELECT e.entity_id, e.name, e.detail->>'sector',"
    " coalesce(sum(t.stories), 0), coalesce(sum(t.negative_stories), 0),"
    " coalesce(sum(t.unread_stories), 0), avg(t.sentiment)"
    " FROM entities e LEFT JOIN ("
    "  SELECT DISTINCT ON (entity_id, start) * FROM trend_points"
    "  WHERE model = :model AND start > CAST(:watermark AS timestamptz) - interval '24 hours'"
    "  ORDER BY entity_id, start, revision DESC) t ON t.entity_id = e.entity_id"
    " WHERE e.active GROUP BY e.entity_id, e.name"
    " ORDER BY sum(t.negative_stories + t.unread_stories) DESC NULLS LAST, sum(t.stories) DESC NULLS LAST, e.name"
    " LIMIT :limit"
)


def entities(connection: Connection, model: str, watermark: datetime, limit: int = 50) -> list[EntityRow]:
    """The watched entities, those with the most adverse stories of the last day first."""
    rows = connection.execute(_ENTITIES, {"model": model, "watermark": watermark, "limit": limit})
    return [EntityRow(*row) for row in rows]


def name_of(connection: Connection, entity: str) -> str | None:
    """The entity's name; None if nobody ever watched it."""
    name: str | None = connection.execute(
        text("SELECT name FROM entities WHERE entity_id = :entity"), {"entity": entity}
    ).scalar_one_or_none()
    return name


_STORIES = text(
    "WITH told AS ("
    " SELECT s.story_id, m.document_id, m.revision, min(m.published_at) AS at"
    " FROM mentions m JOIN documents d ON d.document_id = m.document_id AND d.revision = m.revision AND d.latest"
    " JOIN story_members s ON s.document_id = m.document_id"
    " WHERE m.entity_id = :entity AND (CAST(:documents AS text[]) IS NULL OR s.story_id IN"
    "  (SELECT story_id FROM story_members WHERE document_id = ANY(:documents)))"
    " GROUP BY s.story_id, m.document_id, m.revision)"
    " SELECT t.story_id, count(*) AS documents, sum(e.reach) AS reach, min(t.at) AS first, max(t.at) AS last,"
    " avg(o.negative) AS negative, avg(o.positive) AS positive"
    " FROM told t LEFT JOIN opinions o ON o.document_id = t.document_id AND o.revision = t.revision"
    "  AND o.entity_id = :entity AND o.model = :model"
    " JOIN LATERAL (SELECT max(reach) AS reach FROM engagements WHERE document_id = t.document_id) e ON true"
    " GROUP BY t.story_id"
    " ORDER BY CASE WHEN :by = 'latest' THEN extract(epoch FROM max(t.at))"
    "   WHEN :by = 'reach' THEN sum(e.reach) ELSE avg(o.negative) END DESC NULLS LAST, t.story_id LIMIT :limit"
)

_TELLERS = text(
    "SELECT s.story_id, d.document_id, d.source, d.author, d.published_at, d.lang, d.text, d.title_end, d.url, e.reach,"
    " o.label, greatest(o.negative, o.neutral, o.positive) AS probability, m.spans"
    " FROM story_members s JOIN documents d ON d.document_id = s.document_id AND d.latest"
    ' JOIN LATERAL (SELECT array_agg(ARRAY[start, "end"] ORDER BY start) AS spans FROM mentions m'
    "  WHERE m.document_id = d.document_id AND m.revision = d.revision AND m.entity_id = :entity) m"
    "  ON m.spans IS NOT NULL"
    " JOIN LATERAL (SELECT max(reach) AS reach FROM engagements WHERE document_id = d.document_id) e ON true"
    " LEFT JOIN opinions o ON o.document_id = d.document_id AND o.revision = d.revision"
    "  AND o.entity_id = :entity AND o.model = :model"
    " WHERE s.story_id = ANY(:stories) ORDER BY d.published_at, d.document_id"
)

MOST_TELLERS = 8


def stories(
    connection: Connection,
    entity: str,
    model: str,
    *,
    by: str = "latest",
    limit: int = 30,
    documents: Sequence[str] | None = None,
) -> list[StoryRow]:
    """Stories about the entity: the latest, the most carried (``reach``) or the most ``negative`` first.

    Args:
        documents: only the stories that these documents belong to.
    """
    asked = None if documents is None else list(documents)
    found = connection.execute(
        _STORIES, {"entity": entity, "model": model, "by": by, "limit": limit, "documents": asked}
    ).all()
    tellers: dict[str, list[Teller]] = {row.story_id: [] for row in found}
    for row in connection.execute(_TELLERS, {"entity": entity, "model": model, "stories": list(tellers)}):
        if len(tellers[row.story_id]) < MOST_TELLERS:
            tellers[row.story_id].append(_teller(row))
    shown = [teller.document for of_story in tellers.values() for teller in of_story]
    said, told = said_by(connection, entity, model, shown), risks_in(connection, entity, model, shown)
    for of_story in tellers.values():
        for teller in of_story:
            teller.claims.extend(said.get(teller.document, ()))
            teller.risks.extend(told.get(teller.document, ()))
    return [StoryRow._make((*row, tellers[row.story_id])) for row in found]


def _teller(row: Row[Any]) -> Teller:
    return Teller(
        *(row.document_id, row.source, row.author, row.published_at, row.lang, row.text, row.title_end, row.url),
        reach=row.reach,
        spans=[(start, end) for start, end in row.spans],
        label=row.label,
        probability=row.probability,
        claims=[],
        risks=[],
    )


_CLAIMS = text(
    'SELECT c.document_id, c.question, substr(d.text, c.start + 1, c."end" - c.start) AS text, c.start, c."end",'
    " c.score, c.factuality FROM claims c"
    " JOIN documents d ON d.document_id = c.document_id AND d.revision = c.revision AND d.latest"
    " WHERE c.document_id = ANY(:documents) AND c.entity_id = :entity AND c.model = :model"
    " ORDER BY c.document_id, array_position(ARRAY['what', 'who', 'amount', 'when', 'why', 'source'], c.question)"
)

_RISKS = text(
    "SELECT r.document_id, r.event, r.severity, r.sentence, r.score FROM risks r"
    " JOIN documents d ON d.document_id = r.document_id AND d.revision = r.revision AND d.latest"
    " WHERE r.document_id = ANY(:documents) AND r.entity_id = :entity AND r.model = :model"
    " ORDER BY r.document_id, r.score DESC, r.event"
)


def said_by(connection: Connection, entity: str, model: str, documents: Sequence[str]) -> dict[str, list[Said]]:
    """The claims of documents about the entity, the main one first."""
    found: dict[str, list[Said]] = {}
    for row in connection.execute(_CLAIMS, {"documents": list(documents), "entity": entity, "model": model}):
        found.setdefault(row.document_id, []).append(Said._make(row[1:]))
    return found


def risks_in(connection: Connection, entity: str, model: str, documents: Sequence[str]) -> dict[str, list[Told]]:
    """The risk events that documents report of the entity, the surest first."""
    found: dict[str, list[Told]] = {}
    for row in connection.execute(_RISKS, {"documents": list(documents), "entity": entity, "model": model}):
        found.setdefault(row.document_id, []).append(Told._make(row[1:]))
    return found


def heat(connection: Connection, model: str, watermark: datetime, days: int = 14) -> list[tuple[str, datetime, int]]:
    """(entity, day, adverse stories) of the last days, for entities that had any."""
    rows = connection.execute(
        text(
            "SELECT entity_id, date_trunc('day', start, 'UTC'), sum(negative_stories + unread_stories) FROM ("
            " SELECT DISTINCT ON (entity_id, start) * FROM trend_points WHERE model = :model"
            " AND start > CAST(:watermark AS timestamptz) - make_interval(days => :days)"
            " ORDER BY entity_id, start, revision DESC) t GROUP BY 1, 2"
            " HAVING sum(negative_stories + unread_stories) > 0 ORDER BY 1, 2"
        ),
        {"model": model, "watermark": watermark, "days": days},
    )
    return [(row[0], row[1], int(row[2])) for row in rows]

"""What was known at a time: rows that were available by then, of each document the revision that was the latest."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text


class Span(NamedTuple):
    """What is asked: these entities, by this model, published in [start, end), as known at ``as_of``."""

    entities: list[str]
    model: str
    start: datetime
    end: datetime
    as_of: datetime


class Known(NamedTuple):
    """A document as it was known, and how it spoke of an entity."""

    entity: str
    document: str
    published_at: datetime
    source: str
    text: str
    title_end: int
    reach: int
    negative: float | None
    neutral: float | None
    positive: float | None


class Table(NamedTuple):
    """Rows with the names of their columns, of which there are some even where there is no row."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


_TRENDS = text(
    "SELECT DISTINCT ON (entity_id, start) entity_id AS entity, start, stories, negative_stories, positive_stories,"
    " unread_stories, unsure_stories, mentions, sentiment, reach, model, available_at, reconstructed FROM trend_points"
    " WHERE model = :model AND entity_id = ANY(:entities) AND start >= :start AND start < :end"
    " AND available_at <= :as_of ORDER BY entity_id, start, revision DESC"
)
_KNOWN = (
    "WITH known AS (SELECT DISTINCT ON (d.document_id) d.* FROM documents d"
    " WHERE d.available_at <= :as_of AND d.published_at >= :start AND d.published_at < :end"
    " AND EXISTS (SELECT FROM mentions m WHERE m.document_id = d.document_id AND m.entity_id = ANY(:entities))"
    " ORDER BY d.document_id, d.revised_at DESC, d.sequence DESC, d.revision DESC)"
)
_OF_OPINIONS = (
    " SELECT o.entity_id AS entity, k.document_id AS document, k.revision, k.published_at, k.source, k.channel,"
    " k.author, k.url, o.label, o.negative, o.neutral, o.positive, o.model, o.available_at, o.reconstructed"
    " FROM known k JOIN opinions o ON o.document_id = k.document_id AND o.revision = k.revision"
    " WHERE o.entity_id = ANY(:entities) AND o.model = :model AND o.available_at <= :as_of"
    " ORDER BY o.entity_id, k.published_at, k.document_id"
)
_OF_CLAIMS = (
    " SELECT c.entity_id AS entity, k.document_id AS document, k.revision, k.published_at, k.source, k.url,"
    ' c.question, substr(k.text, c.start + 1, c."end" - c.start) AS text, c.score, c.entailment, c.factuality,'
    " c.model, c.available_at, c.reconstructed"
    " FROM known k JOIN claims c ON c.document_id = k.document_id AND c.revision = k.revision"
    " WHERE c.entity_id = ANY(:entities) AND c.model = :model AND c.available_at <= :as_of"
    " ORDER BY c.entity_id, k.published_at, k.document_id, c.start, c.question"
)
_OF_DOCUMENTS = (
    " SELECT m.entity_id AS entity, k.document_id AS document, k.published_at, k.source, k.text, k.title_end,"
    " coalesce(g.reach, 1) AS reach, o.negative, o.neutral, o.positive"
    " FROM known k JOIN LATERAL (SELECT DISTINCT m.entity_id FROM mentions m WHERE m.document_id = k.document_id"
    "  AND m.revision = k.revision AND m.entity_id = ANY(:entities) AND m.relevance <> 'passing'"
    "  AND m.available_at <= :as_of) m ON true"
    " LEFT JOIN opinions o ON o.document_id = k.document_id AND o.revision = k.revision"
    "  AND o.entity_id = m.entity_id AND o.model = :model AND o.available_at <= :as_of"
    " LEFT JOIN LATERAL (SELECT max(e.reach) AS reach FROM engagements e WHERE e.document_id = k.document_id"
    "  AND e.received_at <= :as_of) g ON true"
    " ORDER BY k.published_at, k.document_id, m.entity_id"
)
_OPINIONS, _CLAIMS, _DOCUMENTS = (text(_KNOWN + of) for of in (_OF_OPINIONS, _OF_CLAIMS, _OF_DOCUMENTS))


def trends(connection: Connection, asked: Span) -> Table:
    """The last revision of each hour, by entity and start."""
    return _rows(connection, _TRENDS, asked)


def opinions(connection: Connection, asked: Span) -> Table:
    """How each document spoke of each entity, by entity and time."""
    return _rows(connection, _OPINIONS, asked)


def claims(connection: Connection, asked: Span) -> Table:
    """What each document claimed about each entity, word for word, by entity and time."""
    return _rows(connection, _CLAIMS, asked)


def documents(connection: Connection, asked: Span) -> list[Known]:
    """The documents that were more than in passing about the entities, by time."""
    return [Known(*row) for row in connection.execute(_DOCUMENTS, asked._asdict())]


def _rows(connection: Connection, statement: TextClause, asked: Span) -> Table:
    found = connection.execute(statement, asked._asdict())
    return Table(list(found.keys()), [tuple(row) for row in found])

"""Documents that report what is always serious, or that a source of standing publishes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text


class Report(NamedTuple):
    """A story that is serious for an entity: its first document that tells it so, and how sure the model is."""

    entity: str
    document: str
    at: datetime
    score: float


_REPORTS = text(
    "SELECT DISTINCT ON (r.entity_id, s.story_id) r.entity_id, r.document_id, m.published_at, r.score FROM risks r"
    " JOIN current_mentions m ON m.document_id = r.document_id AND m.revision = r.revision"
    "  AND m.entity_id = r.entity_id"
    " JOIN story_members s ON s.document_id = r.document_id"
    " WHERE r.model = :model AND r.severity >= :severity AND r.score >= :least AND m.published_at >= :since"
    " ORDER BY r.entity_id, s.story_id, m.published_at, r.document_id"
)


def reports(connection: Connection, model: str, since: datetime, *, severity: int, least: float) -> list[Report]:
    """One for each entity and story, by entity and time: events at least so severe, found with at least this score, in
    documents published since ``since``.
    """
    rows = connection.execute(_REPORTS, {"model": model, "since": since, "severity": severity, "least": least})
    return _sorted(rows)


_BY_STANDING = text(
    "SELECT DISTINCT ON (m.entity_id, s.story_id) m.entity_id, m.document_id, m.published_at, o.negative"
    " FROM documents d"
    " JOIN current_mentions m ON m.document_id = d.document_id AND m.revision = d.revision"
    " JOIN opinions o ON o.document_id = m.document_id AND o.revision = m.revision AND o.entity_id = m.entity_id"
    "  AND o.model = :model"
    " JOIN story_members s ON s.document_id = m.document_id"
    " WHERE d.latest AND d.source = ANY(:sources) AND d.published_at >= :since AND o.negative >= :least"
    " ORDER BY m.entity_id, s.story_id, m.published_at, m.document_id"
)


def by_standing(
    connection: Connection, model: str, since: datetime, sources: Collection[str], *, least: float
) -> list[Report]:
    """One for each entity and story that one of the sources tells with at least this probability of being negative."""
    asked = {"model": model, "since": since, "sources": list(sources), "least": least}
    return _sorted(connection.execute(_BY_STANDING, asked))


def _sorted(rows: Iterable[Row[Any]]) -> list[Report]:
    return sorted((Report(*row) for row in rows), key=lambda r: (r.entity, r.at, r.document))

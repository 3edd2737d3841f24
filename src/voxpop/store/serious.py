"""Documents that report what is always serious."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text


class Report(NamedTuple):
    """A story that reports a risk event of an entity: its first document that does, and how sure the model is."""

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
    """One for each entity and story published since then, by entity and time: events at least so severe, found with at
    least this score.
    """
    rows = connection.execute(_REPORTS, {"model": model, "since": since, "severity": severity, "least": least})
    return sorted((Report(*row) for row in rows), key=lambda r: (r.entity, r.at, r.document))

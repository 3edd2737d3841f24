"""What the evidence of an alert amounts to, as stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from voxpop.records import Alert


class Cited(NamedTuple):
    """A document that an alert cites."""

    document: str
    source: str
    published_at: datetime
    url: str | None
    headline: str
    reach: int
    corrected: bool
    """Its latest revision is another than the one cited."""
    about: bool
    """Its latest revision speaks of the entity."""
    claim: str | None
    """Its main claim about the entity, word for word."""
    claim_score: float | None
    factuality: str | None


class Figures(NamedTuple):
    """What was told about an entity since a time, and what is usual."""

    documents: int
    sources: int
    reach: int
    negative: int
    read: int
    usual_negative: float | None


_CITED = text(
    "SELECT e.document_id AS document, c.source, c.published_at, c.url,"
    " CASE WHEN c.title_end > 0 THEN substr(c.text, 1, c.title_end) ELSE c.text END AS headline,"
    " coalesce(g.reach, 0) AS reach, d.revision IS DISTINCT FROM e.revision AS corrected,"
    " EXISTS (SELECT FROM mentions m WHERE m.document_id = d.document_id AND m.revision = d.revision"
    "  AND m.entity_id = :entity) AS about,"
    ' substr(c.text, q.start + 1, q."end" - q.start) AS claim, q.score AS claim_score, q.factuality'
    " FROM alert_evidence e"
    " JOIN documents c ON c.document_id = e.document_id AND c.revision = e.revision"
    " LEFT JOIN documents d ON d.document_id = e.document_id AND d.latest"
    " LEFT JOIN claims q ON q.document_id = e.document_id AND q.revision = e.revision AND q.entity_id = :entity"
    "  AND q.model = :model AND q.question = 'what'"
    " LEFT JOIN LATERAL (SELECT max(reach) AS reach FROM engagements WHERE document_id = e.document_id) g ON true"
    " WHERE e.alert_id = :alert ORDER BY e.rank"
)

_TOPIC = text(
    "SELECT t.topic FROM alert_evidence e JOIN readings r ON r.document_id = e.document_id"
    "  AND r.revision = e.revision AND r.model = :model, unnest(r.topics, r.topic_scores) AS t(topic, score)"
    " WHERE e.alert_id = :alert GROUP BY t.topic ORDER BY sum(t.score) DESC, t.topic LIMIT 1"
)

_EVENT = text(
    "SELECT r.event FROM alert_evidence e JOIN risks r ON r.document_id = e.document_id AND r.revision = e.revision"
    "  AND r.entity_id = :entity AND r.model = :model"
    " WHERE e.alert_id = :alert GROUP BY r.event ORDER BY max(r.severity) DESC, max(r.score) DESC, r.event LIMIT 1"
)

_TOLD = text(
    "SELECT count(*) AS documents, count(DISTINCT d.source) AS sources, coalesce(sum(g.reach), 0) AS reach"
    " FROM (SELECT DISTINCT document_id FROM current_mentions"
    "  WHERE entity_id = :entity AND published_at >= :start AND published_at < :end) m"
    " JOIN documents d ON d.document_id = m.document_id AND d.latest"
    " LEFT JOIN LATERAL (SELECT max(reach) AS reach FROM engagements WHERE document_id = m.document_id) g ON true"
)

_READ = text(
    "SELECT coalesce(sum(negative_stories), 0) AS negative, coalesce(sum(stories - unread_stories), 0) AS read FROM ("
    " SELECT DISTINCT ON (start) * FROM trend_points WHERE model = :model AND entity_id = :entity"
    "  AND start >= :start AND start < :end ORDER BY start, revision DESC) t"
)

_USUAL = timedelta(days=14)
_EPISODE = timedelta(hours=24)
"""After it fired; what is told later is another matter."""


def cited(connection: Connection, alert: Alert) -> list[Cited]:
    """The documents that the alert cites, as they were cited."""
    rows = connection.execute(_CITED, {"alert": alert.id, "entity": alert.entity, "model": alert.model})
    return [Cited(*row) for row in rows]


def figures(connection: Connection, alert: Alert) -> Figures:
    """What was told about the entity from the alert's window to a day after it fired, and what is usual."""
    end = alert.fired_at + _EPISODE
    within = {"entity": alert.entity, "model": alert.model, "start": alert.window_start, "end": end}
    before = within | {"start": alert.window_start - _USUAL, "end": alert.window_start}
    told = connection.execute(_TOLD, within).one()
    now, usual = connection.execute(_READ, within).one(), connection.execute(_READ, before).one()
    share = int(usual.negative) / int(usual.read) if usual.read else None
    return Figures(told.documents, told.sources, int(told.reach), int(now.negative), int(now.read), share)


def subject(connection: Connection, alert: Alert) -> tuple[str, str]:
    """The topic of most of the alert's evidence and the gravest risk event in it; empty where there is none."""
    asked = {"alert": alert.id, "entity": alert.entity, "model": alert.model}
    return _word(connection.execute(_TOPIC, asked).first()), _word(connection.execute(_EVENT, asked).first())


def _word(row: Row[Any] | None) -> str:
    return "" if row is None else str(row[0]).replace("_", " ")

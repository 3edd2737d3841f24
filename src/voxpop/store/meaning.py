"""What the evidence of an alert amounts to, as stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select, text

from voxpop.records import UNSURE_BELOW, Alert
from voxpop.store import tables


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
    gravity: int
    """Severity of the gravest risk event that it reports about the entity; 0 without any."""


class Figures(NamedTuple):
    """What was told about an entity since a time, and what is usual."""

    documents: int
    sources: int
    reach: int
    negative: int
    read: int
    usual_negative: float | None


_CITED = text(
    "SELECT e.document, c.source, c.published_at, c.url,"
    " CASE WHEN c.title_end > 0 THEN substr(c.text, 1, c.title_end) ELSE c.text END AS headline,"
    " coalesce(g.reach, 0) AS reach, d.revision IS DISTINCT FROM e.revision AS corrected,"
    " EXISTS (SELECT FROM mentions m WHERE m.document_id = d.document_id AND m.revision = d.revision"
    "  AND m.entity_id = :entity AND m.available_at <= :as_of) AS about,"
    ' substr(c.text, q.start + 1, q."end" - q.start) AS claim, q.score AS claim_score, q.factuality,'
    " coalesce(s.gravity, 0) AS gravity"
    " FROM unnest(CAST(:documents AS text[]), CAST(:revisions AS text[])) WITH ORDINALITY e(document, revision, rank)"
    " JOIN documents c ON c.document_id = e.document AND c.revision = e.revision"
    " LEFT JOIN LATERAL (SELECT document_id, revision, source FROM documents v WHERE v.document_id = c.document_id"
    "  AND v.available_at <= :as_of"
    "  ORDER BY v.revised_at <= :as_of DESC, v.revised_at DESC, v.sequence DESC, v.revision DESC LIMIT 1) d ON true"
    " LEFT JOIN claims q ON q.document_id = e.document AND q.revision = e.revision AND q.entity_id = :entity"
    "  AND q.model = :model AND q.question = 'what' AND q.available_at <= :as_of"
    " LEFT JOIN LATERAL (SELECT max(reach) AS reach FROM engagements n WHERE n.document_id = e.document"
    "  AND n.available_at <= :as_of) g ON true"
    " LEFT JOIN LATERAL (SELECT max(severity) AS gravity FROM risks r WHERE r.document_id = e.document"
    "  AND r.revision = e.revision AND r.entity_id = :entity AND r.model = :model AND r.available_at <= :as_of"
    "  AND r.score >= :likely) s ON true"
    " ORDER BY e.rank"
).bindparams(likely=UNSURE_BELOW)

_TOPIC = text(
    "SELECT t.topic FROM unnest(CAST(:documents AS text[]), CAST(:revisions AS text[])) e(document, revision)"
    " JOIN readings r ON r.document_id = e.document AND r.revision = e.revision AND r.model = :model"
    "  AND r.available_at <= :as_of, unnest(r.topics, r.topic_scores) AS t(topic, score)"
    " GROUP BY t.topic ORDER BY sum(t.score) DESC, t.topic LIMIT 1"
)

_EVENT = text(
    "SELECT r.event, max(r.severity) AS severity"
    " FROM unnest(CAST(:documents AS text[]), CAST(:revisions AS text[])) e(document, revision)"
    " JOIN risks r ON r.document_id = e.document AND r.revision = e.revision"
    "  AND r.entity_id = :entity AND r.model = :model AND r.available_at <= :as_of AND r.score >= :likely"
    " GROUP BY r.event ORDER BY max(r.severity) DESC, max(r.score) DESC, r.event LIMIT 1"
).bindparams(likely=UNSURE_BELOW)

_TOLD = text(
    "SELECT count(*) AS documents, count(DISTINCT l.source) AS sources, coalesce(sum(g.reach), 0) AS reach"
    " FROM (SELECT DISTINCT document_id, revision FROM mentions m"
    "  WHERE entity_id = :entity AND published_at >= :start AND published_at < :end AND relevance <> 'passing'"
    "  AND m.available_at <= :as_of) m"
    " JOIN LATERAL (SELECT document_id, revision, source FROM documents v WHERE v.document_id = m.document_id"
    "  AND v.available_at <= :as_of"
    "  ORDER BY v.revised_at <= :as_of DESC, v.revised_at DESC, v.sequence DESC, v.revision DESC LIMIT 1) l"
    "  ON l.revision = m.revision"
    " LEFT JOIN LATERAL (SELECT max(reach) AS reach FROM engagements n WHERE n.document_id = m.document_id"
    "  AND n.available_at <= :as_of) g ON true"
)

_READ = text(
    "SELECT coalesce(sum(negative_stories), 0) AS negative, coalesce(sum(stories - unread_stories), 0) AS read FROM ("
    " SELECT DISTINCT ON (start) * FROM trend_points p WHERE model = :model AND entity_id = :entity"
    "  AND start >= :start AND start < :end AND p.available_at <= :as_of ORDER BY start, revision DESC) t"
)

FOREVER = datetime.max.replace(tzinfo=UTC)
"""As of when everything is known that is stored."""
_USUAL = timedelta(days=14)
_EPISODE = timedelta(hours=24)
"""After it fired; what is told later is another matter."""

Evidence = list[tuple[str, str]]
"""Documents that are cited, each in the revision that was."""


def evidence(connection: Connection, alert: str) -> Evidence:
    """What the alert cites now."""
    t = tables.alert_evidence.c
    rows = connection.execute(select(t.document_id, t.revision).where(t.alert_id == alert).order_by(t.rank))
    return [(row.document_id, row.revision) for row in rows]


def _asked(alert: Alert, of: Evidence, as_of: datetime) -> dict[str, Any]:
    named = {"entity": alert.entity, "model": alert.model, "as_of": as_of}
    return named | {"documents": [d for d, _ in of], "revisions": [r for _, r in of]}


def cited(connection: Connection, alert: Alert, of: Evidence, as_of: datetime = FOREVER) -> list[Cited]:
    """The documents ``of``, as they were cited, by what was stored at ``as_of`` (else now)."""
    return [Cited(*row) for row in connection.execute(_CITED, _asked(alert, of, as_of))]


def figures(connection: Connection, alert: Alert, as_of: datetime = FOREVER) -> Figures:
    """What was told about the entity from the alert's window to a day after it fired, and what is usual."""
    end = alert.fired_at + _EPISODE
    within = {"entity": alert.entity, "model": alert.model, "start": alert.window_start, "end": end, "as_of": as_of}
    before = within | {"start": alert.window_start - _USUAL, "end": alert.window_start}
    told = connection.execute(_TOLD, within).one()
    now, usual = connection.execute(_READ, within).one(), connection.execute(_READ, before).one()
    share = int(usual.negative) / int(usual.read) if usual.read else None
    return Figures(told.documents, told.sources, int(told.reach), int(now.negative), int(now.read), share)


class Theme(NamedTuple):
    """What the evidence of an alert is about."""

    topic: str
    """Of most of it; empty where none was read."""
    event: str
    """The gravest risk event in it; empty without any."""
    severity: int
    """Of that event; 0 without any."""


def theme(connection: Connection, alert: Alert, of: Evidence, as_of: datetime = FOREVER) -> Theme:
    """What the documents ``of`` are about."""
    asked = _asked(alert, of, as_of)
    topic, event = connection.execute(_TOPIC, asked).first(), connection.execute(_EVENT, asked).first()
    return Theme(_word(topic), _word(event), 0 if event is None else event.severity)


def _word(row: Row[Any] | None) -> str:
    return "" if row is None else str(row[0]).replace("_", " ")

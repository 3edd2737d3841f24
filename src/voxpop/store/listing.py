"""Rows in pages, as they were known at a time: what the API reads.

A page begins after the key of the last row of the one before, so that a page costs the same wherever it stands, and
rows that come in between move nothing. All but the watchlist, which has no history, is read as of a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, TextClause, text

Row = dict[str, Any]


def _rows(connection: Connection, statement: TextClause, values: Row) -> list[Row]:
    found = connection.execute(statement, values)
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found.all()]  # mappings() takes three times as long


_ENTITIES = text(
    "SELECT e.entity_id AS id, e.name, e.detail->>'type' AS type, e.detail->>'sector' AS sector,"
    " e.detail->>'country' AS country, coalesce(CAST(e.detail->>'own' AS boolean), false) AS own, e.active,"
    " coalesce(t.stories, 0) AS stories, coalesce(t.negative, 0) AS negative_stories,"
    " coalesce(t.unread, 0) AS unread_stories, t.sentiment"
    " FROM (SELECT * FROM entities WHERE (CAST(:after AS text) IS NULL OR entity_id > :after)"
    "  AND (CAST(:active AS boolean) IS NULL OR active = :active)"
    "  AND (CAST(:sector AS text) IS NULL OR detail->>'sector' = :sector) ORDER BY entity_id LIMIT :limit) e"
    " LEFT JOIN LATERAL (SELECT sum(p.stories) AS stories, sum(p.negative_stories) AS negative,"
    "  sum(p.unread_stories) AS unread, avg(p.sentiment) AS sentiment FROM ("
    "  SELECT DISTINCT ON (start) * FROM trend_points WHERE entity_id = e.entity_id AND model = :model"
    "   AND start > :since AND start <= :until AND available_at <= :as_of ORDER BY start, revision DESC) p) t ON true"
    " ORDER BY e.entity_id"
)


def entities(
    connection: Connection,
    *,
    model: str | None,
    since: datetime,
    until: datetime,
    as_of: datetime,
    active: bool | None,
    sector: str | None,
    after: str | None,
    limit: int,
) -> list[Row]:
    """Entities by id, with what was told of each in hours of (since, until] as known at ``as_of``."""
    values = {"model": model, "since": since, "until": until, "as_of": as_of}
    rows = _rows(connection, _ENTITIES, {**values, "active": active, "sector": sector, "after": after, "limit": limit})
    return [{**row, **{name: int(row[name]) for name in _SUMS}} for row in rows]


_SUMS = ("stories", "negative_stories", "unread_stories")

_POINTS = (
    "SELECT DISTINCT ON (entity_id, start) entity_id AS entity, start, stories, negative_stories, positive_stories,"
    " unread_stories, unsure_stories, mentions, sentiment, reach, model, available_at, reconstructed FROM trend_points"
    " WHERE {}model = :model AND start >= :start AND start < :end AND available_at <= :as_of"
    " ORDER BY entity_id, start, revision DESC"
)
_FURTHER = "(entity_id, start) > (:entity, CAST(:after AS timestamptz)) AND "
_OF_EACH = (
    "SELECT p.* FROM (SELECT DISTINCT unnest(CAST(:entities AS text[])) AS id) e, LATERAL ({}) p"
    " ORDER BY p.entity, p.start"
)
_TRENDS = {
    (of_some, after): (text(f"{words} LIMIT :limit"), text(words))
    for of_some, after, words in (
        (False, False, _POINTS.format("")),
        (True, False, _OF_EACH.format(_POINTS.format("entity_id = e.id AND "))),
        (False, True, _POINTS.format(_FURTHER)),
        (True, True, _OF_EACH.format(_POINTS.format("entity_id = e.id AND " + _FURTHER))),
    )
}
"""By whether entities are named and whether it is a further page; each with a limit and without.

A statement for each, since one that asks "is it null, or equal" is planned for neither once PostgreSQL keeps its plan.
"""


class Trends(dict[str, Any]):
    """What is asked of trends: model, entities (None: all), start, end, as_of."""


def trends(connection: Connection, asked: Trends, *, after: tuple[str, datetime] | None, limit: int) -> list[Row]:
    """The last revision of each hour, by entity and start."""
    statement, _ = _TRENDS[asked["entities"] is not None, after is not None]
    entity, start = after or (None, None)
    return _rows(connection, statement, {**asked, "entity": entity, "after": start, "limit": limit})


def all_trends(connection: Connection, asked: Trends, rows: int = 5000) -> Iterator[Sequence[Row]]:
    """All of them, some at a time, without keeping them in memory: within one transaction of ``connection``."""
    _, statement = _TRENDS[asked["entities"] is not None, False]
    with connection.execution_options(yield_per=rows).execute(statement, asked) as found:
        for part in found.mappings().partitions():
            yield [dict(row) for row in part]


_ALERTS = text(
    "SELECT a.alert_id AS id, a.entity_id AS entity, a.rule, r.state, a.fired_at, a.window_start, r.last_at, r.score,"
    " r.cut, r.hours, r.stories, r.negative_stories, r.unread_stories, r.expected, r.reach, r.model,"
    " r.documents AS evidence, r.available_at, r.reconstructed, r.revision FROM alerts a"
    " JOIN LATERAL (SELECT * FROM alert_revisions v WHERE v.alert_id = a.alert_id AND v.available_at <= :as_of"
    "  ORDER BY v.revision DESC LIMIT 1) r ON true"
    " WHERE a.available_at <= :as_of AND (CAST(:id AS text) IS NULL OR a.alert_id = :id)"
    " AND (CAST(:entities AS text[]) IS NULL OR a.entity_id = ANY(:entities))"
    " AND (CAST(:rule AS text) IS NULL OR a.rule = :rule) AND (CAST(:state AS text) IS NULL OR r.state = :state)"
    " AND a.fired_at >= :start AND a.fired_at < :end"
    " AND (CAST(:after_id AS text) IS NULL OR (a.fired_at, a.alert_id) < (CAST(:after AS timestamptz), :after_id))"
    " ORDER BY a.fired_at DESC, a.alert_id DESC LIMIT :limit"
)

_MOVES = text(
    "SELECT alert_id, kind, received_at AS at, who, coalesce(person, '') AS person, note FROM alert_moves"
    " WHERE alert_id = ANY(:alerts) AND received_at <= :as_of ORDER BY alert_id, number"
)


def alerts(
    connection: Connection,
    *,
    as_of: datetime,
    start: datetime,
    end: datetime,
    entities: Sequence[str] | None = None,
    rule: str | None = None,
    state: str | None = None,
    id: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> list[Row]:
    """Alerts that fired in [start, end), the last first, each as it stood, with its moves up to then."""
    values: Row = {"as_of": as_of, "start": start, "end": end, "rule": rule, "state": state, "id": id, "limit": limit}
    at, last = after or (None, None)
    names = None if entities is None else list(entities)
    rows = _rows(connection, _ALERTS, {**values, "entities": names, "after": at, "after_id": last})
    moves: dict[str, list[Row]] = {row["id"]: [] for row in rows}
    for move in _rows(connection, _MOVES, {"alerts": list(moves), "as_of": as_of}):
        moves[move.pop("alert_id")].append(move)
    return [{**row, "moves": moves[row["id"]]} for row in rows]


_CLAIMS = text(
    "SELECT c.entity_id AS entity, d.document_id AS document, d.revision, d.published_at, d.source, d.url, c.question,"
    ' substr(d.text, c.start + 1, c."end" - c.start) AS text, c.start, c."end", c.score, c.entailment, c.factuality,'
    " c.model, c.available_at, c.reconstructed"
    " FROM (SELECT DISTINCT ON (published_at, document_id, revision) * FROM mentions"
    "  WHERE entity_id = :entity AND published_at >= :start AND published_at < :end AND available_at <= :as_of"
    "  AND (CAST(:after AS timestamptz) IS NULL OR published_at <= :after)"
    "  ORDER BY published_at DESC, document_id DESC, revision DESC) m"
    " JOIN documents d ON d.document_id = m.document_id AND d.revision = m.revision AND d.available_at <= :as_of"
    " JOIN claims c ON c.document_id = d.document_id AND c.revision = d.revision AND c.entity_id = :entity"
    "  AND c.model = :model AND c.available_at <= :as_of"
    " WHERE NOT EXISTS (SELECT FROM documents n WHERE n.document_id = d.document_id AND n.available_at <= :as_of"
    "  AND (n.revised_at, n.sequence, n.revision) > (d.revised_at, d.sequence, d.revision))"
    " AND (CAST(:question AS text) IS NULL OR c.question = :question)"
    " AND (CAST(:after AS timestamptz) IS NULL"
    "  OR (m.published_at, d.document_id, c.question) < (:after, :document, :after_question))"
    " ORDER BY m.published_at DESC, d.document_id DESC, c.question DESC LIMIT :limit"
)


def claims(
    connection: Connection,
    *,
    entity: str,
    model: str,
    start: datetime,
    end: datetime,
    as_of: datetime,
    question: str | None,
    after: tuple[datetime, str, str] | None,
    limit: int,
) -> list[Row]:
    """What documents published in [start, end) claim about an entity, word for word, the last first."""
    at, document, asked = after or (None, None, None)
    values: Row = {"entity": entity, "model": model, "start": start, "end": end, "as_of": as_of, "question": question}
    more = {"after": at, "document": document, "after_question": asked, "limit": limit}
    return _rows(connection, _CLAIMS, values | more)

"""What was known at a time: nothing here reads a row that became available after ``as_of``.

Only the watchlist itself is today's, since it has no history.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from voxpop.records import Alert
from voxpop.store import meaning
from voxpop.store.moves import Row


class Watched(NamedTuple):
    """An entity of the watchlist."""

    entity: str
    name: str
    sector: str
    own: bool


class Told(NamedTuple):
    """A document about an entity, in the revision that was the latest then."""

    entity: str
    document: str
    revision: str
    fingerprint: int | None
    """Of its words; None where it has been corrected since."""
    source: str
    at: datetime
    label: str | None
    negative: float | None
    neutral: float | None
    positive: float | None
    topic: str
    """The likeliest, if it is likelier than not; else empty."""
    reach: int


class Cited(NamedTuple):
    """A document as a report cites it."""

    document: str
    source: str
    at: datetime
    url: str | None
    headline: str


class Raised(NamedTuple):
    """An alert as it stood then."""

    alert: Alert
    state: str
    last_at: datetime
    evidence: meaning.Evidence


def watched(connection: Connection) -> list[Watched]:
    """Who is on the watchlist, by name."""
    rows = connection.execute(
        text(
            "SELECT entity_id, name, coalesce(detail->>'sector', ''),"
            " coalesce(CAST(detail->>'own' AS boolean), false) FROM entities WHERE active ORDER BY name, entity_id"
        )
    )
    return [Watched(*row) for row in rows]


_BEGINS = text(
    "SELECT (SELECT min(published_at) FROM documents"
    "  WHERE published_at >= :start AND published_at < :end AND available_at <= :as_of),"
    " EXISTS (SELECT FROM documents WHERE published_at < :start AND available_at <= :as_of)"
)


def begins(connection: Connection, start: datetime, end: datetime, as_of: datetime) -> tuple[datetime | None, bool]:
    """(first publication in [start, end) of any source, None where there is none; whether there was one before)."""
    first, earlier = connection.execute(_BEGINS, {"start": start, "end": end, "as_of": as_of}).one()
    return first, bool(earlier)


_TOLD = text(
    "SELECT m.entity_id, d.document_id, d.revision, CASE WHEN d.latest THEN s.fingerprint END AS fingerprint,"
    " d.source, d.published_at, o.label, o.negative, o.neutral, o.positive, coalesce(r.topic, '') AS topic, g.reach"
    " FROM documents d"
    " JOIN LATERAL (SELECT revision FROM documents v WHERE v.document_id = d.document_id AND v.available_at <= :as_of"
    "  ORDER BY v.revised_at <= :as_of DESC, v.revised_at DESC, v.sequence DESC, v.revision DESC LIMIT 1) v"
    "  ON v.revision = d.revision"
    " JOIN LATERAL (SELECT DISTINCT entity_id FROM mentions m WHERE m.document_id = d.document_id"
    "  AND m.revision = d.revision AND m.relevance <> 'passing' AND m.available_at <= :as_of"
    "  AND m.entity_id = ANY(:entities)) m ON true"
    " LEFT JOIN story_members s ON s.document_id = d.document_id"
    " LEFT JOIN opinions o ON o.document_id = d.document_id AND o.revision = d.revision"
    "  AND o.entity_id = m.entity_id AND o.model = :model AND o.available_at <= :as_of"
    " LEFT JOIN LATERAL (SELECT t.topic FROM readings r, unnest(r.topics, r.topic_scores) AS t(topic, score)"
    "  WHERE r.document_id = d.document_id AND r.revision = d.revision AND r.model = :model"
    "  AND r.available_at <= :as_of AND t.score >= 0.5 ORDER BY t.score DESC, t.topic LIMIT 1) r ON true"
    " JOIN LATERAL (SELECT coalesce(max(reach), 0) AS reach FROM engagements n WHERE n.document_id = d.document_id"
    "  AND n.available_at <= :as_of) g ON true"
    " WHERE d.published_at >= :start AND d.published_at < :end"
    " ORDER BY m.entity_id, d.published_at, d.document_id"
)


def told(
    connection: Connection, model: str, entities: Collection[str], start: datetime, end: datetime, as_of: datetime
) -> list[Told]:
    """The documents published in [start, end) that are about the entities, by entity and time."""
    asked = {"model": model, "entities": list(entities), "start": start, "end": end, "as_of": as_of}
    return [Told(*row) for row in connection.execute(_TOLD, asked)]


def texts(connection: Connection, of: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, int]]:
    """(text, end of the title) of the documents in these revisions."""
    rows = connection.execute(
        text(
            "SELECT d.document_id, d.revision, d.text, d.title_end FROM documents d JOIN"
            " unnest(CAST(:ids AS text[]), CAST(:revisions AS text[])) AS w(document_id, revision)"
            " USING (document_id, revision)"
        ),
        {"ids": [document for document, _ in of], "revisions": [revision for _, revision in of]},
    )
    return {(row.document_id, row.revision): (row.text, row.title_end) for row in rows}


def cited(connection: Connection, of: Sequence[tuple[str, str]]) -> dict[str, Cited]:
    """The documents in these revisions, by id."""
    rows = connection.execute(
        text(
            "SELECT d.document_id, d.source, d.published_at, d.url,"
            " CASE WHEN d.title_end > 0 THEN substr(d.text, 1, d.title_end) ELSE d.text END AS headline"
            " FROM documents d JOIN"
            " unnest(CAST(:ids AS text[]), CAST(:revisions AS text[])) AS w(document_id, revision)"
            " USING (document_id, revision)"
        ),
        {"ids": [document for document, _ in of], "revisions": [revision for _, revision in of]},
    )
    return {row.document_id: Cited(*row) for row in rows}


def candidates(connection: Connection, fingerprints: Collection[int]) -> list[tuple[int, int]]:
    """Pairs of these texts that may retell each other."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT a.fingerprint, b.fingerprint FROM story_bands a JOIN story_bands b ON b.band = a.band"
            " WHERE a.fingerprint = ANY(:ids) AND b.fingerprint = ANY(:ids) AND a.fingerprint < b.fingerprint"
            " ORDER BY 1, 2"
        ),
        {"ids": list(fingerprints)},
    )
    return [(row[0], row[1]) for row in rows]


def words(connection: Connection, fingerprints: Collection[int]) -> dict[int, str]:
    """The normalised words of these texts."""
    rows = connection.execute(
        text("SELECT fingerprint, words FROM story_texts WHERE fingerprint = ANY(:ids)"), {"ids": list(fingerprints)}
    )
    return {row.fingerprint: row.words for row in rows}


def first_named(connection: Connection, entities: Collection[str], as_of: datetime) -> dict[str, datetime]:
    """When each entity was named first."""
    rows = connection.execute(
        text(
            "SELECT entity_id, min(published_at) AS at FROM mentions"
            " WHERE entity_id = ANY(:entities) AND available_at <= :as_of GROUP BY entity_id"
        ),
        {"entities": list(entities), "as_of": as_of},
    )
    return {row.entity_id: row.at for row in rows}


_TOPICS = text(
    "SELECT DISTINCT m.entity_id, t.topic FROM documents d"
    " JOIN mentions m ON m.document_id = d.document_id AND m.revision = d.revision AND m.relevance <> 'passing'"
    "  AND m.available_at <= :as_of AND m.entity_id = ANY(:entities)"
    " JOIN readings r ON r.document_id = d.document_id AND r.revision = d.revision AND r.model = :model"
    "  AND r.available_at <= :as_of, unnest(r.topics, r.topic_scores) AS t(topic, score)"
    " WHERE d.published_at >= :start AND d.published_at < :end AND t.score >= 0.5"
)


def topics(
    connection: Connection, model: str, entities: Collection[str], start: datetime, end: datetime, as_of: datetime
) -> set[tuple[str, str]]:
    """(entity, topic) of what was published in [start, end)."""
    asked = {"model": model, "entities": list(entities), "start": start, "end": end, "as_of": as_of}
    return {(row.entity_id, row.topic) for row in connection.execute(_TOPICS, asked)}


def heard(connection: Connection, since: datetime, until: datetime, as_of: datetime) -> dict[str, list[datetime]]:
    """When each source published in [since, until), in order."""
    rows = connection.execute(
        text(
            "SELECT source, array_agg(published_at ORDER BY published_at) AS times FROM ("
            " SELECT source, document_id, min(published_at) AS published_at FROM documents"
            " WHERE published_at >= :since AND published_at < :until AND available_at <= :as_of"
            " GROUP BY source, document_id) d GROUP BY source ORDER BY source"
        ),
        {"since": since, "until": until, "as_of": as_of},
    )
    return {row.source: row.times for row in rows}


def last_of(connection: Connection, source: str, at: datetime, as_of: datetime) -> tuple[str, str] | None:
    """The document of the source that was published at ``at``, and its revision."""
    row = connection.execute(
        text(
            "SELECT document_id, revision FROM documents WHERE source = :source AND published_at = :at"
            " AND available_at <= :as_of"
            " ORDER BY document_id, revised_at <= :as_of DESC, revised_at DESC, sequence DESC, revision DESC LIMIT 1"
        ),
        {"source": source, "at": at, "as_of": as_of},
    ).one_or_none()
    return None if row is None else (row.document_id, row.revision)


_RAISED = text(
    "SELECT a.alert_id AS id, a.entity_id AS entity, a.rule, a.fired_at, a.window_start, r.score, r.cut, r.hours,"
    " r.stories, r.expected, r.negative_stories, r.unread_stories, r.model, r.reach,"
    " r.state, r.last_at, r.documents, r.document_revisions"
    " FROM alerts a JOIN LATERAL (SELECT * FROM alert_revisions r WHERE r.alert_id = a.alert_id"
    "  AND r.available_at <= :as_of ORDER BY r.revision DESC LIMIT 1) r ON true"
    " WHERE a.alert_id = ANY(:also)"
    "  OR a.fired_at < :until AND (r.last_at >= :since OR a.fired_at >= :since OR r.state = 'firing')"
    " ORDER BY a.fired_at, a.alert_id"
)


def raised(
    connection: Connection, since: datetime, until: datetime, as_of: datetime, also: Collection[str] = ()
) -> list[Raised]:
    """The alerts that fired before ``until`` and were open then or over their cut since ``since``, and those of the
    ids ``also``.
    """
    found = []
    asked = {"since": since, "until": until, "as_of": as_of, "also": list(also)}
    for row in connection.execute(_RAISED, asked):
        fields = {name: row._mapping[name] for name in Alert.__struct_fields__ if name != "evidence"}
        of = list(zip(row.documents, row.document_revisions, strict=True))
        found.append(Raised(Alert(**fields, evidence=tuple(row.documents)), row.state, row.last_at, of))
    return found


def lives(connection: Connection, alerts: Collection[str], as_of: datetime) -> dict[str, list[Row]]:
    """The moves of each of these alerts up to then, in their order."""
    rows = connection.execute(
        text(
            "SELECT alert_id, kind, received_at, who, note FROM alert_moves"
            " WHERE alert_id = ANY(:alerts) AND received_at <= :as_of ORDER BY alert_id, number"
        ),
        {"alerts": list(alerts), "as_of": as_of},
    )
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.alert_id, []).append(Row(row.kind, row.received_at, row.who, row.note))
    return found


def answered(connection: Connection, since: datetime, as_of: datetime) -> list[str]:
    """The alerts that a person moved in (since, as_of]."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT alert_id FROM alert_moves WHERE kind IN ('acknowledged', 'resolved')"
            " AND who <> 'voxpop' AND received_at > :since AND received_at <= :as_of ORDER BY alert_id"
        ),
        {"since": since, "as_of": as_of},
    )
    return list(rows.scalars())

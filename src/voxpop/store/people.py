"""What people say: comments on alerts, verdicts on labels, and the lists of entities that each wants to see first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Column, Connection, Index, Table, Text, select, text
from sqlalchemy.dialects.postgresql import insert

from voxpop.errors import StoreError
from voxpop.records import digest
from voxpop.store.tables import UTC_TIME, metadata

BELL = "voxpop_desk"
"""The channel of PostgreSQL's NOTIFY that rings, with the id of an alert, whenever something became of it."""

alert_comments = Table(
    "alert_comments",
    metadata,
    Column("comment_id", Text, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    Index("ix_alert_comments_alert", "alert_id", "received_at"),
    comment="What people wrote about an alert.",
)

reviews = Table(
    "reviews",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("entity_id", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("was", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    comment="What people say of the sentiment of a document towards an entity; one verdict a person.",
)

own_lists = Table(
    "own_lists",
    metadata,
    Column("who", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("entities", ARRAY(Text), nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    comment="Entities that a person wants to see first.",
)

LONGEST_COMMENT = 4000
VERDICTS = ("negative", "neutral", "positive", "unclear")
"""What a person may say of a label; "unclear" is a text of which nobody could tell."""


# ------------------------------------------------------------------------------------------------ comments


class Comment(NamedTuple):
    """What a person wrote about an alert."""

    who: str
    note: str
    at: datetime


def comment(connection: Connection, alert: str, who: str, note: str, now: datetime) -> bool:
    """Keeps a comment; False where the same person wrote the same within the minute, as a form sent twice does.

    Raises:
        StoreError: it is empty or too long.
    """
    note = note.strip()
    if not note or len(note) > LONGEST_COMMENT:
        raise StoreError(f"a comment has 1 to {LONGEST_COMMENT} characters, this one {len(note)}")
    key = digest(alert, who, note, f"{now:%Y-%m-%dT%H:%M}")
    row = {"comment_id": key, "alert_id": alert, "who": who, "note": note, "received_at": now}
    statement = insert(alert_comments).values(**row).on_conflict_do_nothing().returning(alert_comments.c.comment_id)
    return connection.execute(statement).scalar_one_or_none() is not None


def comments_on(connection: Connection, alerts: Sequence[str]) -> dict[str, list[Comment]]:
    """The comments on each of these alerts that has any, oldest first."""
    t = alert_comments.c
    found: dict[str, list[Comment]] = {}
    for row in connection.execute(
        select(t.alert_id, t.who, t.note, t.received_at)
        .where(t.alert_id.in_(list(alerts)))
        .order_by(t.alert_id, t.received_at, t.comment_id)
    ):
        found.setdefault(row.alert_id, []).append(Comment(row.who, row.note, row.received_at))
    return found


# ------------------------------------------------------------------------------------------------ lists of their own


def lists_of(connection: Connection, who: str) -> dict[str, list[str]]:
    """A person's lists, by name: the ids of their entities."""
    t = own_lists.c
    rows = connection.execute(select(t.name, t.entities).where(t.who == who).order_by(t.name))
    return {row.name: list(row.entities) for row in rows}


def keep_list(connection: Connection, who: str, name: str, entities: Sequence[str], now: datetime) -> None:
    """Keeps a list, in place of the one of that name.

    Raises:
        StoreError: the name is empty or too long, or an entity was never watched.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60:
        raise StoreError("a list has a name of 1 to 60 characters")
    wanted = list(dict.fromkeys(entities))
    known = connection.execute(
        text("SELECT entity_id FROM entities WHERE entity_id = ANY(:ids)"), {"ids": wanted}
    ).scalars()
    if missing := set(wanted) - set(known):
        raise StoreError(f"nobody ever watched {min(missing)!r}")
    statement = insert(own_lists).values(who=who, name=name, entities=wanted, received_at=now)
    changed = {"entities": wanted, "received_at": now}
    connection.execute(statement.on_conflict_do_update(index_elements=["who", "name"], set_=changed))


def drop_list(connection: Connection, who: str, name: str) -> bool:
    """Forgets a list; False if there is none of that name."""
    t = own_lists
    return connection.execute(t.delete().where(t.c.who == who, t.c.name == name)).rowcount == 1


# ------------------------------------------------------------------------------------------------ verdicts


class Doubtful(NamedTuple):
    """A document whose label towards an entity a person should look at, and why."""

    document: str
    revision: str
    entity: str
    name: str
    source: str
    published_at: datetime
    lang: str
    text: str
    url: str | None
    spans: list[list[int]]
    label: str
    negative: float
    neutral: float
    positive: float
    reason: str
    """unsure; risk (it reports a grave event and is not negative); both (its story is told both ways); people (who
    reviewed it disagree)."""
    story: str


_LABELS = 20_000
"""So many labels, the latest, are looked at."""

_DOUBTFUL = text(
    "WITH said AS MATERIALIZED ("
    " SELECT d.document_id, d.revision, d.published_at, o.entity_id, o.label, s.story_id"
    "  FROM documents d JOIN opinions o ON o.document_id = d.document_id AND o.revision = d.revision"
    "  LEFT JOIN story_members s ON s.document_id = d.document_id"
    "  WHERE d.latest AND o.model = :model AND o.label IS NOT NULL"
    "   AND (CAST(:entities AS text[]) IS NULL OR o.entity_id = ANY(:entities))"
    "  ORDER BY d.published_at DESC LIMIT :labels),"
    " opposed AS (SELECT story_id, entity_id FROM said WHERE label IN ('negative', 'positive')"
    "  GROUP BY story_id, entity_id HAVING count(DISTINCT label) = 2),"
    " judged AS (SELECT document_id, revision, entity_id, count(DISTINCT label) AS kinds, bool_or(who = :who) AS mine"
    "  FROM reviews GROUP BY document_id, revision, entity_id),"
    " doubted AS (SELECT a.*, CASE"
    "  WHEN j.kinds > 1 THEN CASE WHEN j.mine THEN NULL ELSE 'people' END"
    "  WHEN j.kinds = 1 THEN NULL"
    "  WHEN a.label = 'unsure' THEN 'unsure'"
    "  WHEN a.label <> 'negative' AND g.grave THEN 'risk'"
    "  WHEN a.label IN ('negative', 'positive') AND p.story_id IS NOT NULL THEN 'both' END AS reason"
    "  FROM said a LEFT JOIN judged j USING (document_id, revision, entity_id)"
    "  LEFT JOIN LATERAL (SELECT true AS grave FROM risks r WHERE r.document_id = a.document_id"
    "   AND r.revision = a.revision AND r.entity_id = a.entity_id AND r.model = :model AND r.severity >= 2"
    "   LIMIT 1) g ON true"
    "  LEFT JOIN opposed p USING (story_id, entity_id)),"
    " picked AS (SELECT * FROM doubted WHERE reason IS NOT NULL"
    "  AND (CAST(:reason AS text) IS NULL OR reason = :reason)"
    "  ORDER BY published_at DESC, document_id, entity_id LIMIT :limit)"
    " SELECT d.document_id, d.revision, k.entity_id, coalesce(n.name, k.entity_id) AS name, d.source, d.published_at,"
    " d.lang, d.text, d.url, m.spans, o.label, o.negative, o.neutral, o.positive, k.reason,"
    " coalesce(k.story_id, d.document_id) AS story FROM picked k"
    " JOIN documents d USING (document_id, revision)"
    " JOIN opinions o ON o.document_id = d.document_id AND o.revision = d.revision AND o.entity_id = k.entity_id"
    "  AND o.model = :model"
    " LEFT JOIN entities n ON n.entity_id = k.entity_id"
    ' JOIN LATERAL (SELECT array_agg(ARRAY[start, "end"] ORDER BY start) AS spans FROM mentions m'
    "  WHERE m.document_id = d.document_id AND m.revision = d.revision AND m.entity_id = k.entity_id) m"
    "  ON m.spans IS NOT NULL"
    " ORDER BY d.published_at DESC, d.document_id, k.entity_id"
)


def doubtful(
    connection: Connection,
    model: str,
    who: str,
    *,
    reason: str | None = None,
    entities: Sequence[str] | None = None,
    limit: int = 30,
) -> list[Doubtful]:
    """Labels that a person should confirm or correct, the latest first: those that nobody has looked at, and those
    about which people disagree and ``who`` has said nothing."""
    asked = {"model": model, "who": who, "reason": reason, "limit": limit, "labels": _LABELS}
    rows = connection.execute(_DOUBTFUL, asked | {"entities": None if entities is None else list(entities)})
    return [Doubtful(*row) for row in rows]


def review(
    connection: Connection, document: str, revision: str, entity: str, model: str, label: str, who: str, now: datetime
) -> str:
    """Keeps a person's verdict, in place of what they said before; returns the label that the model had given.

    Raises:
        StoreError: no such label, or the model said nothing of this document and entity.
    """
    if label not in VERDICTS:
        raise StoreError(f"{label!r} is no verdict; {', '.join(VERDICTS)} are")
    was = connection.execute(
        text(
            "SELECT label FROM opinions WHERE document_id = :document AND revision = :revision"
            " AND entity_id = :entity AND model = :model"
        ),
        {"document": document, "revision": revision, "entity": entity, "model": model},
    ).scalar_one_or_none()
    if was is None:
        raise StoreError("the model has read no such document about this entity, or it was read anew since: reload")
    row = {"document_id": document, "revision": revision, "entity_id": entity, "who": who}
    said = {"model": model, "was": was, "label": label, "received_at": now}
    statement = insert(reviews).values(**row, **said)
    connection.execute(statement.on_conflict_do_update(index_elements=list(row), set_=said))
    return str(was)


class Verdict(NamedTuple):
    """What a person said of a label."""

    document: str
    revision: str
    entity: str
    name: str
    who: str
    was: str
    label: str
    at: datetime
    text: str


_VERDICTS = text(
    "SELECT r.document_id, r.revision, r.entity_id, coalesce(n.name, r.entity_id), r.who, r.was, r.label,"
    " r.received_at, d.text FROM reviews r"
    " JOIN documents d ON d.document_id = r.document_id AND d.revision = r.revision"
    " LEFT JOIN entities n ON n.entity_id = r.entity_id"
    " ORDER BY r.received_at DESC, r.document_id, r.entity_id, r.who LIMIT :limit"
)


def verdicts(connection: Connection, limit: int = 50) -> list[Verdict]:
    """What people said last."""
    return [Verdict(*row) for row in connection.execute(_VERDICTS, {"limit": limit})]


class Reviewed(NamedTuple):
    """How many verdicts there are, how many of them corrected the model, and on how many labels people disagree."""

    verdicts: int
    corrected: int
    disagreed: int


def reviewed(connection: Connection) -> Reviewed:
    """The sums of all verdicts."""
    row = connection.execute(
        text(
            "SELECT coalesce(sum(said), 0) AS said, coalesce(sum(corrected), 0) AS corrected,"
            " count(*) FILTER (WHERE kinds > 1) AS disagreed FROM (SELECT count(*) AS said,"
            "  count(*) FILTER (WHERE label <> was) AS corrected, count(DISTINCT label) AS kinds"
            "  FROM reviews GROUP BY document_id, revision, entity_id) t"
        )
    ).one()
    return Reviewed(int(row.said), int(row.corrected), int(row.disagreed))


_AGREED = text(
    "SELECT d.text, d.lang, r.entity_id, r.label, m.spans FROM ("
    "  SELECT document_id, revision, entity_id, label, count(*) AS said,"
    "   rank() OVER (PARTITION BY document_id, revision, entity_id ORDER BY count(*) DESC) AS place,"
    "   count(*) OVER (PARTITION BY document_id, revision, entity_id, count(*)) AS tied"
    "  FROM reviews GROUP BY document_id, revision, entity_id, label) r"
    " JOIN documents d ON d.document_id = r.document_id AND d.revision = r.revision"
    ' JOIN LATERAL (SELECT array_agg(ARRAY[start, "end"] ORDER BY start) AS spans FROM mentions m'
    "  WHERE m.document_id = r.document_id AND m.revision = r.revision AND m.entity_id = r.entity_id) m"
    "  ON m.spans IS NOT NULL"
    " WHERE r.place = 1 AND r.tied = 1 AND r.label <> 'unclear'"
    " ORDER BY d.published_at, d.document_id, r.entity_id"
)


def agreed(connection: Connection) -> Iterator[dict[str, Any]]:
    """The labels that most reviewers of a text agree on, as rows that training reads: a text, and spans with their
    label. Ties and unclear ones are left out.
    """
    row: dict[str, Any] | None = None
    for said in connection.execute(_AGREED):
        spans = [{"start": a, "end": b, "entity": said.entity_id, "label": said.label} for a, b in said.spans]
        if row is not None and row["text"] == said.text:
            row["spans"] += spans
            continue
        if row is not None:
            yield row
        row = {"text": said.text, "lang": said.lang, "spans": spans}
    if row is not None:
        yield row

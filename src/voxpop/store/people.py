"""What people say: comments on alerts, verdicts on labels, and the lists of entities that each wants to see first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from voxpop.errors import Refused, StoreError
from voxpop.records import UNSURE_BELOW, digest
from voxpop.store.access import Person
from voxpop.store.tables import alert_comments, own_lists, reviews

BELL = "voxpop_desk"
"""The channel of PostgreSQL's NOTIFY that rings, with the id of an alert, whenever something became of it."""

LONGEST_COMMENT = 4000
_AGAIN = timedelta(minutes=1)
"""The same words within so long are sent again, not said twice."""
VERDICTS = ("negative", "neutral", "positive", "unclear")
"""What a person may say of a label; "unclear" is a text of which nobody could tell."""


# ------------------------------------------------------------------------------------------------ comments


class Comment(NamedTuple):
    """What a person wrote about an alert."""

    id: str
    who: str
    person: str
    note: str
    at: datetime


def comment(
    connection: Connection, alert: str, by: Person, note: str, now: datetime, key: str | None = None
) -> tuple[Comment, bool]:
    """Keeps a comment; returns it, and whether it is new.

    Args:
        key: what is sent again under it is the same comment; None: the same words within a minute are, as of a form
            that is sent twice.

    Raises:
        StoreError: it is empty or too long.
        Refused: the key was used for other words.
    """
    note = note.strip()
    if not note or len(note) > LONGEST_COMMENT:
        raise StoreError(f"a comment has 1 to {LONGEST_COMMENT} characters, this one {len(note)}")
    if key is None and (just := _just_said(connection, alert, by, note, now)) is not None:
        return just, False
    same = (f"{now:%Y-%m-%dT%H:%M}", note) if key is None else ("key", key)
    new = Comment(digest(alert, by.id, *same), by.name, by.id, note, now)
    row = {"comment_id": new.id, "alert_id": alert, "received_at": now, "person": by.id, "who": by.name, "note": note}
    statement = insert(alert_comments).values(**row).on_conflict_do_nothing().returning(alert_comments.c.comment_id)
    if connection.execute(statement).scalar_one_or_none() is not None:
        return new, True
    kept = next(said for said in comments_on(connection, [alert])[alert] if said.id == new.id)
    if kept.note != note:
        raise Refused("this key was used for another comment: take a new one", "Idempotency-Key")
    return kept, False


def _just_said(connection: Connection, alert: str, by: Person, note: str, now: datetime) -> Comment | None:
    """The same words of the same person less than a minute ago."""
    said = comments_on(connection, [alert]).get(alert, [])
    return next((c for c in said if (c.person, c.note) == (by.id, note) and now - c.at < _AGAIN), None)


def comments_on(connection: Connection, alerts: Sequence[str]) -> dict[str, list[Comment]]:
    """The comments on each of these alerts that has any, oldest first."""
    t = alert_comments.c
    found: dict[str, list[Comment]] = {}
    for row in connection.execute(
        select(t.alert_id, t.comment_id, t.who, t.person, t.note, t.received_at)
        .where(t.alert_id.in_(list(alerts)))
        .order_by(t.alert_id, t.received_at, t.comment_id)
    ):
        found.setdefault(row.alert_id, []).append(Comment(*row[1:]))
    return found


# ------------------------------------------------------------------------------------------------ lists of their own


def lists_of(connection: Connection, of: Person) -> dict[str, list[str]]:
    """A person's lists, by name: the ids of their entities."""
    t = own_lists.c
    rows = connection.execute(select(t.name, t.entities).where(t.person == of.id).order_by(t.name))
    return {row.name: list(row.entities) for row in rows}


def keep_list(connection: Connection, of: Person, name: str, entities: Sequence[str], now: datetime) -> None:
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
    changed = {"who": of.name, "entities": wanted, "received_at": now}
    statement = insert(own_lists).values(person=of.id, name=name, **changed)
    connection.execute(statement.on_conflict_do_update(index_elements=["person", "name"], set_=changed))


def drop_list(connection: Connection, of: Person, name: str) -> bool:
    """Forgets a list; False if there is none of that name."""
    t = own_lists
    return connection.execute(t.delete().where(t.c.person == of.id, t.c.name == name)).rowcount == 1


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


MOST_DOUBTFUL = 30
_LOOKED_AT = 4_000
"""So many mentions, the latest, are looked at; of each entity its share, where entities are named."""

_OF_ALL = "SELECT document_id, revision, entity_id FROM mentions ORDER BY published_at DESC LIMIT :looked_at"
_OF_SOME = (
    "SELECT m.* FROM (SELECT DISTINCT unnest(CAST(:entities AS text[])) AS id) e,"
    " LATERAL (SELECT document_id, revision, entity_id FROM mentions WHERE entity_id = e.id"
    "  ORDER BY published_at DESC LIMIT :looked_at) m"
)
_DOUBTFUL = (
    "WITH latest AS MATERIALIZED (SELECT DISTINCT document_id, revision, entity_id FROM ({}) l),"
    " said AS MATERIALIZED ("
    " SELECT d.document_id, d.revision, d.published_at, o.entity_id, o.label, s.story_id FROM latest"
    "  JOIN documents d USING (document_id, revision) JOIN opinions o USING (document_id, revision, entity_id)"
    "  LEFT JOIN story_members s ON s.document_id = d.document_id"
    "  WHERE d.latest AND o.model = :model AND o.label IS NOT NULL),"
    " opposed AS (SELECT story_id, entity_id FROM said WHERE label IN ('negative', 'positive')"
    "  GROUP BY story_id, entity_id HAVING count(DISTINCT label) = 2),"
    " judged AS (SELECT document_id, revision, entity_id, count(DISTINCT label) AS kinds,"
    "  bool_or(person = :person) AS mine FROM reviews GROUP BY document_id, revision, entity_id),"
    " doubted AS (SELECT a.*, CASE"
    "  WHEN j.kinds > 1 THEN CASE WHEN j.mine THEN NULL ELSE 'people' END"
    "  WHEN j.kinds = 1 THEN NULL"
    "  WHEN a.label = 'unsure' THEN 'unsure'"
    "  WHEN a.label <> 'negative' AND g.grave THEN 'risk'"
    "  WHEN a.label IN ('negative', 'positive') AND p.story_id IS NOT NULL THEN 'both' END AS reason"
    "  FROM said a LEFT JOIN judged j USING (document_id, revision, entity_id)"
    "  LEFT JOIN LATERAL (SELECT true AS grave FROM risks r WHERE r.document_id = a.document_id"
    "   AND r.revision = a.revision AND r.entity_id = a.entity_id AND r.model = :model AND r.severity >= 2"
    "   AND r.score >= :likely"
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
_DOUBTFUL_OF_ALL, _DOUBTFUL_OF_SOME = (
    text(_DOUBTFUL.format(of)).bindparams(likely=UNSURE_BELOW) for of in (_OF_ALL, _OF_SOME)
)


def doubtful(
    connection: Connection,
    model: str,
    asker: Person,
    *,
    reason: str | None = None,
    entities: Sequence[str] | None = None,
    limit: int = MOST_DOUBTFUL,
) -> list[Doubtful]:
    """Labels that a person should confirm or correct, the latest first: those that nobody has looked at, and those
    about which people disagree and ``asker`` has said nothing."""
    asked = {"model": model, "person": asker.id, "reason": reason, "limit": limit}
    if entities is None:
        rows = connection.execute(_DOUBTFUL_OF_ALL, asked | {"looked_at": _LOOKED_AT})
    else:
        share = {"entities": list(entities), "looked_at": _share(entities)}
        rows = connection.execute(_DOUBTFUL_OF_SOME, asked | share)
    return [Doubtful(*row) for row in rows]


def _share(entities: Sequence[str]) -> int:
    return _LOOKED_AT // max(1, len(entities))


_MORE = "SELECT count(*) > :most FROM (SELECT FROM mentions{} LIMIT :most + 1) m"
_MORE_OF_ALL = text(_MORE.format(""))
_MORE_OF_SOME = text(
    "SELECT coalesce(bool_or(({})), false) FROM unnest(CAST(:entities AS text[])) e (id)".format(  # noqa: S608
        _MORE.format(" WHERE entity_id = e.id")
    )
)


def left_out(connection: Connection, entities: Sequence[str] | None = None) -> int | None:
    """The mentions, of each entity where some are named, beyond which ``doubtful`` does not look; None: it saw all."""
    most = _LOOKED_AT if entities is None else _share(entities)
    asked = {"most": most, "entities": list(entities or ())}
    more = connection.execute(_MORE_OF_ALL if entities is None else _MORE_OF_SOME, asked).scalar_one()
    return most if more else None


def review(
    connection: Connection, document: str, revision: str, entity: str, model: str, label: str, by: Person, now: datetime
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
    row = {"document_id": document, "revision": revision, "entity_id": entity, "person": by.id}
    said = {"who": by.name, "model": model, "was": was, "label": label, "received_at": now}
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
    person: str


_VERDICTS = text(
    "SELECT r.document_id, r.revision, r.entity_id, coalesce(n.name, r.entity_id), r.who, r.was, r.label,"
    " r.received_at, d.text, r.person FROM reviews r"
    " JOIN documents d ON d.document_id = r.document_id AND d.revision = r.revision"
    " LEFT JOIN entities n ON n.entity_id = r.entity_id"
    " ORDER BY r.received_at DESC, r.document_id, r.entity_id, r.person LIMIT :limit"
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

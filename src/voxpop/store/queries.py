"""What the dashboard reads. 'Now' is the watermark, the latest publication, since history may be replayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, TextClause, text


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


_NAME = text("SELECT name FROM entities WHERE entity_id = :entity")


def name_of(connection: Connection, entity: str) -> str | None:
    """The entity's name; None if nobody ever watched it."""
    name: str | None = connection.execute(_NAME, {"entity": entity}).scalar_one_or_none()
    return name


MOST_MENTIONS = 500
"""So many mentions of an entity, the latest, are looked at for its stories."""
_FIRST_LOOK = 150
"""So many hold the latest stories of all but those entities that everybody retells."""
MOST_STORIES, MOST_TELLERS = 30, 8

Order = Literal["latest", "reach", "negative"]
"""The latest stories, the most carried, or those that speak worst of the entity."""

_OPINIONS = (
    "opinions o ON o.document_id = d.document_id AND o.revision = d.revision AND o.entity_id = :entity"
    " AND o.model = :model"
)
_REACH = "LATERAL (SELECT max(reach) AS reach FROM engagements WHERE document_id = d.document_id) e ON true"
_PICK = (
    "SELECT s.story_id FROM (SELECT DISTINCT document_id, revision, published_at FROM ("
    "  SELECT document_id, revision, published_at FROM mentions WHERE entity_id = :entity AND published_at <= :at"
    "  ORDER BY published_at DESC LIMIT :mentions) l) m"
    " JOIN documents d ON d.document_id = m.document_id AND d.revision = m.revision AND d.latest"
    " JOIN story_members s ON s.document_id = m.document_id {}"
    " GROUP BY s.story_id ORDER BY {} DESC NULLS LAST, s.story_id LIMIT :limit"
)
_PICKS: dict[Order, TextClause] = {
    "latest": text(_PICK.format("", "max(m.published_at)")),
    "reach": text(_PICK.format(f"JOIN {_REACH}", "sum(e.reach)")),
    "negative": text(_PICK.format(f"LEFT JOIN {_OPINIONS}", "avg(o.negative)")),
}
_PICK_NEXT = text(
    _PICK.format(
        "WHERE NOT EXISTS (SELECT FROM story_members o JOIN documents n ON n.document_id = o.document_id AND n.latest"
        "  JOIN mentions l ON l.document_id = n.document_id AND l.revision = n.revision AND l.entity_id = :entity"
        "  WHERE o.story_id = s.story_id"
        "  AND (l.published_at > :at OR (l.published_at = :at AND o.story_id <= :story)))",
        "max(m.published_at)",
    )
)
"""The latest stories behind one that was last told at a time."""
_STORIES_OF = text("SELECT DISTINCT story_id FROM story_members WHERE document_id = ANY(:documents)")
_LOOKED_BACK_TO = text(
    "SELECT published_at FROM mentions WHERE entity_id = :entity AND published_at <= :at ORDER BY published_at DESC"
    " OFFSET :mentions - 1 LIMIT 1"
)

_TELLERS = text(
    "WITH told AS (SELECT s.story_id, d.document_id, d.revision, d.published_at, e.reach, o.label, o.negative,"  # noqa: S608
    "  o.positive, greatest(o.negative, o.neutral, o.positive) AS probability"
    "  FROM story_members s JOIN documents d ON d.document_id = s.document_id AND d.latest"
    f"  JOIN {_REACH} LEFT JOIN {_OPINIONS}"
    "  WHERE s.story_id = ANY(:stories) AND EXISTS (SELECT FROM mentions m WHERE m.document_id = d.document_id"
    "   AND m.revision = d.revision AND m.entity_id = :entity)),"
    " placed AS (SELECT *, row_number() OVER (PARTITION BY story_id ORDER BY published_at, document_id) AS place,"
    "  count(*) OVER story AS documents, sum(reach) OVER story AS carried, min(published_at) OVER story AS first,"
    "  max(published_at) OVER story AS last, avg(negative) OVER story AS mean_negative,"
    "  avg(positive) OVER story AS mean_positive FROM told WINDOW story AS (PARTITION BY story_id))"
    " SELECT p.*, d.source, d.author, d.lang, d.text, d.title_end, d.url, m.spans FROM placed p"
    " JOIN documents d ON d.document_id = p.document_id AND d.revision = p.revision"
    ' JOIN LATERAL (SELECT array_agg(ARRAY[start, "end"] ORDER BY start) AS spans FROM mentions m'
    "  WHERE m.document_id = p.document_id AND m.revision = p.revision AND m.entity_id = :entity) m ON true"
    " WHERE p.place <= :tellers ORDER BY p.story_id, p.place"
)
"""The first documents of each story, with their texts, beside what all of its documents amount to."""


class Ranked(NamedTuple):
    """Stories about an entity in some order."""

    stories: list[StoryRow]
    since: datetime | None
    """They are those of the latest ``MOST_MENTIONS`` mentions, of which this is the first; None: no other was looked
    for."""
    more: bool
    """Whether others follow, as far as was looked."""


class Place(NamedTuple):
    """A place among the latest stories: behind this one, by when it was last told."""

    at: datetime
    story: str


_EVER = Place(datetime.max.replace(tzinfo=UTC), "")


def ranked(
    connection: Connection, entity: str, model: str, by: Order = "latest", behind: Place | None = None
) -> Ranked:
    """The first ``MOST_STORIES`` stories about the entity, in this order, of its latest ``MOST_MENTIONS`` mentions.

    Args:
        behind: the latest stories that follow this one; in another order none follow any.
    """
    start = behind or _EVER
    pick = _PICK_NEXT if behind else _PICKS[by]
    asked = {"entity": entity, "model": model, "limit": MOST_STORIES + 1, **start._asdict()}
    looks = (_FIRST_LOOK, MOST_MENTIONS) if by == "latest" else (MOST_MENTIONS,)
    found: list[str] = []
    for mentions in looks:
        found = list(connection.execute(pick, asked | {"mentions": mentions}).scalars())
        if len(found) > MOST_STORIES:
            break
    more = len(found) > MOST_STORIES
    stories = _in_order(_told(connection, entity, model, found[:MOST_STORIES]), by)
    if by == "latest" and more:
        return Ranked(stories, None, more)
    looked = {"entity": entity, "mentions": MOST_MENTIONS, "at": start.at}
    since = connection.execute(_LOOKED_BACK_TO, looked).scalar()
    return Ranked(stories, since, more or (since is not None and bool(stories)))


def stories_of(connection: Connection, entity: str, model: str, documents: Sequence[str]) -> list[StoryRow]:
    """The stories about the entity that these documents belong to, the most carried first."""
    found = connection.execute(_STORIES_OF, {"documents": list(documents)}).scalars()
    return _in_order(_told(connection, entity, model, list(found)), "reach")


def _in_order(stories: Iterable[StoryRow], by: Order) -> list[StoryRow]:
    """Of those that are equal in it, the latest first."""

    def place(story: StoryRow) -> float:
        if by == "latest":
            return story.last.timestamp()
        return story.reach if by == "reach" else -1.0 if story.negative is None else story.negative

    return sorted(stories, key=lambda story: (-place(story), -story.last.timestamp(), story.story))


def _told(connection: Connection, entity: str, model: str, stories: Sequence[str]) -> Iterator[StoryRow]:
    """These stories, each with its first documents that name the entity; one that has none of them is left out."""
    asked = {"entity": entity, "model": model, "stories": list(stories), "tellers": MOST_TELLERS}
    rows = connection.execute(_TELLERS, asked).all()
    shown = [row.document_id for row in rows]
    said, told = said_by(connection, entity, model, shown), risks_in(connection, entity, model, shown)
    for story, of_story in groupby(rows, key=lambda row: row.story_id):
        tellers = list(of_story)
        yield StoryRow(
            story,
            documents=(one := tellers[0]).documents,
            reach=int(one.carried or 0),
            first=one.first,
            last=one.last,
            negative=one.mean_negative,
            positive=one.mean_positive,
            tellers=[_teller(row, said, told) for row in tellers],
        )


def _teller(row: Row[Any], said: Mapping[str, list[Said]], told: Mapping[str, list[Told]]) -> Teller:
    return Teller(
        *(row.document_id, row.source, row.author, row.published_at, row.lang, row.text, row.title_end, row.url),
        reach=row.reach,
        spans=[(start, end) for start, end in row.spans],
        label=row.label,
        probability=row.probability,
        claims=said.get(row.document_id, []),
        risks=told.get(row.document_id, []),
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

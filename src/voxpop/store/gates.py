"""What is stored about an entity in a span of time, gate by gate: what `voxpop why` reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from voxpop.errors import SettingError


class Watched(NamedTuple):
    """An entity as it is known."""

    entity: str
    name: str
    names: list[str]
    """Its name and its aliases."""
    active: bool


class Heard(NamedTuple):
    """What was published in the span, whatever it is about."""

    documents: int
    sources: int


class Linked(NamedTuple):
    """Documents of the span about the entity."""

    unlinked: int
    """That have its name in their text and no link to it."""
    documents: int
    """That name it."""
    central: int
    """That do not name it in passing alone."""
    unread: int
    """Of these, in a language that the model does not read."""
    negative: int
    positive: int
    neutral: int
    unsure: int
    stories: int


_CALLED = text(
    "WITH known AS (SELECT entity_id, name, active, ARRAY(SELECT a->>'text' FROM jsonb_array_elements("
    "  coalesce(detail->'aliases', '[]'::jsonb)) a) AS aliases, ARRAY(SELECT lower(t) FROM jsonb_array_elements_text("
    "  coalesce(detail->'tickers', '[]'::jsonb)) t) AS tickers FROM entities),"
    " near AS (SELECT *, CASE WHEN entity_id = :asked THEN 0 WHEN lower(entity_id) = lower(:asked) THEN 1"
    "  WHEN lower(name) = lower(:asked) THEN 2"
    "  WHEN EXISTS (SELECT FROM unnest(aliases) a WHERE lower(a) = lower(:asked)) THEN 3"
    "  WHEN lower(:asked) = ANY(tickers) THEN 4 END AS distance FROM known),"
    " ranked AS (SELECT *, rank() OVER (ORDER BY distance > 0, NOT active, distance) FROM near WHERE distance <= 4)"
    " SELECT entity_id, name, aliases, active FROM ranked WHERE rank = 1 ORDER BY entity_id"
)

_LINKED = text(
    "WITH told AS (SELECT m.document_id, m.revision, bool_or(m.relevance <> 'passing') AS central FROM mentions m"
    "  JOIN documents d ON d.document_id = m.document_id AND d.revision = m.revision AND d.latest"
    "  WHERE m.entity_id = :entity AND m.published_at >= :start AND m.published_at < :end GROUP BY 1, 2)"
    " SELECT (SELECT count(*) FROM documents d WHERE d.latest AND d.published_at >= :start AND d.published_at < :end"
    "   AND EXISTS (SELECT FROM unnest(CAST(:names AS text[])) n WHERE strpos(lower(d.text), lower(n)) > 0)"
    "   AND NOT EXISTS (SELECT FROM told WHERE told.document_id = d.document_id)) AS unlinked,"
    " count(*) AS documents, count(*) FILTER (WHERE central) AS central,"
    " count(*) FILTER (WHERE central AND o.document_id IS NOT NULL AND o.label IS NULL) AS unread,"
    " count(*) FILTER (WHERE central AND o.label = 'negative') AS negative,"
    " count(*) FILTER (WHERE central AND o.label = 'positive') AS positive,"
    " count(*) FILTER (WHERE central AND o.label = 'neutral') AS neutral,"
    " count(*) FILTER (WHERE central AND o.label = 'unsure') AS unsure,"
    " count(DISTINCT s.story_id) FILTER (WHERE central) AS stories"
    " FROM told LEFT JOIN opinions o ON o.document_id = told.document_id AND o.revision = told.revision"
    "  AND o.entity_id = :entity AND o.model = :model"
    " LEFT JOIN story_members s ON s.document_id = told.document_id"
)


def called(connection: Connection, asked: str) -> list[Watched]:
    """Who is, or else was, watched under this id, or else name, alias or ticker; several where they share it.

    But for an id as it is written, upper and lower case are one.
    """
    rows = connection.execute(_CALLED, {"asked": asked.strip()})
    return [Watched(row.entity_id, row.name, [row.name, *row.aliases], row.active) for row in rows]


def entity(connection: Connection, asked: str) -> Watched:
    """The entity of this id, name, alias or ticker.

    Raises:
        SettingError: nobody ever watched such a one, or several are called so.
    """
    found = called(connection, asked)
    if not found:
        raise SettingError(f"nobody ever watched {asked!r}; `voxpop watchlist list` shows who is watched")
    if len(found) > 1:
        several = ", ".join(f"{of.entity} ({of.name})" for of in found)
        raise SettingError(f"{asked!r} may mean {several}: name one by its id")
    return found[0]


def heard(connection: Connection, start: datetime, end: datetime) -> Heard:
    """What was published in [start, end)."""
    row = connection.execute(
        text(
            "SELECT count(*) AS documents, count(DISTINCT source) AS sources FROM documents"
            " WHERE latest AND published_at >= :start AND published_at < :end"
        ),
        {"start": start, "end": end},
    ).one()
    return Heard(*row)


def linked(connection: Connection, of: Watched, model: str, start: datetime, end: datetime) -> Linked:
    """The documents of [start, end) about the entity."""
    asked = {"entity": of.entity, "names": of.names, "model": model, "start": start, "end": end}
    return Linked(*connection.execute(_LINKED, asked).one())


def refused(connection: Connection, names: Sequence[str]) -> list[tuple[str, int]]:
    """(stage, how many) of the dead letters whose payload has one of the names in it."""
    rows = connection.execute(
        text(
            "SELECT stage, count(*) AS count FROM dead_letters WHERE EXISTS ("
            " SELECT FROM unnest(CAST(:names AS bytea[])) n WHERE position(n IN payload) > 0)"
            " GROUP BY stage ORDER BY stage"
        ),
        {"names": [name.encode() for name in names]},
    )
    return [(row[0], row[1]) for row in rows]


def more_than(connection: Connection, entity: str, start: datetime, end: datetime, most: int) -> bool:
    """Whether more than ``most`` mentions of the entity were published in [start, end); counts no further."""
    rows = connection.execute(
        text(
            "SELECT count(*) > :most FROM (SELECT FROM mentions WHERE entity_id = :entity"
            " AND published_at >= :start AND published_at < :end LIMIT :most + 1) found"
        ),
        {"entity": entity, "start": start, "end": end, "most": most},
    )
    return bool(rows.scalar_one())

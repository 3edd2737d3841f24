"""Documents and readings made by hand, for the tests of the store."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from voxpop.records import Document, Mention, Opinion, Reading, Relevance, Topic, digest, document_id
from voxpop.store import stories, tables, writer

START = datetime(2026, 3, 2, tzinfo=UTC)
MODEL = "test@1"
WINDOW = timedelta(hours=72)
MAY_DIFFER = {"received_at", "available_at", "owner", "epoch"}


def document(
    name: str,
    hours: float,
    body: str,
    *,
    entities: Iterable[str] = ("acme",),
    relevance: Relevance = "subject",
    **changes: Any,
) -> Document:
    at = START + timedelta(hours=hours)
    fields: dict[str, Any] = {
        "id": document_id("wire", name),
        "revision": digest(body),
        "source": "wire",
        "channel": "news",
        "published_at": at,
        "revised_at": at,
        "received_at": at,
        "sequence": 0,
        "text": body,
        "title_end": 0,
        "lang": "en",
        "words": body,
        "bands": (stories.fingerprint(body),),
        "mentions": tuple(
            Mention(entity=e, start=n, end=n + 1, relevance=relevance, confidence=0.5) for n, e in enumerate(entities)
        ),
    }
    return Document(**{**fields, **changes})


def reading(of: Document, label: str | None = "neutral") -> Reading:
    """A reading that finds the same label towards each entity; None: unread."""
    chances = {"negative": (0.75, 0.25, 0.0), "neutral": (0.25, 0.5, 0.25), "positive": (0.0, 0.25, 0.75)}
    opinions = []
    for entity in dict.fromkeys(m.entity for m in of.mentions):
        if label is None:
            opinions.append(Opinion(entity=entity, label=None))
        else:
            negative, neutral, positive = chances[label]
            opinions.append(
                Opinion(entity=entity, label=label, negative=negative, neutral=neutral, positive=positive)  # type: ignore[arg-type]
            )
    topics = (Topic(label="Earnings", score=0.5),) if label else ()
    return Reading(document=of, model=MODEL, read=label is not None, topics=topics, opinions=tuple(opinions))


def write(engine: Engine, readings: Iterable[Reading]) -> None:
    with engine.begin() as connection:
        writer.write_readings(connection, list(readings), retells=lambda a, b: a == b, story_window=WINDOW)


_BUT_TIMES = {"facts": " WHERE key NOT LIKE 'judged\\_to %'"}
"""How far rules have looked is a time at which rows became available."""


def rows(connection: Connection, without: Iterable[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, on the columns that two runs over one input must agree on, but for ``without``."""
    hidden = MAY_DIFFER | set(without)
    found = {}
    for table in tables.metadata.sorted_tables:
        if table.name == "job_runs":  # when jobs ran last, which no two runs agree on
            continue
        names = ", ".join(f'"{c.name}"' for c in table.columns if c.name not in hidden)
        result = connection.execute(text(f"SELECT {names} FROM {table.name}{_BUT_TIMES.get(table.name, '')}"))
        found[table.name] = sorted((tuple(row) for row in result), key=repr)
    return found

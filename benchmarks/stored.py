"""A made history of stories, stored by COPY as if it had been read, for the benchmarks of what follows reading."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Connection, Engine, text

from voxpop.store import bulk
from voxpop.store.tables import metadata

_STAGE = (
    "CREATE TEMP TABLE IF NOT EXISTS told (id text, entity text, at timestamptz, negative real, source text)"
    " ON COMMIT DELETE ROWS"
)
_STORE = (
    "INSERT INTO documents (document_id, revision, latest, source, channel, published_at, revised_at, received_at,"
    " sequence, lang, title_end, text, linked_with) SELECT id, 'r', true, source, 'news', at, at, at, 0, 'en', 0,"
    " 'story ' || id || ' about ' || entity, :linked_with FROM told",
    "INSERT INTO engagements (document_id, reach, replies, as_of, received_at) SELECT id, 10, 0, at, at FROM told",
    'INSERT INTO mentions (document_id, revision, entity_id, start, "end", relevance, confidence, published_at)'
    " SELECT id, 'r', entity, 0, 1, 'subject', 1, at FROM told",
    "INSERT INTO story_members SELECT id, id, hashtextextended(id, 0), at FROM told",
    "INSERT INTO readings SELECT id, 'r', :model, true, '{Earnings}', '{0.9}' FROM told",
    "INSERT INTO opinions SELECT id, 'r', entity, :model, CASE WHEN negative > 0.5 THEN 'negative'"
    "  ELSE 'neutral' END, negative, 1 - negative, 0 FROM told",
)
_POINTS = (
    "INSERT INTO trend_points (entity_id, start, model, revision, stories, negative_stories, positive_stories,"
    " unread_stories, mentions, sentiment, reach) SELECT entity, date_trunc('hour', at, 'UTC'), :model, 1, count(*),"
    " count(*) FILTER (WHERE negative > 0.5), 0, 0, count(*), avg(-negative), 10 * count(*) FROM told"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)
_STALE = "INSERT INTO stale_windows SELECT DISTINCT entity, date_trunc('hour', at, 'UTC') FROM told"

Row = tuple[str, str, datetime, float, str]
"""Id, entity, time of publication, probability that it is negative, source."""


def history(entities: Sequence[str], days: int, median: float, end: datetime) -> list[Row]:
    """The stories of the days up to ``end``: log-normal rates of ``median`` an hour, fewer at night, one in eight
    negative."""
    draw = np.random.default_rng(1)
    rate = draw.lognormal(np.log(median), 0.7, len(entities))
    hours = np.arange(days * 24)
    activity = np.where((hours % 24 >= 6) & (hours % 24 < 20), 1.4, 0.44)
    counts = draw.poisson(rate[:, None] * activity)
    entity, hour = (np.repeat(index, counts.ravel()) for index in (n.ravel() for n in np.indices(counts.shape)))
    minute = draw.integers(0, 60, len(entity))
    negative = np.where(draw.random(len(entity)) < 1 / 8, 0.8, 0.1)
    start = end - timedelta(days=days)
    return [
        (f"h{n}", entities[e], start + timedelta(minutes=int(60 * h + m)), float(x), f"source{n % 200}")
        for n, (e, h, m, x) in enumerate(zip(entity, hour, minute, negative, strict=True))
    ]


def store(connection: Connection, rows: Sequence[Row], model: str, *, points: bool, linked_with: str = "") -> None:
    """Stores the stories as read by ``model``, with their trend points or with windows that wait for them.

    Args:
        linked_with: the linker's version, so that no job links them anew.
    """
    connection.execute(text(_STAGE))
    with bulk.raw(connection).cursor().copy("COPY told FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    for statement in (*_STORE, _POINTS if points else _STALE):
        asked = {"model": model, "linked_with": linked_with}
        connection.execute(text(statement), {name: value for name, value in asked.items() if f":{name}" in statement})


def prepare(engine: Engine, rows: Sequence[Row], model: str, linked_with: str = "") -> None:
    """Stores the history and lets PostgreSQL know it."""
    began = time.perf_counter()
    with engine.begin() as connection:
        store(connection, rows, model, points=True, linked_with=linked_with)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in metadata.sorted_tables:
            connection.execute(text(f"VACUUM ANALYZE {table.name}"))
    print(f"{len(rows):,} stories stored in {time.perf_counter() - began:.0f} s", flush=True)

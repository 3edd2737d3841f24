"""From an hour that closed to the alerts that were sent, for a watchlist of 5,000 entities.

    python benchmarks/entities.py [ENTITIES] [DAYS] [MEDIAN]

A synthetic stream is stored by COPY: ENTITIES with log-normal rates of MEDIAN stories an hour over DAYS days up to now,
fewer at night, one in eight negative. Then a new hour comes in, in which twenty entities have a surge, and the jobs run
once, as the scheduler runs them. The clock stands still but for the wait that a route asks for before it tells.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Engine, text

from voxpop import jobs
from voxpop.app import App
from voxpop.jobs import Surroundings
from voxpop.settings import Settings
from voxpop.store import bulk, models, server
from voxpop.store.tables import metadata

MODEL = "synthetic"
SURGES, STORIES_OF_SURGE = 20, 10
WAIT = timedelta(seconds=11)
_ROUTE = '[receivers.bus]\nwebhook = "{url}"\nsecret = "none"\n[[routes]]\nreceivers = ["bus"]\n'

_STAGE = (
    "CREATE TEMP TABLE IF NOT EXISTS told (id text, entity text, at timestamptz, negative real, source text)"
    " ON COMMIT DELETE ROWS"
)
_STORE = (
    "INSERT INTO documents (document_id, revision, latest, source, channel, published_at, revised_at, received_at,"
    " sequence, lang, title_end, text, linked_with) SELECT id, 'r', true, source, 'news', at, at, at, 0, 'en', 0,"
    " 'story ' || id || ' about ' || entity, '' FROM told",
    "INSERT INTO engagements (document_id, reach, replies, as_of, received_at) SELECT id, 10, 0, at, at FROM told",
    'INSERT INTO mentions (document_id, revision, entity_id, start, "end", relevance, confidence, published_at)'
    " SELECT id, 'r', entity, 0, 1, 'subject', 1, at FROM told",
    "INSERT INTO story_members SELECT id, id, hashtextextended(id, 0), at FROM told",
    f"INSERT INTO readings SELECT id, 'r', '{MODEL}', true, '{{Earnings}}', '{{0.9}}' FROM told",
    f"INSERT INTO opinions SELECT id, 'r', entity, '{MODEL}', CASE WHEN negative > 0.5 THEN 'negative'"
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


def history(entities: int, days: int, median: float, end: datetime) -> list[Row]:
    """The stories of the days up to ``end``."""
    draw = np.random.default_rng(1)
    rate = draw.lognormal(np.log(median), 0.7, entities)
    hours = np.arange(days * 24)
    activity = np.where((hours % 24 >= 6) & (hours % 24 < 20), 1.4, 0.44)
    counts = draw.poisson(rate[:, None] * activity)
    entity, hour = (np.repeat(index, counts.ravel()) for index in (n.ravel() for n in np.indices(counts.shape)))
    minute = draw.integers(0, 60, len(entity))
    negative = np.where(draw.random(len(entity)) < 1 / 8, 0.8, 0.1)
    start = end - timedelta(days=days)
    return [
        (f"h{n}", f"e{e}", start + timedelta(minutes=int(60 * h + m)), float(x), f"source{n % 200}")
        for n, (e, h, m, x) in enumerate(zip(entity, hour, minute, negative, strict=True))
    ]


def new_hour(entities: int, median: float, start: datetime) -> list[Row]:
    """The stories of the hour from ``start`` on, with surges."""
    draw = np.random.default_rng(2)
    named = [(f"e{n}", 0.1) for n in draw.integers(0, entities, int(entities * median * 1.8))]
    named += [(f"e{n * 7}", 0.9) for n in range(SURGES) for _ in range(STORIES_OF_SURGE)]
    minutes = draw.integers(0, 60, len(named)).tolist()
    return [
        (f"n{n}", entity, start + timedelta(minutes=m), negative, f"source{n % 200}")
        for n, ((entity, negative), m) in enumerate(zip(named, minutes, strict=True))
    ]


def store(connection: Connection, rows: list[Row], *, points: bool) -> None:
    """Stores the stories, with their trend points or with windows that wait for them."""
    connection.execute(text(_STAGE))
    with bulk.raw(connection).cursor().copy("COPY told FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    for statement in _STORE:
        connection.execute(text(statement))
    connection.execute(text(_POINTS), {"model": MODEL}) if points else connection.execute(text(_STALE))


def timed(around: Surroundings, name: str, now: datetime) -> float:
    """Seconds of one job."""
    job = next(job for job in jobs.JOBS if job.name == name)
    began = time.perf_counter()
    done = job.function(around, now)
    took = time.perf_counter() - began
    print(f"{name:10} {took:7.1f} s  {done} done", flush=True)
    return took


def prepare(engine: Engine, rows: list[Row]) -> None:
    """Stores the history and lets PostgreSQL know it."""
    began = time.perf_counter()
    with engine.begin() as connection:
        models.activate(connection, MODEL, "synthetic")
        store(connection, rows, points=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in metadata.sorted_tables:
            connection.execute(text(f"VACUUM ANALYZE {table.name}"))
    print(f"{len(rows):,} stories stored in {time.perf_counter() - began:.0f} s", flush=True)


class Hook(BaseHTTPRequestHandler):
    """A receiver that takes everything."""

    taken = 0

    def do_POST(self) -> None:
        """Counts the message."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        Hook.taken += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def measure(home: Path, entities: int, days: int, median: float) -> None:
    """Runs it all in ``home``."""
    hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    file = home / "alerts.toml"
    file.write_text(_ROUTE.format(url=f"http://127.0.0.1:{hook.server_port}/"), "utf-8")
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    with App(Settings(home=home, alerts_file=str(file))) as app:
        app.watch([])
        prepare(app.engine, history(entities, days, median, end))
        around = app.surroundings(MODEL)
        print("before: what the jobs make of the history")
        for name in ("calibrate", "alerts", "rules", "notify"):
            timed(around, name, datetime.now(UTC))
        with app.engine.begin() as connection:
            store(connection, new_hour(entities, median, end), points=False)
        told = Hook.taken
        print(f"a new hour, load average {os.getloadavg()[0]:.1f}")
        total = sum(timed(around, name, datetime.now(UTC)) for name in ("trends", "alerts", "rules", "notify"))
        total += timed(around, "notify", datetime.now(UTC) + WAIT)
        print(f"{total:.1f} s, {Hook.taken - told} messages, load average {os.getloadavg()[0]:.1f}")
    hook.shutdown()
    server.stop(home)


def main() -> None:
    """Reads the arguments and measures in a folder that is removed afterwards."""
    given = sys.argv[1:]
    entities, days = (int(given[n]) if len(given) > n else default for n, default in enumerate((5000, 28)))
    with tempfile.TemporaryDirectory(prefix="voxpop-entities-") as folder:
        Path(folder).chmod(0o755)
        measure(Path(folder), entities, days, float(given[2]) if len(given) > 2 else 0.1)


if __name__ == "__main__":
    main()

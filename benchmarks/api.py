"""The API under load: ``/v1/trends`` with many readers over a full store, ``/v1/analyze`` with many callers.

    python benchmarks/api.py [--opinions 1000000] [--readers 50] [--seconds 20] [--callers 64] [--texts 640]

The server is a process of its own on the embedded PostgreSQL, in a folder that is removed; the callers share the cores
with it. What ``/v1/analyze`` gives is held against the same texts given to the stage as the worker gives them, without
a network: the last line says what is left of it.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import Engine, text

from voxpop import stages
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.bench.texts import NEWS_SPREAD, NEWS_TOKENS, Writer, lengths
from voxpop.log.base import Partition, Record
from voxpop.records import Item, encode
from voxpop.settings import Settings
from voxpop.store import models, server

ENTITIES, DAYS = 200, 180
START = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = "bench@1"

_FILL = (
    "INSERT INTO entities (entity_id, name, detail) SELECT 'e' || n, 'Entity ' || n,"
    " jsonb_build_object('id', 'e' || n, 'name', 'Entity ' || n) FROM generate_series(0, :entities - 1) n",
    "INSERT INTO documents (document_id, revision, latest, source, channel, published_at, revised_at, received_at,"
    " sequence, lang, title_end, text, linked_with) SELECT md5(n::text), 'r', true, 'wire', 'news', at, at, at, n,"
    " 'en', 0, 'Entity ' || n % :entities || ' said its plant number ' || n % 977 || ' is open again', 'v'"
    " FROM generate_series(1, :opinions) n, LATERAL (SELECT CAST(:start AS timestamptz) + n * :step AS at) t",
    'INSERT INTO mentions (document_id, revision, entity_id, start, "end", relevance, confidence, published_at)'
    " SELECT document_id, revision, 'e' || sequence % :entities, 0, 8, 'subject', 0.9, published_at FROM documents",
    "INSERT INTO opinions (document_id, revision, entity_id, model, label, negative, neutral, positive)"
    " SELECT document_id, revision, 'e' || sequence % :entities, :model, 'neutral', 0.2, 0.6, 0.2 FROM documents",
    "INSERT INTO trend_points (entity_id, start, model, revision, stories, negative_stories, positive_stories,"
    " unread_stories, mentions, sentiment, reach) SELECT entity_id, date_trunc('hour', published_at, 'UTC'), :model, 1,"
    " count(*), 1, 0, 0, count(*), 0.1, count(*) FROM mentions GROUP BY 1, 2",
    "ANALYZE",
)


def fill(engine: Engine, opinions: int) -> int:
    """Stores so many opinions, evenly over entities and days; returns how many trend points they make."""
    values = {"entities": ENTITIES, "opinions": opinions, "start": START, "model": MODEL}
    with engine.begin() as connection:
        for statement in _FILL:
            connection.execute(text(statement), {**values, "step": timedelta(days=DAYS) / opinions})
        models.activate(connection, MODEL, "bench")
        return int(connection.execute(text("SELECT count(*) FROM trend_points")).scalar_one())


async def load(
    url: str, callers: int, ask: Callable[[httpx.AsyncClient, int], Awaitable[bool]]
) -> tuple[list[float], float]:
    """Seconds of each request and of all; each caller asks until ``ask`` says that this was the last."""
    times: list[float] = []

    async def one(client: httpx.AsyncClient, number: int) -> None:
        more = True
        while more:
            begun = time.perf_counter()
            more = await ask(client, number)
            times.append(time.perf_counter() - begun)

    limits = httpx.Limits(max_connections=callers, max_keepalive_connections=callers)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=300, limits=limits) as client:
        begun = time.perf_counter()
        await asyncio.gather(*(one(client, number) for number in range(callers)))
        return times, time.perf_counter() - begun


def readers(url: str, count: int, seconds: float) -> None:
    """Prints how long readers wait who each ask for a fortnight of some entity."""
    order, ends = random.Random(1), time.perf_counter() + seconds
    sizes: list[int] = []

    async def ask(client: httpx.AsyncClient, _: int) -> bool:
        start = START + timedelta(days=order.randrange(DAYS - 14))
        asked = {"entity": f"e{order.randrange(ENTITIES)}", "start": start.isoformat()}
        asked["end"] = (start + timedelta(days=14)).isoformat()
        answer = await client.get("v1/trends", params=asked)
        answer.raise_for_status()
        sizes.append(len(answer.content))
        return time.perf_counter() < ends

    times, took = asyncio.run(load(url, count, ask))
    cuts = statistics.quantiles(times, n=100)
    print(
        f"/v1/trends, {count} readers: {len(times) / took:.0f} answers/s of {statistics.mean(sizes) / 1024:.0f} KiB;"
        f" p50 {cuts[49] * 1e3:.0f} ms, p95 {cuts[94] * 1e3:.0f} ms, p99 {cuts[98] * 1e3:.0f} ms"
    )


def worker(app: App, texts: Sequence[str]) -> float:
    """Texts a second of the analyst's stage, given as many records at once as the worker polls."""
    where, now, linker = Partition("documents", "bench", 0), datetime.now(UTC), app.linker()
    items = [
        Item(source="bench", id=str(n), channel="news", published_at=now, received_at=now, text=one)
        for n, one in enumerate(texts)
    ]
    records = [Record(where, n, b"", encode(stages.document_of(item, n, linker))) for n, item in enumerate(items)]
    reader, judge = app.reader(), app.judge()
    stages.analyse(records[:8], reader, judge)  # what is loaded on first use is loaded now
    reader.forget()
    begun = time.perf_counter()
    for at in range(0, len(records), app.settings.poll_records):
        stages.analyse(records[at : at + app.settings.poll_records], reader, judge)
    return len(texts) / (time.perf_counter() - begun)


def callers(url: str, count: int, texts: Sequence[str]) -> float:
    """Texts a second of callers who each send one, and the next when it is answered."""
    left = list(texts)

    async def ask(client: httpx.AsyncClient, _: int) -> bool:
        if left:
            answer = await client.post("v1/analyze", json={"texts": [{"text": left.pop()}]})
            answer.raise_for_status()
        return bool(left)

    httpx.post(f"{url}v1/analyze", json={"texts": [{"text": "Loads it."}]}, trust_env=False, timeout=300)
    times, took = asyncio.run(load(url, count, ask))
    p95 = statistics.quantiles(times, n=100)[94]
    print(f"/v1/analyze, {count} callers: {len(texts) / took:.1f} texts/s; p95 {p95:.1f} s")
    return len(texts) / took


def main() -> None:
    options = argparse.ArgumentParser()
    for name, default in (("opinions", 1_000_000), ("readers", 50), ("seconds", 20), ("callers", 64), ("texts", 640)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        serve(given.serve)
        return
    home = Path(tempfile.mkdtemp(prefix="voxpop-bench-"))
    home.chmod(0o755)
    try:
        with App(Settings(home=home)) as app:
            points = fill(app.engine, given.opinions)
            print(f"{given.opinions:,} opinions, {points:,} trend points", flush=True)
            with served(home) as url:
                readers(url, given.readers, given.seconds)
            if given.texts:
                analyzed(app, home, given.callers, given.texts)
    finally:
        server.stop(home)
        shutil.rmtree(home, ignore_errors=True)


def analyzed(app: App, home: Path, count: int, texts: int) -> None:
    """Prints what is left of the worker's throughput for callers of the API."""
    app.ensure_watchlist()
    words = [f"Tesla {one}" for one in Writer().texts(lengths(texts, NEWS_TOKENS, NEWS_SPREAD, seed=7), seed=7)]
    alone = worker(app, words)
    print(f"the worker's stage: {alone:.1f} texts/s", flush=True)
    with served(home) as url:
        print(f"{callers(url, count, words) / alone:.2f} of it are left")


class served:  # noqa: N801 - read as a verb
    """The API in a process of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def __enter__(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(self._home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self._process.communicate("")


def serve(home: Path) -> None:
    """Serves until its standard input ends; prints the address."""
    settings = dataclasses.replace(Settings(home=home), port=0, requests_per_minute=0)
    with App(settings) as app, serving(app) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

"""The service under load: its pages with many readers over a full store, ``/v1/analyze`` with many callers.

    python benchmarks/api.py [--opinions 1000000] [--readers 50] [--seconds 20] [--callers 64] [--texts 640]

The server is a process of its own on the embedded PostgreSQL, in a folder that is removed; the callers share the cores
with it. Readers look at what they got for five seconds before they ask again; then once more without a pause, where
what takes longest is waiting for one another: so many requests are then under way at any time. What ``/v1/analyze``
gives is held against the same texts given to the stage as the worker gives them, without a network: the last line says
what is left of it.
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
from hashlib import md5
from pathlib import Path
from urllib.parse import urlencode

import httpx
from full_store import ALERTS, DAYS, ENTITIES, START, fill

from voxpop import stages
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.bench.texts import NEWS_SPREAD, NEWS_TOKENS, Writer, lengths
from voxpop.log.base import Partition, Record
from voxpop.records import Item, encode
from voxpop.settings import Settings
from voxpop.store.embedded import server


async def load(
    url: str, callers: int, ask: Callable[[httpx.AsyncClient, int], Awaitable[bool]], pause: float = 0.0
) -> tuple[list[float], float]:
    """Seconds of each request and of all; each caller asks until ``ask`` says that this was the last.

    Args:
        pause: mean seconds between an answer and the next question.
    """
    order = random.Random(callers)
    times: list[float] = []

    async def one(number: int) -> None:
        # A client each: one that all share looks through all of its connections with every request.
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=300, verify=False) as client:
            more = True
            while more:
                await asyncio.sleep(order.uniform(0, 2 * pause))
                begun = time.perf_counter()
                more = await ask(client, number)
                times.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(callers)))
    return times, time.perf_counter() - begun


def trends(order: random.Random) -> str:
    """The address of a fortnight of some entity."""
    start = START + timedelta(days=order.randrange(DAYS - 14))
    span = {"start": start.isoformat(), "end": (start + timedelta(days=14)).isoformat()}
    return f"v1/trends?{urlencode({'entity': f'e{order.randrange(ENTITIES)}', **span})}"


def company(order: random.Random) -> str:
    """The address of the page of some entity."""
    return f"entities/e{order.randrange(ENTITIES)}"


def alert(order: random.Random) -> str:
    """The address of the page of some alert."""
    return f"alerts/{md5(f'a{order.randint(1, ALERTS)}'.encode()).hexdigest()}"


WARM_SECONDS = 10.0
"""A server that has just started compiles its templates and reads its tables from the disk."""
ADDRESSES: dict[str, Callable[[random.Random], str]] = {
    "/v1/trends": trends,
    "/": lambda _: "",
    "/entities/…": company,
    "/alerts": lambda _: "alerts",
    "/alerts/…": alert,
    "/review": lambda _: "review",
    "/ask": lambda _: "ask",
    "/system": lambda _: "system",
}


def readers(url: str, count: int, seconds: float, pause: float, names: Sequence[str]) -> None:
    """Prints how long readers wait, each of whom asks for one of these after another, once the server is warm."""
    order, warm = random.Random(1), time.perf_counter() + WARM_SECONDS
    times: dict[str, list[float]] = {name: [] for name in names}

    async def ask(client: httpx.AsyncClient, _: int) -> bool:
        name = order.choice(names)
        begun = time.perf_counter()
        (await client.get(ADDRESSES[name](order))).raise_for_status()
        if begun > warm:
            times[name].append(time.perf_counter() - begun)
        return time.perf_counter() < warm + seconds

    everything, took = asyncio.run(load(url, count, ask, pause))
    print(f"{count} readers, {pause:g} s between: {len(everything) / took:.0f} answers/s")
    for name, some in times.items():
        cuts = statistics.quantiles(some, n=100)
        print(f"  {name:12} p50 {cuts[49] * 1e3:4.0f} ms, p95 {cuts[94] * 1e3:4.0f} ms, of {len(some)}", flush=True)


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
    options.add_argument("--pause", type=float, default=5.0)
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
                readers(url, given.readers, given.seconds, given.pause, list(ADDRESSES))
                readers(url, given.readers, given.seconds, 0.0, ["/v1/trends"])
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

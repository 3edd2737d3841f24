"""What a team does to its installation while it soaks: a trickle of items, and people and programs who read."""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, cycle
from typing import Any, Final, Literal, NamedTuple

import httpx

from voxpop import sample
from voxpop.text import watchlist

Kind = Literal["new", "repeat", "revision", "refused"]

_SHARES: Final[dict[Kind, float]] = {"new": 0.85, "repeat": 0.05, "revision": 0.05, "refused": 0.05}
_RECENT: Final = 300
"""Items that may come again or be corrected."""
_PATIENCE: Final = 150.0
"""Seconds that a caller waits; the API itself gives up on a text after 120."""
_PAGE_OPEN: Final = 60.0
"""Seconds that a page listens to the stream of changes before it is opened anew."""
_PAGES: Final = ("", "alerts", "review", "why", "lists", "system", "dead-letters", "ask")
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


class Answer(NamedTuple):
    """One answer of the server."""

    caller: str
    status: int
    """0: there was none."""
    seconds: float


class Trickle:
    """Items without end, made of the sample's texts: new ids, the time that it is, each text of parts of two.

    Attributes:
        taken: how many of each kind were taken.
    """

    def __init__(self, seed: int) -> None:
        self._draw, self._numbers = random.Random(seed), count(1)
        lines = list({line["text"]: line for line in sample.lines()}.values())
        self._lines = {zh: [line for line in lines if sample.in_chinese(line) == zh] for zh in (False, True)}
        self._recent: deque[dict[str, Any]] = deque(maxlen=_RECENT)
        self._make = {"new": self._new, "repeat": self._repeat, "revision": self._revision, "refused": self._refused}
        self.taken: Counter[Kind] = Counter()

    def next(self, now: datetime) -> tuple[Kind, dict[str, Any]]:
        """An item as ``/v1/items`` takes it, and what becomes of it."""
        kind = self._draw.choices(list(_SHARES), list(_SHARES.values()))[0] if self._recent else "new"
        return kind, self._make[kind](now)

    def text(self) -> tuple[dict[str, Any], str]:
        """A line of the sample, and a text that begins as it does and goes on as another of its language."""
        lines = self._lines[self._draw.random() < 0.25]
        first, second = self._draw.choices(lines, k=2)
        words = [_SENTENCE.split(first["text"])[0], *_SENTENCE.split(second["text"])[1:]]
        return first, ("" if sample.in_chinese(first) else " ").join(words).strip()

    def _fresh(self, now: datetime) -> dict[str, Any]:
        line, text = self.text()
        told = {name: line[name] for name in ("source", "channel", "title", "author", "reach")}
        return {**told, "id": f"soak-{next(self._numbers):07d}", "text": text, "published_at": now.isoformat()}

    def _new(self, now: datetime) -> dict[str, Any]:
        item = self._fresh(now)
        self._recent.append(item)
        return item

    def _repeat(self, now: datetime) -> dict[str, Any]:
        return self._draw.choice(self._recent)

    def _revision(self, now: datetime) -> dict[str, Any]:
        at = self._draw.randrange(len(self._recent))
        before = self._recent[at]
        self._recent[at] = {
            **before,
            "text": f"{before['text']} ({next(self._numbers)})",
            "revised_at": now.isoformat(),
        }
        return self._recent[at]

    def _refused(self, now: datetime) -> dict[str, Any]:
        """The door refuses a time without a zone; of a text that is mark-up alone the consumer finds nothing left."""
        item = self._fresh(now)
        broken = {"published_at": f"{now:%Y-%m-%d %H:%M}"}, {"title": "", "text": "<br/>"}
        return item | self._draw.choice(broken)


class Load:
    """The callers of one installation.

    Args:
        url: of the dashboard and API.
        feeder: the token by which items are pushed.
        reader: the token by which the others ask and sign in.
        rate: items a second.
        pause: seconds between two questions of each of the others.

    Attributes:
        answers: what came back; whoever looks takes them out.
        rings: how often an open page was told that something changed.
    """

    def __init__(self, url: str, feeder: str, reader: str, rate: float, pause: float) -> None:
        self._url, self._feeder, self._reader = url, feeder, reader
        self._rate, self._pause = rate, pause
        self.trickle, self._asked = Trickle(seed=1), Trickle(seed=2)
        entities = [entity.id for entity in watchlist.load(sample.watchlist_path())]
        self._entities = cycle(entities)
        self._pages = cycle([*_PAGES, *(f"entities/{entity}" for entity in entities)])
        self._stop = threading.Event()
        self.answers: deque[Answer] = deque()
        self.rings = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Calls until the block ends; every call that was begun is waited for."""
        thread = threading.Thread(target=lambda: asyncio.run(self._all()), name="load", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    async def _all(self) -> None:
        async with self._client(self._feeder) as feeder, self._client(self._reader) as reader, self._client() as page:
            await self._answered("login", page.post("login", data={"token": self._reader}))
            await asyncio.gather(
                self._every(1 / self._rate, partial(self._push, feeder)),
                self._every(self._pause, partial(self._read, reader, "trends")),
                self._every(self._pause, partial(self._read, reader, "alerts")),
                self._every(self._pause, partial(self._analyze, reader)),
                self._every(self._pause, partial(self._look, page)),
                self._every(1.0, partial(self._listen, page)),
            )

    def _client(self, token: str = "") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=self._url, headers=headers, timeout=_PATIENCE, trust_env=False)

    async def _every(self, seconds: float, ask: Callable[[], Awaitable[None]]) -> None:
        """Asks each so many seconds; where the answer takes longer the next question waits for it."""
        while not self._stop.is_set():
            begun = time.monotonic()
            await ask()
            await asyncio.sleep(max(0.0, begun + seconds - time.monotonic()))

    async def _answered(self, caller: str, asked: Awaitable[httpx.Response]) -> int:
        begun = time.perf_counter()
        try:
            status = (await asked).status_code
        except httpx.HTTPError:
            status = 0
        self.answers.append(Answer(caller, status, time.perf_counter() - begun))
        return status

    async def _push(self, client: httpx.AsyncClient) -> None:
        """Pushes one item, and again until it is answered for, as whoever must not lose one does."""
        kind, item = self.trickle.next(datetime.now(UTC))
        while await self._answered("items", client.post("v1/items", json={"items": [item]})) != 202:
            if self._stop.is_set():
                return
            await asyncio.sleep(1.0)
        self.trickle.taken[kind] += 1

    async def _read(self, client: httpx.AsyncClient, what: Literal["trends", "alerts"]) -> None:
        start = datetime.now(UTC) - timedelta(hours=6)
        asked = {"entity": next(self._entities), "start": start.isoformat()}
        await self._answered(what, client.get(f"v1/{what}", params=asked))

    async def _analyze(self, client: httpx.AsyncClient) -> None:
        body = {"texts": [{"text": self._asked.text()[1]}]}
        await self._answered("analyze", client.post("v1/analyze", json=body))

    async def _look(self, client: httpx.AsyncClient) -> None:
        await self._answered("pages", client.get(next(self._pages)))

    async def _listen(self, client: httpx.AsyncClient) -> None:
        """Holds the stream of changes open, as a page does."""
        begun = time.perf_counter()
        try:
            async with client.stream("GET", "events") as answer:
                self.answers.append(Answer("events", answer.status_code, time.perf_counter() - begun))
                async for line in answer.aiter_lines():
                    self.rings += line == "event: changed"
                    if self._stop.is_set() or time.perf_counter() - begun > _PAGE_OPEN:
                        return
        except httpx.HTTPError:
            self.answers.append(Answer("events", 0, time.perf_counter() - begun))

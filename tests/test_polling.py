"""Feeds of several hosts, polled side by side on a real site."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from sqlalchemy import Engine

from tests.sources.loopback import serving
from voxpop import polling
from voxpop.log.base import Log, open_log
from voxpop.records import TOPICS
from voxpop.sources.fetch import Fetcher
from voxpop.store import feeds

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAUSE = timedelta(minutes=5)
FEED = (
    b'<rss version="2.0"><channel><title>T</title><item><guid>%d</guid><title>Acme halts</title>'
    b"<pubDate>Sun, 01 Mar 2026 08:00:00 GMT</pubDate></item></channel></rss>"
)


def create(log: Log) -> None:
    for topic in TOPICS.values():
        log.create(topic, 1)


@pytest.fixture
def log(engine: Engine, database_url: str) -> Iterator[Log]:
    log = open_log(database_url)
    create(log)
    yield log
    log.close()


def keep(engine: Engine, **urls: str) -> None:
    with engine.begin() as connection:
        for name, url in urls.items():
            feeds.add(connection, name, {"url": url})


def noted(engine: Engine, name: str) -> bool:
    with engine.connect() as connection:
        return any(kept.name == name and kept.polled_at is not None for kept in feeds.kept(connection))


def poll(engine: Engine, log: Log) -> int:
    return polling.poll(engine, log, Fetcher(allow_private=True), PAUSE, NOW)


def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_news_of_one_host_is_stored_while_another_still_thinks(engine: Engine, log: Log) -> None:
    seen = []

    def slow(handler: BaseHTTPRequestHandler) -> None:
        deadline = time.monotonic() + 15
        while not (stored := noted(engine, "fast")) and time.monotonic() < deadline:
            time.sleep(0.05)
        seen.append(stored)
        answer(handler, FEED % 1)

    with serving() as site:
        site.pages["/slow"] = slow
        keep(engine, fast=site.serve("/fast", FEED % 2), slow=f"http://localhost:{site.port}/slow")
        assert poll(engine, log) == 2
    assert seen == [True]


def test_a_host_is_asked_for_one_feed_after_the_other(engine: Engine, log: Log) -> None:
    under_way, most = 0, 0
    lock = threading.Lock()

    def count(handler: BaseHTTPRequestHandler) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        answer(handler, FEED % len(handler.path))

    with serving() as site:
        for n in range(4):
            site.pages["/" + "x" * n] = count
        keep(engine, **{f"f{n}": site.url("/" + "x" * n) for n in range(4)})
        assert poll(engine, log) == 4
    assert most == 1


def test_what_the_log_does_not_take_is_noted_and_read_again(engine: Engine, database_url: str) -> None:
    log = open_log(database_url)  # without the topics that items go to
    try:
        with serving() as site:
            keep(engine, wire=site.serve("/wire", FEED % 1))
            assert poll(engine, log) == 0
            with engine.connect() as connection:
                (kept,) = feeds.kept(connection)
            assert kept.polled_at == NOW
            assert kept.error
            create(log)
            assert polling.poll(engine, log, Fetcher(allow_private=True), PAUSE, NOW + PAUSE) == 1
    finally:
        log.close()

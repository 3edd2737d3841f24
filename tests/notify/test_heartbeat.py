"""A sign of life reaches a real receiver; one that is not taken is told in the log, without the address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine

from voxpop import jobs
from voxpop.jobs import JOBS, Surroundings
from voxpop.log.base import open_log
from voxpop.settings import Settings
from voxpop.sources.fetch import Fetcher
from voxpop.text.entities import Linker

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SECRET = "5f0c-secret"


@dataclass
class Watch:
    """A dead man's switch: the paths that were fetched, and the status that it answers with."""

    url: str = ""
    status: int = 200
    fetched: list[str] = field(default_factory=list)


@contextmanager
def watching() -> Iterator[Watch]:
    watch = Watch()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            watch.fetched.append(self.path)
            self.send_response(watch.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    watch.url = f"http://127.0.0.1:{server.server_port}/{SECRET}"
    try:
        yield watch
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def around(engine: Engine, database_url: str, url: str) -> Surroundings:
    return Surroundings(
        settings=Settings(heartbeat_url=url),
        engine=engine,
        log=open_log(database_url),
        model="",
        linker=lambda: Linker([]),
        fetcher=Fetcher,
    )


def test_the_address_is_fetched_once_a_run(engine: Engine, database_url: str) -> None:
    with watching() as watch:
        assert jobs.beat(around(engine, database_url, watch.url), NOW) == 1
        assert watch.fetched == [f"/{SECRET}"]


def test_without_an_address_nothing_is_fetched(engine: Engine, database_url: str) -> None:
    assert jobs.beat(around(engine, database_url, ""), NOW) == 0


def test_an_answer_that_is_no_success_is_logged_without_the_address(
    engine: Engine, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with watching() as watch, caplog.at_level(logging.DEBUG):
        watch.status = 503
        assert jobs.beat(around(engine, database_url, watch.url), NOW) == 0
    told = [record.getMessage() for record in caplog.records if record.name.startswith(("voxpop", "httpx"))]
    assert any("503" in line for line in told)
    assert not any(SECRET in line for line in told)


@pytest.mark.parametrize("url", [f"http://127.0.0.1:1/{SECRET}", f"no-scheme/{SECRET}", f"http://[/{SECRET}"])
def test_nobody_there_is_logged_and_ends_nothing(
    engine: Engine, database_url: str, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    with caplog.at_level(logging.WARNING):
        assert jobs.beat(around(engine, database_url, url), NOW) == 0
    (line,) = [record.getMessage() for record in caplog.records]
    assert "cannot be reached" in line
    assert SECRET not in line


def test_it_is_a_job_of_each_minute_that_waits_for_no_model() -> None:
    (job,) = [job for job in JOBS if job.name == "heartbeat"]
    assert (job.every.total_seconds(), job.model) == (60, False)

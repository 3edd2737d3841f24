"""kill -9 at any moment of ``voxpop run``: started again, it leaves the rows of an undisturbed run.

The programs are the real ones, with the real model, each in a process forked from one that has imported them.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from tests.faults import members
from tests.faults.processes import LONG, Member, wait_for
from tests.store.samples import rows
from voxpop import sample

ITEMS = 450
KILLS = 20 if LONG else 4
IDENTITY = {"topic_id", "sequence"}
"""Of the stream, not of what it means: what a killed ingest had published is published again, further on."""


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Part of the sample, broken lines and corrections included, from its first day into its first incident."""
    path = tmp_path_factory.mktemp("stream") / "stream.jsonl"
    path.write_text("".join(islice(sample.stream(), ITEMS)), "utf-8")
    return path


@pytest.fixture
def two_databases(server_url: str) -> Iterator[tuple[str, str]]:
    admin = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    names = ("voxpop_test_calm", "voxpop_test_killed")
    with psycopg.connect(admin, autocommit=True) as connection:
        for name in names:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
    urls = [
        make_url(server_url).set(drivername="postgresql", database=n).render_as_string(hide_password=False)
        for n in names
    ]
    yield urls[0], urls[1]
    with psycopg.connect(admin, autocommit=True) as connection:
        for name in names:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def start(url: str, *words: str) -> Member:
    environ = {"VOXPOP_DATABASE_URL": url, "VOXPOP_POLL_RECORDS": "32", "VOXPOP_PARTITIONS": "2"}
    return Member(members.command, *words, environ=environ)


def finish(process: Member, *allowed: int) -> None:
    code = process.wait(300)
    assert code in allowed, process.said[-3000:]


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        found = rows(connection, without=IDENTITY)
    engine.dispose()
    return found


def most_tries(url: str) -> int:
    """How often the records at some stored offset were begun, at most."""
    with psycopg.connect(url) as connection:
        (found,) = connection.execute("SELECT coalesce(max(tries), 0) FROM positions").fetchone() or (0,)
    return int(found)


def in_stream(table: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    """The stream repeats what was published before the offsets moved; what it means is in the other tables."""
    return {name: found for name, found in table.items() if name not in {"log_records", "log_heads", "positions"}}


@pytest.mark.timeout(1800 if LONG else 900)
def test_killed_at_random_moments_it_leaves_the_rows_of_an_undisturbed_run(
    two_databases: tuple[str, str], stream: Path
) -> None:
    calm, killed = two_databases
    watched = str(sample.watchlist_path())
    for url in (calm, killed):
        finish(start(url, "watchlist", "load", watched), 0)
    finish(start(calm, "ingest", str(stream)), 0, 2)
    finish(start(calm, "run", "--until-idle"), 0)
    expected = everything(calm)
    assert len(expected["documents"]) > ITEMS * 0.9
    assert expected["opinions"]
    assert expected["trend_points"]
    assert expected["alerts"]

    order = random.Random(11)
    process = start(killed, "ingest", str(stream))
    time.sleep(order.uniform(0.1, 0.5))
    process.end()
    finish(start(killed, "ingest", str(stream)), 0, 2)
    interrupted = 0
    for _ in range(KILLS):
        process = start(killed, "run", "--until-idle")
        time.sleep(order.uniform(0.5, 6.0))
        # Whoever dies three times of one record has met a deadly one, by chance or not: see test_deadly_record.
        wait_for(lambda: most_tries(killed) < 2, 100)
        interrupted += process.end() == -signal.SIGKILL
    finish(start(killed, "run", "--until-idle"), 0)
    assert interrupted, "every run had ended before it was killed: nothing was shown"
    found = everything(killed)
    for table, rows_of_calm in in_stream(expected).items():
        assert found[table] == rows_of_calm, table

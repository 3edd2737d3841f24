"""kill -9 at any moment of ``voxpop run``: started again, it leaves the rows of an undisturbed run.

The programs are the real ones, with the real model, each in a process of its own.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from tests.store.samples import rows
from voxpop import sample

ITEMS = 450
KILLS = 5
IDENTITY = {"topic_id"}


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


def start(url: str, *arguments: str) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "VOXPOP_DATABASE_URL": url, "VOXPOP_POLL_RECORDS": "32", "VOXPOP_PARTITIONS": "2"}
    return subprocess.Popen(
        [sys.executable, "-m", "voxpop", *arguments], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[bytes], *allowed: int) -> None:
    _, errors = process.communicate(timeout=150)
    assert process.returncode in allowed, errors.decode()[-3000:]


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        found = rows(connection, without=IDENTITY)
    engine.dispose()
    return found


def in_stream(table: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    """The stream repeats what was published before the offsets moved; what it means is in the other tables."""
    return {name: found for name, found in table.items() if name not in {"log_records", "log_heads", "positions"}}


@pytest.mark.timeout(400)
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
    time.sleep(order.uniform(0.5, 1.5))
    process.kill()
    process.communicate()
    finish(start(killed, "ingest", str(stream)), 0, 2)
    interrupted = 0
    for _ in range(KILLS):
        process = start(killed, "run", "--until-idle")
        time.sleep(order.uniform(2.0, 9.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        interrupted += process.returncode == -signal.SIGKILL
    finish(start(killed, "run", "--until-idle"), 0)
    assert interrupted, "every run had ended before it was killed: nothing was shown"
    found = everything(killed)
    for table, rows_of_calm in in_stream(expected).items():
        assert found[table] == rows_of_calm, table

"""kill -9 at each boundary of the stream loop: the next process leaves every record stored once."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from voxpop import testing
from voxpop.log.base import Message, Record, open_log
from voxpop.store import deadletters
from voxpop.worker import Result, Step, Worker, drain

POINTS = ("polled", "claimed", "begun", "computed", "published", "written", "stored", "told")
RECORDS = 40


def work(database_url: str) -> None:
    """A process that works until all is read."""
    engine, log = create_engine(database_url), open_log(database_url)
    worker = Worker(Step(group="g", topics=("in",), run=passed_on, output="out"), log, engine, max_records=10)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    drain([worker], lambda: left(engine) == 0)
    stop.set()
    thread.join()
    log.close()


def passed_on(records: Sequence[Record]) -> Result:
    """Stores each value and publishes it."""

    def write(connection: Connection) -> None:
        for record in records:
            connection.execute(text("INSERT INTO seen VALUES (:v)"), {"v": record.value.decode()})

    return Result([Message(r.key, r.value) for r in records], write, [])


def left(engine: Engine) -> int:
    with engine.connect() as connection:
        read = connection.execute(text("SELECT coalesce(sum(next_offset), 0) FROM positions")).scalar_one()
    return RECORDS - int(read)


@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_there_loses_nothing_and_stores_nothing_twice(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (value text)"))
    log = open_log(database_url)
    for topic in ("in", "out"):
        log.create(topic, 1)
    values = [f"v{n:02d}" for n in range(RECORDS)]
    log.publish("in", [Message(b"k", value.encode()) for value in values])
    context = multiprocessing.get_context("spawn")
    statuses = []
    for fault in (f"{point}:kill", ""):
        monkeypatch.setenv(testing.VARIABLE, fault)
        process = context.Process(target=work, args=(database_url,))
        process.start()
        process.join(100)
        statuses.append(process.exitcode)
    assert statuses == [-signal.SIGKILL, 0]
    with engine.connect() as connection:
        stored = list(connection.execute(text("SELECT value FROM seen ORDER BY ctid")).scalars())
        assert deadletters.listed(connection, None, 1)[0] == 0
    assert stored == values
    assert log.ends("out")[0] >= RECORDS, "what was published before the offsets moved may be there twice, none is lost"
    log.close()

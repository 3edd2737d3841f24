"""A record that kills its process is a dead letter after three attempts of its own; its neighbours are stored."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from voxpop.log.base import Message, Record, open_log
from voxpop.store import deadletters
from voxpop.worker import MOST_TRIES, Result, Step, Worker, drain

RECORDS, DEADLY = 12, b"v7"


def work(database_url: str, max_records: int) -> None:
    """A process that works until all is read, or until it is dead."""
    engine, log = create_engine(database_url), open_log(database_url)
    worker = Worker(Step(group="g", topics=("in",), run=keep_or_die), log, engine, max_records=max_records)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    drain([worker], lambda: left(engine) == 0)
    stop.set()
    thread.join()
    log.close()


def keep_or_die(records: Sequence[Record]) -> Result:
    """Stores each value; dies of one."""
    if any(record.value == DEADLY for record in records):
        os._exit(9)

    def write(connection: Connection) -> None:
        for record in records:
            connection.execute(text("INSERT INTO seen VALUES (:v)"), {"v": record.value.decode()})

    return Result([], write, [])


def left(engine: Engine) -> int:
    """Records that are not read yet."""
    with engine.connect() as connection:
        read = connection.execute(text("SELECT coalesce(sum(next_offset), 0) FROM positions")).scalar_one()
    return RECORDS - int(read)


@pytest.mark.parametrize(("max_records", "most_deaths"), [(12, MOST_TRIES + 1), (3, MOST_TRIES + 3)])
def test_it_is_dead_after_three_attempts_and_the_rest_is_stored(
    engine: Engine, database_url: str, max_records: int, most_deaths: int
) -> None:
    """Once within its batch, then alone. Where batches before it were on their way, too, blame may fall on each of them
    first (of two, here): they are then stored one by one."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (value text)"))
    log = open_log(database_url)
    log.create("in", 1)
    log.publish("in", [Message(b"k", f"v{n}".encode()) for n in range(RECORDS)])
    log.close()
    context = multiprocessing.get_context("spawn")
    deaths = 0
    while left(engine):
        process = context.Process(target=work, args=(database_url, max_records))
        process.start()
        process.join(60)
        assert process.exitcode in (0, 9)
        deaths += process.exitcode == 9
        assert deaths <= most_deaths
    assert deaths > MOST_TRIES
    with engine.connect() as connection:
        stored = list(connection.execute(text("SELECT value FROM seen")).scalars())
        total, (letter,) = deadletters.listed(connection, None, 5)
    assert sorted(stored) == sorted(f"v{n}" for n in range(RECORDS) if n != 7)
    assert total == 1
    assert letter.payload == DEADLY
    assert "ended its process 3 times" in letter.reason

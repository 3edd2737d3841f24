"""The stream loop: nothing lost, nothing twice, whatever a record or a member does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from voxpop.errors import LogUnavailable
from voxpop.log.base import Log, Message, Record, open_log
from voxpop.store import deadletters, positions
from voxpop.worker import Result, Step, Worker


@pytest.fixture
def log(engine: Engine, database_url: str) -> Iterator[Log]:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (value text)"))
    log = open_log(database_url)
    log.create("in", 2)
    log.create("out", 2)
    yield log
    log.close()


def step(run: Callable[[Sequence[Record]], Result] | None = None) -> Step:
    return Step(group="g", topics=("in",), run=run or keep, output="out")


def keep(records: Sequence[Record]) -> Result:
    """Writes each value into the table ``seen`` and publishes it on."""

    def write(connection: Connection) -> None:
        for record in records:
            connection.execute(text("INSERT INTO seen VALUES (:v)"), {"v": record.value.decode()})

    return Result([Message(r.key, r.value) for r in records], write, [])


def publish(log: Log, count: int) -> list[str]:
    log.publish("in", [Message(str(n).encode(), f"v{n:04d}".encode()) for n in range(count)])
    return [f"v{n:04d}" for n in range(count)]


def seen(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT value FROM seen ORDER BY value")).scalars())


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@contextmanager
def running(worker: Worker) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_every_record_is_stored_once_and_passed_on(engine: Engine, log: Log) -> None:
    values = publish(log, 300)
    with running(Worker(step(), log, engine, max_records=37)):
        wait_for(lambda: len(seen(engine)) >= 300)
    assert seen(engine) == values
    assert sum(log.ends("out").values()) == 300


def test_a_second_run_starts_where_the_first_stopped(engine: Engine, log: Log) -> None:
    first = publish(log, 50)
    with running(Worker(step(), log, engine)):
        wait_for(lambda: len(seen(engine)) >= 50)
    log.publish("in", [Message(b"k", b"w")])
    with running(Worker(step(), log, engine)):
        wait_for(lambda: len(seen(engine)) >= 51)
    assert seen(engine) == [*first, "w"]


def test_two_members_share_the_work_without_doing_any_twice(engine: Engine, log: Log, database_url: str) -> None:
    other = open_log(database_url)
    with running(Worker(step(), log, engine, max_records=5)), running(Worker(step(), other, engine, max_records=5)):
        values = publish(log, 400)
        wait_for(lambda: len(seen(engine)) >= 400)
    other.close()
    assert seen(engine) == values


def test_a_poisoned_record_is_found_by_halves_and_costs_its_neighbours_nothing(engine: Engine, log: Log) -> None:
    calls = 0

    def run(records: Sequence[Record]) -> Result:
        nonlocal calls
        calls += 1
        if any(r.value == b"v0500" for r in records):
            raise ValueError("poison")
        return keep(records)

    values = publish(log, 1024)
    with running(Worker(step(run), log, engine, max_records=2048)):
        wait_for(lambda: len(seen(engine)) >= 1023)
    assert seen(engine) == [v for v in values if v != "v0500"]
    with engine.connect() as connection:
        total, rows = deadletters.listed(connection, None, 10)
    assert total == 1
    assert rows[0].payload == b"v0500"
    assert "ValueError: poison" in rows[0].reason
    assert calls <= 1 + 22 + 2


def test_a_record_that_the_database_refuses_is_dead_and_the_rest_is_stored(engine: Engine, log: Log) -> None:
    def run(records: Sequence[Record]) -> Result:
        result = keep(records)

        def write(connection: Connection) -> None:
            result.write(connection)
            if any(r.value == b"v0033" for r in records):
                connection.execute(text("SELECT 1 / 0"))

        return result._replace(write=write)

    values = publish(log, 100)
    with running(Worker(step(run), log, engine)):
        wait_for(lambda: len(seen(engine)) >= 99)
    assert seen(engine) == [v for v in values if v != "v0033"]
    with engine.connect() as connection:
        total, rows = deadletters.listed(connection, None, 10)
        assert sum(positions.offsets(connection, "g", log.topic_ids(["in"])).values()) == 100
    assert (total, rows[0].payload) == (1, b"v0033")


def test_results_and_offset_are_one_transaction(engine: Engine, log: Log) -> None:
    """A write that fails once leaves neither rows nor a moved offset, and goes through on the next try."""
    failures = iter([True])

    def run(records: Sequence[Record]) -> Result:
        result = keep(records)

        def write(connection: Connection) -> None:
            result.write(connection)
            if next(failures, False):
                raise LogUnavailable("away, after the rows were written")

        return result._replace(write=write)

    values = publish(log, 20)
    with running(Worker(step(run), log, engine)):
        wait_for(lambda: len(seen(engine)) >= 20)
    assert seen(engine) == values


def test_a_member_that_lost_its_claim_drops_what_it_computed(engine: Engine, log: Log) -> None:
    stolen = threading.Event()

    def run(records: Sequence[Record]) -> Result:
        if not stolen.is_set():  # while this member computes, another claims all that it holds
            stolen.set()
            with engine.begin() as connection:
                connection.execute(text("UPDATE positions SET epoch = epoch + 1, owner = 'another'"))
        return keep(records)

    values = publish(log, 30)
    with running(Worker(step(run), log, engine)):
        wait_for(lambda: len(seen(engine)) >= 30)
    assert seen(engine) == values
    with engine.connect() as connection:
        assert sum(positions.offsets(connection, "g", log.topic_ids(["in"])).values()) == 30


def test_a_database_that_drops_its_connections_is_waited_for(engine: Engine, log: Log, database_url: str) -> None:
    values = publish(log, 400)
    admin = psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True)
    with admin, running(Worker(step(), log, engine, max_records=10)):
        for _ in range(3):
            time.sleep(0.1)
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        engine.dispose()  # the test's own look must not meet a connection that was dropped
        wait_for(lambda: len(seen(engine)) >= 400)
    assert seen(engine) == values

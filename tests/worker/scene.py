"""A topic, a store with a table ``seen``, and workers that fill it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from prometheus_client import REGISTRY
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url

from voxpop.log.base import Log, Message, Record, open_log
from voxpop.store import deadletters
from voxpop.worker import Result, Step, Worker

Run = Callable[[Sequence[Record]], Result]
SECONDS = 80.0
"""Longest wait for what must happen; no test asks how long it took."""


def keep(records: Sequence[Record]) -> Result:
    """Writes each value into the table ``seen``."""

    def write(connection: Connection) -> None:
        for record in records:
            connection.execute(text("INSERT INTO seen VALUES (:v)"), {"v": record.value.decode()})

    return Result([], write, [])


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def pass_on(records: Sequence[Record]) -> Result:
    """``keep``, and each record is published, too."""
    return keep(records)._replace(messages=[Message(record.key, record.value) for record in records])


class Gate:
    """Holds whoever comes until it is opened, and tells that somebody came."""

    def __init__(self) -> None:
        self.reached, self._open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self._open.wait(SECONDS), "the gate was not opened"

    def open(self) -> None:
        self._open.set()


class Scene:
    """Everything of one test, under names that no other test uses."""

    def __init__(self, engine: Engine, log_url: str, server_url: str) -> None:
        self.engine, self.log_url = engine, log_url
        self.topic, self.group = (f"{name}-{uuid.uuid4().hex}" for name in ("in", "group"))
        self._admin_url = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._logs: list[Log] = []

    def log(self) -> Log:
        """A connection of its own."""
        self._logs.append(open_log(self.log_url))
        return self._logs[-1]

    def publish(self, count: int, *, partitions: int = 1, start: int = 0, size: int = 0) -> list[str]:
        """Publishes numbered values, of ``size`` characters at least; makes the topic."""
        log = self.log()
        log.create(self.topic, partitions)
        values = [f"v{n:05d}".ljust(size, ".") for n in range(start, start + count)]
        log.publish(self.topic, [Message(str(n).encode(), v.encode()) for n, v in enumerate(values, start)])
        return values

    def worker(
        self,
        run: Run = keep,
        *,
        output: str | None = None,
        max_records: int = 512,
        queue_bytes: int = 1 << 20,
        drain: float = 25,
    ) -> Worker:
        step = Step(group=self.group, topics=(self.topic,), run=run, output=output)
        return Worker(
            step, self.log(), self.engine, max_records=max_records, queue_bytes=queue_bytes, drain_seconds=drain
        )

    @contextmanager
    def running(self, worker: Worker) -> Iterator[threading.Event]:
        """Runs the worker meanwhile; yields what stops it."""
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        try:
            yield stop
        finally:
            stop.set()
            thread.join()

    def seen(self) -> list[str]:
        """Stored values in the order in which they were written."""
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT value FROM seen ORDER BY ctid")).scalars())

    def stored(self) -> int:
        """Records by the stored offsets."""
        with self.engine.connect() as connection:
            query = text("SELECT coalesce(sum(next_offset), 0) FROM positions WHERE consumer_group = :group")
            return int(connection.execute(query, {"group": self.group}).scalar_one())

    def tries(self) -> int:
        """How often the records at some stored offset were begun, at most."""
        with self.engine.connect() as connection:
            return int(connection.execute(text("SELECT coalesce(max(tries), 0) FROM positions")).scalar_one())

    def dead(self) -> int:
        with self.engine.connect() as connection:
            return deadletters.listed(connection, None, 1)[0]

    def metric(self, name: str) -> float:
        """The value of a metric of this step."""
        return REGISTRY.get_sample_value(name, {"step": self.group}) or 0.0

    @contextmanager
    def outage(self) -> Iterator[None]:
        """The store's database drops every connection and takes no new one."""
        name = self.engine.url.database
        with psycopg.connect(self._admin_url, autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            try:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
                yield
            finally:
                admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        self.engine.dispose()  # the test's own look must not meet a connection that was dropped

    def epochs(self) -> dict[str, dict[int, int]]:
        """How often each partition was claimed, by the process that claimed it last."""
        found: dict[str, dict[int, int]] = {}
        with self.engine.connect() as connection:
            for owner, partition, epoch in connection.execute(text("SELECT owner, partition, epoch FROM positions")):
                found.setdefault(owner, {})[partition] = epoch
        return found

    def steal(self) -> None:
        """Another member claims everything."""
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE positions SET epoch = epoch + 1, owner = 'another'"))

    def close(self) -> None:
        for log in self._logs:
            log.close()

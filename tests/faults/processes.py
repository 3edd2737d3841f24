"""Processes that are killed, frozen and looked at, and the ground on which they work."""

from __future__ import annotations

import atexit
import functools
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text

from tests.faults import members, stream
from voxpop.log.base import Message, Partition, open_log
from voxpop.store import deadletters

LONG = os.environ.get("FAULTS") == "long"
"""``make faults``: as often and as long as promised, not as often as there is patience for."""

SILENCE_SECONDS = 2
"""How long the database lets a transaction be silent."""
_WIDTH = 9


def wait_for(condition: Callable[[], object], seconds: float = 60.0, why: Callable[[], object] = str) -> None:
    """Waits until ``condition`` holds; ``why`` tells what there is when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen: {why()}"
        time.sleep(0.05)


@functools.cache
def _outputs() -> Path:
    """Where the members of this test run write."""
    folder = Path(tempfile.mkdtemp(prefix="voxpop-members-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Member:
    """A process forked from one that has imported all that it needs: it works after a moment, not after ten seconds.

    Args:
        main: a function of ``members``, and its arguments.
        environ: its settings.
        fault: what it does to itself (see ``voxpop.testing``).
    """

    def __init__(self, main: Callable[..., None], *arguments: Any, environ: dict[str, str], fault: str = "") -> None:
        self._output = _outputs() / uuid.uuid4().hex
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([members.__name__, stream.__name__])
        given = (main, arguments, environ, fault, self._output)
        self.process = context.Process(target=members.enter, args=given, daemon=True)  # no test run waits for it
        self.process.start()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def said(self) -> str:
        """All that it wrote to its standard streams."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def send(self, number: signal.Signals) -> None:
        if self.process.is_alive():
            os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGKILL, seconds: float = 60.0) -> int:
        """Sends the signal and waits for the end; the exit code, negative for a signal."""
        self.send(number)
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"it does not end: {self.said[-3000:]}"
        return self.process.exitcode

    def wait(self, seconds: float = 60.0) -> int:
        """Waits for its own end."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"it does not end: {self.said[-3000:]}"
        return self.process.exitcode

    @property
    def frozen(self) -> bool:
        return self._status("State").startswith("T")

    @property
    def resident_mib(self) -> float:
        """Memory that it holds now."""
        return int(self._status("VmRSS").split()[0]) / 1024

    def _status(self, field: str) -> str:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(field + ":"))


class Ground:
    """A log and a store with a topic of its own, on which members work that keep what they read."""

    def __init__(self, database_url: str, log_url: str = "", partitions: int = 4) -> None:
        self.engine: Engine = create_engine(database_url)
        self.log_url = log_url or database_url
        self.over_kafka = self.log_url.startswith("kafka")
        self.environ = {"VOXPOP_DATABASE_URL": database_url, "VOXPOP_LOG_URL": log_url}
        self.topic = f"topic-{uuid.uuid4().hex[:12]}"
        self.members: list[Member] = []
        self._published = 0
        with self.engine.begin() as connection:
            connection.execute(text(members.SEEN))
            limit = f"SET idle_in_transaction_session_timeout = '{SILENCE_SECONDS}s'"
            connection.execute(text(f'ALTER DATABASE "{self.engine.url.database}" {limit}'))
        self.engine.dispose()  # whose connections do not know the limit yet
        with closing(open_log(self.log_url)) as log:
            for topic in (self.topic, f"{self.topic}-out"):
                log.create(topic, partitions)

    def member(self, fault: str = "", *, records: int = 16, seconds: float = 0.0, name: str = "") -> Member:
        """Starts a member that books so many records at a time; over Kafka a new one of an old ``name`` replaces it."""
        environ = self.environ | (
            {"VOXPOP_LOG_URL": f"{self.log_url}&instance={name}"} if name and self.over_kafka else {}
        )
        started = Member(members.keep, self.topic, records, seconds, environ=environ, fault=fault)
        self.members.append(started)
        return started

    def publish(self, count: int, *, padding: int = 0, keys: int = 1000) -> None:
        """Appends ``count`` records, each with a value of its own, under so many keys."""
        first, self._published = self._published, self._published + count
        with closing(open_log(self.log_url)) as log:
            log.publish(
                self.topic, [Message(f"k{n % keys}".encode(), value(n, padding)) for n in range(first, first + count)]
            )

    def seen(self) -> list[tuple[int, int]]:
        """(partition, offset) of each record as often as it was booked, in order."""
        with self.engine.connect() as connection:
            return [
                tuple(row) for row in connection.execute(text('SELECT partition, "offset" FROM seen ORDER BY 1, 2'))
            ]

    def count(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM seen")).scalar_one())

    def positions(self) -> dict[int, tuple[int, int]]:
        """(next offset, epoch) by partition."""
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT partition, next_offset, epoch FROM positions ORDER BY partition"))
            return {row.partition: (row.next_offset, row.epoch) for row in rows}

    def most_tries(self) -> int:
        """How often the records at some stored offset were begun, at most."""
        with self.engine.connect() as connection:
            return int(connection.execute(text("SELECT coalesce(max(tries), 0) FROM positions")).scalar_one())

    def dead(self) -> list[deadletters.Row]:
        """The dead letters."""
        with self.engine.connect() as connection:
            return deadletters.listed(connection, None, 1000)[1]

    def writers(self) -> int:
        """Sessions of others that are within a transaction."""
        with self.engine.connect() as connection:
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return int(connection.execute(text(f"{query} AND xact_start IS NOT NULL")).scalar_one())

    def ends(self, topic: str = "") -> dict[int, int]:
        with closing(open_log(self.log_url)) as log:
            return log.ends(topic or self.topic)

    def settled(self, seconds: float = 80.0) -> None:
        """Waits until as many records are booked as there are; then each must be booked once, and passed on."""
        ends = self.ends()
        wait_for(lambda: self.count() >= sum(ends.values()), seconds, self.told)
        expected = [(number, offset) for number in sorted(ends) for offset in range(ends[number])]
        assert self.seen() == expected, self.told()
        assert {p: offset for p, (offset, _) in self.positions().items() if offset} == {
            p: n for p, n in ends.items() if n
        }
        assert set(self.passed_on()) == {value(n) for n in range(self._published)}

    def passed_on(self) -> list[bytes]:
        """The values in ``topic``-out, without what pads them."""
        found: list[bytes] = []
        topic = f"{self.topic}-out"
        with closing(open_log(self.log_url)) as log:
            total = sum(log.ends(topic).values())
            consumer = log.subscribe(uuid.uuid4().hex, [topic])
            sought: set[Partition] = set()
            deadline = time.monotonic() + 60
            while len(found) < total:
                assert time.monotonic() < deadline
                found += [record.value[:_WIDTH] for record in consumer.poll(1000, 0.5)]
                for partition in consumer.assignment() - sought:
                    consumer.seek(partition, 0)
                    sought.add(partition)
            consumer.close()
        return found

    def told(self) -> str:
        """Where things stand, and the last words of each member, for a failure."""
        dead = [(letter.origin, letter.position, letter.reason) for letter in self.dead()]
        said = "\n\n".join(member.said[-1500:] for member in self.members)
        return f"{self.positions()} of {self.ends()}, {self.count()} booked, dead {dead}\n{said}"

    def close(self) -> None:
        for member in self.members:
            member.end()
        self.engine.dispose()


def value(number: int, padding: int = 0) -> bytes:
    """The value of the record ``number``; what pads it does not compress to nothing."""
    return f"v{number:0{_WIDTH - 1}d}".encode() + os.urandom(padding // 2).hex().encode()


@contextmanager
def ending(processes: Mapping[Any, Member]) -> Iterator[None]:
    """Kills what is left of them at the end."""
    try:
        yield
    finally:
        for process in processes.values():
            process.end()

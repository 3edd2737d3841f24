"""What can be seen of an installation from outside: its processes, its database and its logs."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
from sqlalchemy import NullPool, create_engine, text

from voxpop.store.embedded import server, supervisor
from voxpop.store.embedded.layout import Place

_MIB: Final = 2**20

_WAITING = (
    "SELECT coalesce(sum(h.next_offset - coalesce(p.next_offset, 0)), 0) FROM log_heads h"
    " LEFT JOIN positions p ON (p.topic_id, p.partition) = (h.topic_id, h.partition)"
)
_FIGURES: Final = {
    "records waiting": _WAITING,
    "door to store, p95 s": "SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM"
    " available_at - received_at)) FROM documents WHERE available_at > clock_timestamp() - interval '1 minute'",
    "slowest job's last run, s": "SELECT max(extract(epoch FROM ended_at - started_at)) FROM job_runs",
    "stale windows": "SELECT count(*) FROM stale_windows",
    "messages waiting": "SELECT count(*) FROM deliveries WHERE state = 'waiting'",
    "connections": "SELECT count(*) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    "oldest transaction, s": "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)"
    " FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    "dead rows": "SELECT sum(n_dead_tup) FROM pg_stat_user_tables",
    "database, MiB": "SELECT pg_database_size(current_database()) / 1048576.0",
}
"""By name a statement that gives one number."""

_BOUNDED: Final = ("positions", "log_heads", "stale_windows", "job_runs", "facts", "api_tokens", "sessions", "cuts")
"""Tables that hold what is, not what was: their rows are overwritten, so that they must not grow."""

_ACCOUNTS: Final = {
    "documents": "SELECT count(*) FROM documents",
    "latest": "SELECT count(*) FROM documents WHERE latest",
    "ids": "SELECT count(DISTINCT document_id) FROM documents",
    "refused": "SELECT count(*) FROM dead_letters",
    "messages not sent": "SELECT count(*) FROM delivery_log WHERE NOT sent",
    "messages": "SELECT count(*) FROM delivery_log",
    "alerts": "SELECT count(*) FROM alerts",
}


class Watch:
    """Looks at the installation in ``home`` whose ``voxpop run`` is the process ``pid``; use as a context manager."""

    def __init__(self, home: Path, pid: int) -> None:
        self._run = psutil.Process(pid)
        self._looked = 0.0, time.monotonic()
        self._worked()
        self._keeper = next(_keepers(home))
        self._servers = self._keeper.children()
        self._lease = server.acquire(home)
        self._engine = create_engine(self._lease.url, poolclass=NullPool)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._lease.release()

    def died(self) -> list[str]:
        """Which processes are there no more that were there in the beginning."""
        named = {"voxpop run": self._run, "the supervisor": self._keeper}
        named |= {f"PostgreSQL {one.pid}": one for one in self._servers}
        return [f"{name} has died" for name, one in named.items() if not _lives(one)]

    def sample(self) -> dict[str, float]:
        """By name every figure as it is now."""
        return {**self._processes(), **self._asked(_FIGURES), **self._asked(_sizes())}

    def accounts(self) -> dict[str, float]:
        """What is stored, counted."""
        return self._asked(_ACCOUNTS)

    def waiting(self) -> float:
        """Records of the stream that are not stored yet."""
        return self._asked({"": _WAITING})[""]

    def _processes(self) -> dict[str, float]:
        run, keeper = self._run.memory_full_info(), self._keeper.memory_info()
        servers = list(_memories(self._keeper.children(recursive=True)))
        return {
            "run: resident, MiB": run.rss / _MIB,
            "run: its own, MiB": run.uss / _MIB,
            "run: processor, s a minute": self._worked(),
            "run: open files": self._run.num_fds(),
            "run: threads": self._run.num_threads(),
            "run: its children": len(self._run.children(recursive=True)),
            "supervisor: resident, MiB": keeper.rss / _MIB,
            "PostgreSQL: all, shared once, MiB": sum(pss for pss, _ in servers) / _MIB,
            "PostgreSQL: largest process's own, MiB": max(uss for _, uss in servers) / _MIB,
            "PostgreSQL: processes": len(servers),
        }

    def _asked(self, statements: dict[str, str]) -> dict[str, float]:
        """By name what each statement gives; one that gives nothing is left out."""
        with self._engine.connect() as connection:
            found = {name: connection.execute(text(sql)).scalar() for name, sql in statements.items()}
        return {name: float(value) for name, value in found.items() if value is not None}

    def _worked(self) -> float:
        """Seconds of processor time a minute of ``voxpop run`` since the last look."""
        spent, now = self._run.cpu_times(), time.monotonic()
        before, then = self._looked
        self._looked = float(spent.user + spent.system), now
        return 60 * (self._looked[0] - before) / (now - then)


def _sizes() -> dict[str, str]:
    return {f"table {name}, KiB": f"SELECT pg_total_relation_size('{name}') / 1024.0" for name in _BOUNDED}


def _memories(processes: list[psutil.Process]) -> Iterator[tuple[int, int]]:
    """Of each its proportional share of memory and what is its own, in bytes; those that end meanwhile are left out."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            memory = process.memory_full_info()
            yield memory.pss, memory.uss


def _keepers(home: Path) -> Iterator[psutil.Process]:
    """The supervisors of the database in ``home``."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if supervisor.__name__ in words and str(Place.of(home).home) in words:
            yield process


def _lives(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def left_over(home: Path) -> list[str]:
    """What still runs of an installation that has ended."""
    return [f"process {one.pid} of the database still runs" for one in _keepers(home)]


class Logs:
    """Reads the log of ``voxpop run`` and that of PostgreSQL as they grow.

    Attributes:
        errors: lines that tell of an error.
        warnings: other lines that are more than an announcement.
    """

    def __init__(self, run: Path, database: Path) -> None:
        self._run, self._database = run, database
        self._read = {run: 0, database: 0}
        """Bytes of each that were taken in."""
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def read(self) -> None:
        """Takes in the lines that were written since the last time."""
        self._sort(self._run, _RUN_ERROR, _RUN_WARNING)
        self._sort(self._database, _DATABASE_ERROR, _DATABASE_WARNING)

    def _sort(self, file: Path, error: re.Pattern[str], warning: re.Pattern[str]) -> None:
        for line in self._lines(file):
            if error.search(line):
                self.errors.append(line)
            elif warning.search(line):
                self.warnings.append(line)

    def _lines(self, file: Path) -> list[str]:
        """Whole lines; one that is being written is left for the next time."""
        with file.open("rb") as opened:
            opened.seek(self._read[file])
            new = opened.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read[file] += len(whole)
        return whole.decode("utf-8", "replace").splitlines()


_RUN_ERROR = re.compile(r"Traceback|\bERROR\b|\bCRITICAL\b|^\w[\w.]*(Error|Exception|Unavailable)\b|failed")
_RUN_WARNING = re.compile(r"^(?!Dashboard: |[\d,]+ documents read in ).*\S")
# Whoever waits for a start knocks until the door is open, and is told so in these words.
_DATABASE_ERROR = re.compile(r"\b(ERROR|FATAL|PANIC): (?!.*the database system is starting up)")
_DATABASE_WARNING = re.compile(r"\bWARNING: ")

"""Who uses the embedded PostgreSQL: processes of several accounts, and what is left of them."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from voxpop.store.embedded import layout
from voxpop.store.embedded.layout import Place

Homes = Callable[..., Path]
"""Makes a new home for an account, by default this one's."""

ROOT = os.geteuid() == 0
SOURCE = Path(__file__).parents[3] / "src"

# Acquires the server and runs one statement a line; a refusal is an answer, too.
PROGRAM = """
import json, sys
from pathlib import Path
import psycopg
from voxpop.errors import VoxpopError
from voxpop.store.embedded import server

def answer(**said):
    print(json.dumps(said), flush=True)

try:
    lease = server.acquire(Path(sys.argv[1]), grace=0.3, timeout=60)
except VoxpopError as error:
    sys.exit(answer(error=type(error).__name__, message=str(error)))
answer(url=lease.url)
for line in sys.stdin:
    with psycopg.connect(lease.url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(line)
        answer(rows=[[str(cell) for cell in row] for row in cursor] if cursor.description else [])
"""


@dataclass(frozen=True)
class Account:
    """Who runs a program. Root may lend an ordinary user the right to read, as this Python may lie in root's home."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


ME = Account(os.geteuid(), os.getegid())


def other(uid: int, gid: int) -> Account:
    lend = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return Account(uid, gid, ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *lend))


@cache
def ordinary() -> Account:
    entry = next(entry for entry in pwd.getpwall() if 0 < entry.pw_uid < 65534)
    account = other(entry.pw_uid, entry.pw_gid)
    if not ROOT or not shutil.which("setpriv"):
        pytest.skip("only root can become another user, by setpriv")
    if subprocess.run([*account.prefix, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip("this machine's root may not become another user")
    return account


class User:
    """A process that uses the server."""

    def __init__(self, home: Path, account: Account = ME) -> None:
        self.process = subprocess.Popen(
            [*account.prefix, sys.executable, "-c", PROGRAM, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )

    def hear(self) -> dict[str, Any]:
        """What it says next; nothing if it has died."""
        assert self.process.stdout
        said: dict[str, Any] = json.loads(self.process.stdout.readline() or "{}")
        return said

    def sql(self, statement: str) -> list[list[str]]:
        assert self.process.stdin
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()
        rows: list[list[str]] = self.hear()["rows"]
        return rows

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()

    def __enter__(self) -> User:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.process.kill()
        self.end()


@contextlib.contextmanager
def using(home: Path, account: Account = ME) -> Iterator[User]:
    with User(home, account) as user:
        said = user.hear()
        assert "url" in said, said
        yield user


def until(condition: Callable[[], object], pause: float = 0.01) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(pause)


def supervisors(home: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"voxpop.store.embedded.supervisor" in words and str(home).encode() in words:
                found.append(int(entry.name))
    return found


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found


def gone(home: Path) -> bool:
    """Whether neither a supervisor nor any process of PostgreSQL is left."""
    place = Place.of(home)
    handles = [layout.take(path) for path in (place.supervisor, place.server)]
    for handle in handles:
        if handle is not None:
            os.close(handle)
    return None not in handles


def spacious() -> str | None:
    """Memory where there is enough: some disks take seconds to remove a cluster's thousand files."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2 * 2**30 else None

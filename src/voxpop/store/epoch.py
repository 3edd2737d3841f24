"""The sending epoch: how we know that the database is the one that messages were last sent from.

A counter stands in the database and in a file of the home folder. Each transaction that queues messages or notes one
as sent moves the database's; the file follows after the commit. So the file never runs ahead, unless the database went
back: a backup was restored. A database without its file was moved or copied. In both cases nothing may be sent until
an operator says so, since what the database believes unsent may have been sent long ago.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from voxpop.store import facts

_FACT = "sending_epoch"
_FILE = "sending_epoch"


class Mark(NamedTuple):
    """Which life of the database, and how far it has come in it."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


def advance(connection: Connection, home: Path) -> Mark:
    """Moves the database's mark on; where there is none, makes one, in the file first."""
    found = _stored(connection)
    mark = Mark(secrets.token_hex(8), 0) if found is None else Mark(found.name, found.number + 1)
    if found is None:
        write(home, mark)
    facts.put(connection, _FACT, str(mark))
    return mark


def agrees(connection: Connection, home: Path) -> bool:
    """Whether messages may be sent: both marks are missing, or the database's is the file's or beyond it."""
    stored, written = _stored(connection), _written(home)
    if stored is None:
        return written is None or written.number == 0  # the file is written first: it may be all that was
    if written is None:
        return False
    return stored.name == written.name and stored.number >= written.number


def hold(connection: Connection) -> None:
    """Has nothing be sent until an operator says so: no file bears the mark that the database gets."""
    facts.put(connection, _FACT, str(Mark(secrets.token_hex(8), 0)))


def write(home: Path, mark: Mark) -> None:
    """Writes the mark to the home folder, whole or not at all."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / _FILE
    draft = path.with_suffix(f".{os.getpid()}")
    with draft.open("w", encoding="ascii") as file:
        file.write(f"{mark}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _stored(connection: Connection) -> Mark | None:
    return _parse(facts.get(connection, _FACT) or "")


def _written(home: Path) -> Mark | None:
    try:
        return _parse((home / _FILE).read_text("ascii"))
    except FileNotFoundError:
        return None


def _parse(line: str) -> Mark | None:
    name, _, count = line.strip().partition(" ")
    return Mark(name, int(count)) if name and count.isdigit() else None

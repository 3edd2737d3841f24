"""Results on disk: what one model version has computed, so that no later process computes it again.

A file of SQLite for each version, which a kill at any moment leaves whole. It is a cache and nothing else: it may be
deleted, and one that cannot be read or written is gone without.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 30.0
_AT_ONCE = 500
"""Keys in one statement; SQLite takes at least 999."""
_DROPPED_SHARE = 4
"""One in so many of the rows, the oldest, goes where a file has grown too large."""


class Kept:
    """Answers by the fingerprints of their questions, as bytes. Threads and processes may share a file.

    Args:
        folder: made if missing; of the files of other versions in it the oldest go where all together are too large.
        version: of the model.
        most: bytes that the folder may take, roughly.
    """

    def __init__(self, folder: Path, version: str, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._path = folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', version)}.sqlite"
        self._connection: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._make_room(folder)
            self._connection = self._open()
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def found(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values that are kept of these keys."""
        rows: list[tuple[bytes, bytes]] = []
        with self._lock:
            if self._connection is None:
                return {}
            try:
                for start in range(0, len(keys), _AT_ONCE):
                    some = keys[start : start + _AT_ONCE]
                    marks = ",".join("?" * len(some))
                    rows += self._connection.execute(f"SELECT key, value FROM results WHERE key IN ({marks})", some)  # noqa: S608 - only marks
            except sqlite3.Error as error:
                self._give_up(error)
        return dict(rows)

    def keep(self, values: Iterable[tuple[bytes, bytes]]) -> None:
        """Keeps the values of these keys, on disk when it returns; the oldest go where there is no room."""
        with self._lock:
            if self._connection is None:
                return
            try:
                with self._connection:
                    self._connection.executemany("INSERT OR IGNORE INTO results (key, value) VALUES (?, ?)", values)
                    self._forget_oldest(self._connection)
            except sqlite3.Error as error:
                self._give_up(error)

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_WAIT_SECONDS, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a lost end is computed again
            with connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS results (number INTEGER PRIMARY KEY, key BLOB UNIQUE, value BLOB)"
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def _forget_oldest(self, connection: sqlite3.Connection) -> None:
        """Frees pages, which are used again, where the file would grow above its bound."""
        size, page, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size", "freelist_count")
        )
        if (size - free) * page > self._most:
            low, high = connection.execute("SELECT min(number), max(number) FROM results").fetchone()
            connection.execute("DELETE FROM results WHERE number <= ?", (low + (high - low) // _DROPPED_SHARE,))

    def _make_room(self, folder: Path) -> None:
        others = sorted((p for p in folder.glob("*.sqlite") if p != self._path), key=lambda p: p.stat().st_mtime)
        size = sum(p.stat().st_size for p in folder.glob("*.sqlite"))
        while others and size > self._most:
            oldest = others.pop(0)
            size -= oldest.stat().st_size
            for path in (oldest, *(oldest.with_name(oldest.name + end) for end in ("-wal", "-shm"))):
                path.unlink(missing_ok=True)

    def _give_up(self, error: Exception) -> None:
        logger.warning("results are not kept: %s: %s (deleting it helps where it is damaged)", self._path, error)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

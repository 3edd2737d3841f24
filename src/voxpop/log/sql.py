"""PostgreSQL as the log: the one-machine default.

Topics, heads and records are tables of the store's schema (``log_*``). A producer takes its offsets from the row of
the partition's head, whose lock it holds until it commits: offsets are gapless and rise in commit order, so a reader
that goes by offset loses nothing when the commits of two producers interleave. Heads are locked in the order of
their partitions, so producers cannot deadlock.

Members of a group share its partitions by session advisory locks, which the server drops when a member's connection
ends: no heartbeat, no timeout, a killed member's partitions are free at once.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby

import psycopg
from psycopg.conninfo import make_conninfo

from voxpop.errors import LogUnavailable, StoreError
from voxpop.log.base import Erased, Message, Partition, Record
from voxpop.postgres import PATIENCE
from voxpop.records import ERASED

_REBALANCE_SECONDS = 1.0
_IDLE_SECONDS = 0.05
_ERASE_AT_ONCE = 1000


class SqlLog:
    """The log in the database at ``url`` (``postgresql://…``), whose schema ``voxpop db upgrade`` made."""

    def __init__(self, url: str) -> None:
        self._dsn = make_conninfo(url.replace("postgresql+psycopg://", "postgresql://", 1), **PATIENCE)
        self._producer: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def create(self, topic: str, partitions: int) -> None:
        with self._session() as connection, connection.transaction():
            row = connection.execute(
                "INSERT INTO log_topics (topic, topic_id, partitions) VALUES (%s, %s, %s)"
                " ON CONFLICT (topic) DO NOTHING RETURNING topic_id",
                (topic, os.urandom(8).hex(), partitions),
            ).fetchone()
            if row is not None:
                connection.execute(
                    "INSERT INTO log_heads (topic_id, partition, next_offset)"
                    " SELECT %s, n, 0 FROM generate_series(0, %s) AS n",
                    (row[0], partitions - 1),
                )

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        if not messages:
            return
        with self._session() as connection:
            topic_id, partitions = _topic(connection, topic)
            placed = sorted(((zlib.crc32(m.key) % partitions, m) for m in messages), key=lambda pair: pair[0])
            with connection.transaction():
                for number, group in groupby(placed, key=lambda pair: pair[0]):
                    _append(connection, topic_id, number, [message for _, message in group])

    def subscribe(self, group: str, topics: Sequence[str]) -> SqlConsumer:
        return SqlConsumer(self._dsn, group, topics)

    def ends(self, topic: str) -> dict[int, int]:
        with self._session() as connection:
            rows = connection.execute(
                "SELECT h.partition, h.next_offset FROM log_topics JOIN log_heads h USING (topic_id) WHERE topic = %s",
                (topic,),
            )
            return dict(rows.fetchall())

    def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        with self._session() as connection:
            rows = connection.execute("SELECT topic, topic_id FROM log_topics WHERE topic = ANY(%s)", (list(topics),))
            return dict(rows.fetchall())

    def erase(
        self, topic: str, about: Callable[[bytes], bool], read: Mapping[int, int], *, dry_run: bool = False
    ) -> Erased:
        """Each record keeps its place in the partition, without key and content."""
        found, at = 0, (-1, -1)
        while True:
            with self._session() as connection:
                topic_id, _ = _topic(connection, topic)
                rows = connection.execute(
                    'SELECT partition, "offset", value FROM log_records WHERE topic_id = %s'
                    ' AND (partition, "offset") > (%s, %s) ORDER BY partition, "offset" LIMIT %s',
                    (topic_id, *at, _ERASE_AT_ONCE),
                ).fetchall()
                these = [(number, offset) for number, offset, value in rows if value != ERASED and about(value)]
                if these and not dry_run:
                    connection.execute(
                        "UPDATE log_records r SET key = '', value = %s FROM unnest(%s::int[], %s::bigint[])"
                        ' AS e(number, at) WHERE r.topic_id = %s AND r.partition = e.number AND r."offset" = e.at',
                        (ERASED, [n for n, _ in these], [o for _, o in these], topic_id),
                    )
            found += len(these)
            if len(rows) < _ERASE_AT_ONCE:
                return Erased(found, 0)
            at = rows[-1][:2]

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection]:
        """The producer's connection, one thread at a time, opened when needed and dropped after an error."""
        with self._lock:
            try:
                if self._producer is None or self._producer.closed:
                    self._producer = psycopg.connect(self._dsn, autocommit=True)
                yield self._producer
            except psycopg.OperationalError as error:
                self.close()
                raise LogUnavailable(f"the log does not answer: {error}") from error


def _topic(connection: psycopg.Connection, topic: str) -> tuple[str, int]:
    row = connection.execute("SELECT topic_id, partitions FROM log_topics WHERE topic = %s", (topic,)).fetchone()
    if row is None:
        raise StoreError(f"topic {topic!r} does not exist: `voxpop db upgrade` makes the topics")
    return row[0], row[1]


def _append(connection: psycopg.Connection, topic_id: str, number: int, messages: list[Message]) -> None:
    row = connection.execute(
        "UPDATE log_heads SET next_offset = next_offset + %s WHERE topic_id = %s AND partition = %s"
        " RETURNING next_offset",
        (len(messages), topic_id, number),
    ).fetchone()
    assert row is not None, "a topic has a head for each partition"
    first = row[0] - len(messages)
    with connection.cursor().copy(
        'COPY log_records (topic_id, partition, "offset", key, value) FROM STDIN (FORMAT BINARY)'
    ) as copy:
        copy.set_types(["text", "int4", "int8", "bytea", "bytea"])
        for offset, message in enumerate(messages, first):
            copy.write_row((topic_id, number, offset, message.key, message.value))


class SqlConsumer:
    """A member of a group: a connection of its own, whose advisory locks are its partitions."""

    def __init__(self, dsn: str, group: str, topics: Sequence[str]) -> None:
        self._dsn = dsn
        self._group = group
        self._topics = list(topics)
        self._presence = _lock_key(group, *sorted(topics))
        self._connection: psycopg.Connection | None = None
        self._next: dict[Partition, int | None] = {}
        """Each partition owned and the offset to read next; None until it is sought."""
        self._rebalanced = float("-inf")
        self._paused = False

    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._next)

    def seek(self, partition: Partition, offset: int) -> None:
        if partition in self._next:
            self._next[partition] = offset

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        deadline = time.monotonic() + timeout
        try:
            while True:
                if time.monotonic() - self._rebalanced >= _REBALANCE_SECONDS:
                    gained = self._rebalance()
                    self._rebalanced = time.monotonic()
                    if gained:
                        return []  # so that the caller can seek before anything is waited for
                records = self._fetch(max_records)
                left = deadline - time.monotonic()
                if records or left <= 0:
                    return records
                time.sleep(min(_IDLE_SECONDS, left))
        except psycopg.OperationalError as error:
            self.close()
            raise LogUnavailable(f"the log does not answer: {error}") from error

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Nothing to tell: the store's positions, in the same database, say how far a group is."""

    def close(self) -> None:
        self._next.clear()
        self._rebalanced = float("-inf")
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self.close()
            self._connection = psycopg.connect(self._dsn, autocommit=True)
            self._connection.execute("SELECT pg_advisory_lock_shared(%s, 0)", (self._presence,))
        return self._connection

    def _rebalance(self) -> bool:
        """Takes free partitions up to a fair share and gives back what is above it; True if any was taken."""
        connection = self._open()
        wanted = self._partitions(connection)
        members = self._members(connection)
        share = -(-len(wanted) // members)
        for partition in sorted(self._next)[share:] + [p for p in self._next if p not in wanted]:
            if self._next.pop(partition, -1) != -1:
                connection.execute("SELECT pg_advisory_unlock(%s, %s)", self._lock(partition))
        gained = False
        for partition in wanted:
            if len(self._next) >= share:
                break
            if partition not in self._next and self._try(connection, partition):
                self._next[partition] = None
                gained = True
        return gained

    def _partitions(self, connection: psycopg.Connection) -> list[Partition]:
        rows = connection.execute(
            "SELECT topic, topic_id, n FROM log_topics, generate_series(0, partitions - 1) AS n"
            " WHERE topic = ANY(%s) ORDER BY n, topic",
            (self._topics,),
        )
        return [Partition(*row) for row in rows]

    def _members(self, connection: psycopg.Connection) -> int:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %s AND objid = 0"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted",
            (self._presence,),
        ).fetchone()
        assert row is not None
        return max(1, int(row[0]))

    def _lock(self, partition: Partition) -> tuple[int, int]:
        return _lock_key(self._group, partition.topic_id), partition.number

    def _try(self, connection: psycopg.Connection, partition: Partition) -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", self._lock(partition)).fetchone()
        return row is not None and bool(row[0])

    def _fetch(self, max_records: int) -> list[Record]:
        ready = [(p, offset) for p, offset in self._next.items() if offset is not None]
        if self._paused or not ready:
            return []
        each = max(1, max_records // len(ready))
        rows = self._open().execute(
            'SELECT want.i, r."offset", r.key, r.value FROM unnest(%s::text[], %s::int[], %s::bigint[])'
            " WITH ORDINALITY AS want(topic_id, number, next, i), LATERAL ("
            '  SELECT "offset", key, value FROM log_records WHERE topic_id = want.topic_id'
            '  AND partition = want.number AND "offset" >= want.next ORDER BY "offset" LIMIT %s) AS r'
            ' ORDER BY want.i, r."offset"',
            (
                [p.topic_id for p, _ in ready],
                [p.number for p, _ in ready],
                [offset for _, offset in ready],
                each,
            ),
        )
        records = [Record(ready[i - 1][0], offset, key, value) for i, offset, key, value in rows]
        for record in records:
            if record.offset != self._next[record.partition]:
                raise StoreError(
                    f"the log no longer holds the records to go on from ({record.partition.topic} goes on at"
                    f" {record.offset}, not at {self._next[record.partition]}): they were purged before they were read"
                )
            self._next[record.partition] = record.offset + 1
        return records


def _lock_key(*parts: str) -> int:
    """A positive 31-bit key of an advisory lock (PostgreSQL takes two int4)."""
    return zlib.crc32("\0".join(parts).encode()) & 0x7FFFFFFF

"""The one lock between writers, and up to when what they wrote is complete."""

from __future__ import annotations

from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, text

ASIDE = "voxpop_aside"
"""An option of a connection that writes only what nobody else will ever see, so that it waits for nobody."""

_COMMIT_ORDER = 7_305_002  # any number of our own


def commit_order(connection: Connection) -> None:
    """Waits until no other writer is between here and its commit; held until the transaction ends.

    A row's ``available_at`` is given under it, so no reader that has seen a row can later be shown an older one.
    """
    if not connection.get_execution_options().get(ASIDE):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _COMMIT_ORDER})


_WRITERS = text(
    "SELECT statement_timestamp() AS now, count(*) AS writers, count(a.xact_start) AS seen, min(a.xact_start) AS began"
    " FROM pg_locks l LEFT JOIN LATERAL pg_stat_get_activity(l.pid) a ON true"
    " WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.classid = 0 AND l.objid = CAST(:key AS oid)"
    " AND l.objsubid = 1 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
).bindparams(key=_COMMIT_ORDER)
"""Those who hold the lock, and those who wait for it: one that began earlier may get it later.

By the function, since each page asks: with the view pg_stat_activity it takes twice as long.
"""

_settled: WeakKeyDictionary[Engine, datetime] = WeakKeyDictionary()


def settled(connection: Connection, asked: datetime | None = None) -> datetime:
    """The last time, no later than ``asked``, as of which no row will come any more; by the server's clock.

    That is when the oldest transaction began that may still commit rows, else now. Whoever gets the lock after this
    look gives later times, so a time that was settled once stays so, however early the next writer began.

    PostgreSQL shows when transactions of other roles began only to members of ``pg_read_all_stats``. Where it does not,
    this waits until those who are writing have committed.
    """
    now, writers, seen, began = connection.execute(_WRITERS).one()
    at: datetime = _after_them(connection) if seen < writers else min(now, began or now)
    at = at.astimezone(UTC)  # it comes in the server's zone
    last = _settled[connection.engine] = max(at, _settled.get(connection.engine, at))
    return last if asked is None else min(asked, last)


def _after_them(connection: Connection) -> datetime:
    """A time at which nobody was writing."""
    with connection.begin_nested() as savepoint:
        connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _COMMIT_ORDER})
        now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        savepoint.rollback()  # lets go of the lock
    return now

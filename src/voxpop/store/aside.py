"""Tables that only one transaction sees, so that what would have been raised can be found out by raising it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from voxpop.store.locks import ASIDE

_TABLES = (
    *("trend_points", "stale_windows", "cuts", "alerts", "alert_evidence", "alert_revisions", "facts"),
    *("drifts", "alert_moves"),
)
"""What the rules write, and what they find of their own."""


@contextmanager
def aside(engine: Engine) -> Iterator[Connection]:
    """A transaction in which the tables that rules write are empty ones of its own; what is read stays as it is.

    Nothing of it is ever kept, nobody waits for it, and it waits for nobody.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ", **{ASIDE: True}) as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        for table in _TABLES:
            # PostgreSQL looks for a name among temporary tables first.
            connection.execute(text(f'CREATE TEMP TABLE "{table}" (LIKE "{table}" INCLUDING ALL) ON COMMIT DROP'))
        try:
            yield connection
        finally:
            connection.rollback()


def empty(connection: Connection) -> None:
    """Empties the transaction's own tables."""
    for table in _TABLES:
        connection.execute(text(f'TRUNCATE pg_temp."{table}"'))

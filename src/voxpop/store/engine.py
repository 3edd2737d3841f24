"""The connections to the store."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from voxpop.postgres import PATIENCE

IDLE_SECONDS = 300
"""Longest silence within a transaction. A process that froze in one holds its locks, and everybody waits for them."""


def open_engine(url: str) -> Engine:
    """An engine on the database at ``url``, whose server ends a transaction that fell silent.

    A limit that the server, the database or the URL sets is left as it is.
    """
    engine = create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=10, connect_args=dict(PATIENCE))
    event.listen(engine, "connect", _limit)
    return engine


def _limit(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(
        "SELECT set_config('idle_in_transaction_session_timeout', %s, false)"
        " WHERE current_setting('idle_in_transaction_session_timeout') = '0'",
        (f"{IDLE_SECONDS}s",),
    )
    cursor.close()
    connection.commit()

"""The connections to the store."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from voxpop.errors import SettingError, StoreUnavailable
from voxpop.postgres import PATIENCE

IDLE_SECONDS = 300
"""Longest silence within a transaction. A process that froze in one holds its locks, and everybody waits for them."""


_SCHEMES = ("postgresql://", "postgresql+psycopg://")
_FORM = "postgresql://USER:PASSWORD@HOST:5432/NAME"


def with_driver(url: str) -> str:
    """A setting's URL as SQLAlchemy wants it.

    Raises:
        SettingError: it names no PostgreSQL, or is no URL; says so without its password.
    """
    if not url.startswith(_SCHEMES):
        raise SettingError(f"VOXPOP_DATABASE_URL must name a PostgreSQL server: {_FORM}")
    found = url.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        make_url(found)
    except (ArgumentError, ValueError):  # whose words may quote the password
        raise SettingError(f"VOXPOP_DATABASE_URL is malformed: it is written {_FORM}") from None
    return found


def require_answer(engine: Engine) -> None:
    """Connects once.

    Raises:
        StoreUnavailable: the server does not answer, or lets nobody in.
    """
    try:
        engine.connect().close()
    except OperationalError as error:
        raise unreachable(error.orig) from error


def unreachable(error: BaseException | None) -> StoreUnavailable:
    """What libpq's ``error`` says, in one sentence; it names host and user, and never the password."""
    said = " ".join(str(error).split()).partition(" Is the server running")[0]
    return StoreUnavailable(f"the database cannot be reached: {said}. Start it, or correct VOXPOP_DATABASE_URL")


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

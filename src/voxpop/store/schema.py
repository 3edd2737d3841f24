"""Brings a database to the schema of this version, and back.

Almost every program finds the schema as it must be. That is told by the names of the migrations' files and one row of
the database: alembic is imported where there is something to migrate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, text

from voxpop.errors import SettingError, StoreError
from voxpop.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS: Final = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_305_001  # any number of our own: two programs that start at once migrate one after the other


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _locked(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as guard:
        guard.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
        guard.commit()
        try:
            with engine.connect() as connection:
                yield connection
                connection.commit()
        finally:
            guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
            guard.commit()


@contextmanager
def exclusively(engine: Engine) -> Iterator[Connection]:
    """One transaction that nobody migrates beside, the only connection of ``engine``; all of it holds, or nothing."""
    engine.dispose()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        yield connection


def path() -> list[str]:
    """Every revision that this version can bring a database to, and from, the first one first.

    A migration's file is named by its revision, and those come in this order (a test holds alembic to the same).
    """
    return sorted(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def known_or_none(connection: Connection) -> str | None:
    """The revision of the database; None for one that Voxpop never touched.

    Raises:
        StoreError: a newer version of Voxpop made it.
    """
    found = _recorded(connection)
    if found is not None and found not in path():
        raise StoreError(
            f"the database is at schema {found}, which is newer than this version of Voxpop: install the newer version,"
            f" or take the schema back with it first: `voxpop db downgrade {newest()}`"
        )
    return found


def remake(connection: Connection, revision: str) -> None:
    """Drops every table of ours and makes them anew, empty, as of ``revision``, in the caller's transaction."""
    if known_or_none(connection) is not None:
        _back(connection, "base")
    forward(connection, revision)


def forward(connection: Connection, revision: str = "head") -> None:
    """Migrates forward in the caller's transaction."""
    from alembic import command

    command.upgrade(_config(connection), revision)


def _back(connection: Connection, revision: str) -> None:
    from alembic import command

    command.downgrade(_config(connection), revision)


def newest() -> str:
    """The revision that this version of Voxpop needs."""
    return path()[-1]


def current(engine: Engine) -> str | None:
    """The revision of the database; None for one that Voxpop never touched."""
    with engine.connect() as connection:
        return _recorded(connection)


def _recorded(connection: Connection) -> str | None:
    """The revision that alembic has noted in the database."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrates forward; several programs may call it at once."""
    if revision == "head" and current(engine) == newest():
        return
    with _locked(engine) as connection:
        known_or_none(connection)
        forward(connection, revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Migrates back to ``revision`` (``"base"``: an empty database).

    Raises:
        SettingError: no revision of that name lies before the database's.
    """
    with _locked(engine) as connection:
        found = known_or_none(connection)
        before = path()[: path().index(found) + 1] if found else []
        if revision not in ("base", *before):
            raise SettingError(f"{revision!r} is no schema to go back to: say {', '.join(('base', *before))}")
        _back(connection, revision)


def require(engine: Engine) -> None:
    """Checks that the database has the schema of this version.

    Raises:
        StoreError: it is older or newer.
    """
    found, needed = current(engine), newest()
    if found != needed:
        raise StoreError(f"the database is at schema {found}, this version needs {needed}: run `voxpop db upgrade`")


def difference(engine: Engine) -> list[object]:
    """What the migrated database lacks or has too much against ``store.tables``; empty when all is well."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

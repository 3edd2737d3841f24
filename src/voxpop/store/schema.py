"""Brings a database to the schema of this version, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from voxpop.errors import StoreError
from voxpop.store import access, people, runs  # noqa: F401 - their tables are part of the schema
from voxpop.store.tables import metadata

_MIGRATION_LOCK = 7_305_001  # any number of our own: two programs that start at once migrate one after the other


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
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


def newest() -> str:
    """The revision that this version of Voxpop needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def current(engine: Engine) -> str | None:
    """The revision of the database; None for one that Voxpop never touched."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrates forward; several programs may call it at once."""
    if revision == "head" and current(engine) == newest():
        return
    with _locked(engine) as connection:
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Migrates back to ``revision`` (``"base"``: an empty database)."""
    with _locked(engine) as connection:
        command.downgrade(_config(connection), revision)


def require(engine: Engine) -> None:
    """Checks that the database has the schema of this version.

    Raises:
        StoreError: it is older or newer.
    """
    found, needed = current(engine), newest()
    if found != needed:
        raise StoreError(f"the database is at schema {found}, this version needs {needed}: run `voxpop db upgrade`")


def difference(engine: Engine) -> list[object]:
    """What the migrated database lacks or has too much against ``tables.py``; empty when all is well."""
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

"""A backup of the database as one file, written while the stream runs.

The file is a zip of each table's rows as PostgreSQL's COPY writes them, and a manifest with the schema's revision and a
SHA-256 of each table. All rows are of one moment: one snapshot reads them, so an offset and its results are in the same
backup or in none. It is ours rather than pg_dump's, so that it needs no program of the server's version, says itself
whether it is whole, and can be brought to a newer schema. It appears under its name when it is on disk, or never.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import psycopg
from psycopg import sql
from sqlalchemy import Engine, text

from voxpop import testing
from voxpop.errors import SettingError, StoreError
from voxpop.store import schema
from voxpop.store.disk import sync
from voxpop.store.tables import metadata

FORMAT = "voxpop-backup/1"
MANIFEST = "manifest.json"
PART = ".part"
"""What ends the name of a file that is not done; one that is left was killed, and may be deleted."""


class TableNote(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says of one table."""

    name: str
    columns: list[str]
    rows: int
    sha256: str
    """Of its rows as they lie in the file, uncompressed."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    format: str
    voxpop: str
    revision: str
    """Of the schema."""
    made_at: datetime
    tables: list[TableNote]
    """In an order in which they can be filled."""

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


def member(table: str) -> str:
    """The name within the zip of a table's rows."""
    return f"tables/{table}.copy"


def make(engine: Engine, path: Path) -> Manifest:
    """Writes everything that the database holds to ``path``, which must not exist.

    Raises:
        SettingError: the file is there already, or cannot be written.
        StoreError: the database has another schema, or the disk is full.
    """
    if path.exists():
        raise SettingError(f"{path} is there already, and a backup is not written over: name another file")
    part = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(3)}{PART}")
    try:
        with _created(part) as file:
            manifest = _write(engine, file)
        testing.reach("backed-up")
        part.replace(path)
        sync(path.parent)
    except OSError as error:
        raise SettingError(f"the backup cannot be written: {error}; name a file on a disk with room for it") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


@contextmanager
def _created(path: Path) -> Iterator[BinaryIO]:
    """A new file that only its owner may read, on disk when this ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w+b") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _write(engine: Engine, file: BinaryIO) -> Manifest:
    names = [str(table.name) for table in metadata.sorted_tables]
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # a slow disk is not silence
        # Nobody may change a table's columns between now and its turn; rows come and go as ever.
        listed = ", ".join(f'"{name}"' for name in names)
        connection.execute(text(f"LOCK TABLE {listed} IN ACCESS SHARE MODE"))
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        if revision != schema.newest():
            raise StoreError(f"the database is at schema {revision}: run `voxpop db upgrade` first")
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            tables = [_copy_out(driver, archive, name) for name in names]
            manifest = Manifest(
                format=FORMAT,
                voxpop=version("voxpop"),
                revision=revision,
                made_at=datetime.now(UTC),
                tables=tables,
            )
            archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _copy_out(driver: psycopg.Connection[Any], archive: zipfile.ZipFile, name: str) -> TableNote:
    columns = [str(column.name) for column in metadata.tables[name].columns]
    statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
        sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    hasher, rows = hashlib.sha256(), 0
    with archive.open(member(name), "w", force_zip64=True) as out, driver.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in copy:
                hasher.update(block)
                rows += bytes(block).count(b"\n")  # a line end within a value is written \n, in two characters
                out.write(block)
        testing.reach("table-backed-up")
    return TableNote(name=name, columns=columns, rows=rows, sha256=hasher.hexdigest())

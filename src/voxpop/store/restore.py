"""Brings a backup back: all of it, or nothing.

The whole file is checked before anything is written. Then one transaction makes the schema of the backup's time, fills
it, and brings it to today's; a kill at any moment leaves the database as it was. What has been restored must not be
told again: nothing is sent until an operator releases it (see ``epoch``), and the consumers go on at the offsets that
lie beside the results, so that they read again what the log still holds of the time since.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, exists, func, inspect, select, text

from voxpop import testing
from voxpop.errors import SettingError, StoreError
from voxpop.store import epoch, schema
from voxpop.store.backup import FORMAT, MANIFEST, Manifest, TableNote, member
from voxpop.store.tables import metadata

_BLOCK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError)
_NEW_EPOCHS = 1_000_000
"""No member that was at work before the restore can hold an epoch so high, so each is fenced."""


def check(path: Path) -> Manifest:
    """Reads the whole backup and compares it with its checksums; no database is needed.

    Raises:
        SettingError: there is no such file, or it is no backup of ours.
        StoreError: it is damaged, or its schema is one that this version does not know.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _manifest(archive, path)
            for table in manifest.tables:
                for _ in _checked(archive, table):
                    pass
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error}") from error
    except _DAMAGED as error:
        raise StoreError(f"{path} is damaged or cut off ({error}): restore another backup") from error
    if manifest.revision not in schema.path():
        raise StoreError(
            f"{path} was made by Voxpop {manifest.voxpop} with schema {manifest.revision}, which this version does not"
            " know: install that version or a newer one"
        )
    return manifest


def restore(engine: Engine, path: Path, *, replace: bool = False) -> Manifest:
    """Makes the database what the backup holds. Nothing else may be connected to it.

    Args:
        engine: of the database, at any schema that this version knows, or without any.
        path: the backup.
        replace: give up what the database holds now.

    Raises:
        SettingError: the file cannot be read.
        StoreError: the file is damaged, or too new; the database is in use, or not empty.
    """
    manifest = check(path)
    with schema.exclusively(engine) as connection:
        _nobody_else(connection)
        schema.known_or_none(connection)
        if not replace and (found := _filled(connection)):
            raise StoreError(
                f"the database is not empty ({', '.join(found[:5])}): restore into an empty one, or say --replace to"
                " give up what it holds"
            )
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # a slow disk is not silence
        schema.remake(connection, manifest.revision)
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with zipfile.ZipFile(path) as archive:
            for table in manifest.tables:
                _copy_in(driver, archive, table)
                testing.reach("table-restored")
        schema.forward(connection)
        _renumber(connection)
        connection.execute(text("UPDATE positions SET epoch = epoch + :more, tries = 0"), {"more": _NEW_EPOCHS})
        epoch.hold(connection)
        testing.reach("restored")
    return manifest


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
    except (msgspec.MsgspecError, KeyError) as error:
        raise SettingError(f"{path} is no backup that `voxpop backup` made: {error}") from error
    if manifest.format != FORMAT:
        raise SettingError(f"{path} is of format {manifest.format!r}, this version reads {FORMAT!r}")
    return manifest


def _checked(archive: zipfile.ZipFile, table: TableNote) -> Iterator[bytes]:
    """The rows of a table, in blocks; raises at the end if they are not what the manifest says."""
    hasher = hashlib.sha256()
    with archive.open(member(table.name)) as rows:
        while block := rows.read(_BLOCK):
            hasher.update(block)
            yield block
    if hasher.hexdigest() != table.sha256:
        raise zipfile.BadZipFile(f"the rows of {table.name} are not those that were written")


def _copy_in(driver: psycopg.Connection[Any], archive: zipfile.ZipFile, table: TableNote) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    with driver.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)) as copy:
            for block in _checked(archive, table):
                copy.write(block)
        if cursor.rowcount != table.rows:
            raise StoreError(f"{table.name} has {cursor.rowcount} rows where the backup says {table.rows}")


def _nobody_else(connection: Connection) -> None:
    deadline = time.monotonic() + _LEAVING_SECONDS
    while others := connection.execute(_OTHERS).scalar_one():
        if time.monotonic() > deadline:
            raise StoreError(
                f"{others} other connections use the database: stop `voxpop run`, the consumers, the dashboard and"
                " Airflow's jobs first"
            )
        time.sleep(0.1)
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))


_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
_LEAVING_SECONDS = 2.0
"""A connection that was closed may be seen for a moment yet."""


def _filled(connection: Connection) -> list[str]:
    """The tables that hold something, but for topics in which nothing was published yet."""
    there = set(inspect(connection).get_table_names())
    found = []
    for table in metadata.sorted_tables:
        if table.name in there - {"log_topics"}:
            rows = select(1).select_from(table)
            if table.name == "log_heads":
                rows = rows.where(table.c.next_offset > 0)
            if connection.execute(select(exists(rows))).scalar_one():
                found.append(table.name)
    return found


def _renumber(connection: Connection) -> None:
    """Sequences go on after the highest number that was restored."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            asked = {"table": f'"{table.name}"', "column": column.name}
            sequence = connection.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), asked).scalar_one()
            if sequence is not None:
                connection.execute(
                    select(func.setval(sequence, func.coalesce(func.max(column), 0) + 1, False)).select_from(table)
                )

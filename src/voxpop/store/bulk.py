"""Bulk upserts: COPY into a staging table of the session, then INSERT … ON CONFLICT in key order.

COPY is an order of magnitude faster than row-wise INSERT, and a fixed key order keeps two writers from deadlocking
(the failure of kafka-connect-jdbc's issue 385). Rows that are most likely new go straight into their table, which
halves the work; where one was there after all, the savepoint before it gives the staging table its turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError


def raw(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's connection under ``connection``, inside the same transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    connection.exec_driver_sql("SELECT 1")  # begins SQLAlchemy's transaction, so that its commit is ours
    return driver


@contextmanager
def _explained(driver: psycopg.Connection[Any]) -> Iterator[None]:
    """Raises SQLAlchemy's errors for the driver's, as the statements that go through SQLAlchemy do."""
    try:
        yield
    except psycopg.Error as error:
        raise DBAPIError.instance("COPY", None, error, psycopg.Error, connection_invalidated=driver.closed) from error


def upsert(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    update: Sequence[str] = (),
    greatest: Sequence[str] = (),
    least: Sequence[str] = (),
    fresh: bool = False,
) -> None:
    """Inserts ``rows``, whose keys are distinct.

    A key that exists is left as it is, except that the columns ``update`` take the new value, the columns
    ``greatest`` keep the larger one and the columns ``least`` the smaller.

    Args:
        fresh: few of the keys exist, and the table's writers take turns (``commit_order``).
    """
    rows = list(rows)
    if not rows:
        return
    driver = raw(connection)
    with _explained(driver):
        if not (fresh and _inserted(driver, table, columns, rows)):
            _upsert(driver, table, columns, rows, _action(table, update, greatest, least))


def _inserted(
    driver: psycopg.Connection[Any], table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> bool:
    """Whether no key existed, so that all rows are in the table now; else none is."""
    try:
        with driver.transaction():  # a savepoint
            _copy(driver, sql.Identifier(table.name), _listed(columns), rows)
    except psycopg.errors.UniqueViolation:
        return False
    return True


def _upsert(
    driver: psycopg.Connection[Any],
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    action: sql.Composable,
) -> None:
    stage = sql.Identifier(f"stage_{table.name}")
    target = sql.Identifier(table.name)
    names = _listed(columns)
    keys = _listed([column.name for column in table.primary_key])
    driver.execute(
        sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (LIKE {} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS").format(
            stage, target
        )
    )
    driver.execute(sql.SQL("DELETE FROM {}").format(stage))
    _copy(driver, stage, names, rows)
    driver.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY {} ON CONFLICT ({}) {}").format(
            target, names, names, stage, keys, keys, action
        )
    )


def _copy(
    driver: psycopg.Connection[Any], into: sql.Identifier, names: sql.Composable, rows: Iterable[Sequence[Any]]
) -> None:
    with driver.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(into, names)) as copy:
        for row in rows:
            copy.write_row(row)


def _listed(names: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _action(table: Table, update: Sequence[str], greatest: Sequence[str], least: Sequence[str]) -> sql.Composable:
    sets = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in update]
    for function, names in (("GREATEST", greatest), ("LEAST", least)):
        chosen = sql.SQL("{0} = " + function + "({1}.{0}, EXCLUDED.{0})")
        sets += [chosen.format(sql.Identifier(name), sql.Identifier(table.name)) for name in names]
    return sql.SQL("DO UPDATE SET ") + sql.SQL(", ").join(sets) if sets else sql.SQL("DO NOTHING")

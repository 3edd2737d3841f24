"""Many rows at once. Upserts: COPY into a staging table of the session, then INSERT … ON CONFLICT in key order.

COPY is an order of magnitude faster than row-wise INSERT, and a fixed key order keeps two writers from deadlocking
(the failure of kafka-connect-jdbc's issue 385).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table, TextClause
from sqlalchemy.exc import DBAPIError


def raw(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's connection under ``connection``, inside the same transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    connection.exec_driver_sql("SELECT 1")  # begins SQLAlchemy's transaction, so that its commit is ours
    return driver


def rows(connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All rows of a query that gives very many, straight from the driver: three times as fast as one by one."""
    driver = raw(connection)
    compiled = str(statement.compile(dialect=connection.dialect))
    with _explained(driver), driver.cursor(binary=True) as cursor:
        return cursor.execute(compiled, values).fetchall()


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
) -> None:
    """Inserts ``rows``, whose keys are distinct.

    A key that exists is left as it is, except that the columns ``update`` take the new value, the columns
    ``greatest`` keep the larger one and the columns ``least`` the smaller.
    """
    rows = list(rows)
    if not rows:
        return
    driver = raw(connection)
    with _explained(driver):
        _upsert(driver, table, columns, rows, _action(table, update, greatest, least))


def _upsert(
    driver: psycopg.Connection[Any],
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    action: sql.Composable,
) -> None:
    stage = sql.Identifier(f"stage_{table.name}")
    target = sql.Identifier(table.name)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    keys = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.primary_key)
    driver.execute(
        sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (LIKE {} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS").format(
            stage, target
        )
    )
    driver.execute(sql.SQL("DELETE FROM {}").format(stage))
    with driver.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(stage, names)) as copy:
        for row in rows:
            copy.write_row(row)
    driver.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY {} ON CONFLICT ({}) {}").format(
            target, names, names, stage, keys, keys, action
        )
    )


def _action(table: Table, update: Sequence[str], greatest: Sequence[str], least: Sequence[str]) -> sql.Composable:
    sets = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in update]
    for function, names in (("GREATEST", greatest), ("LEAST", least)):
        chosen = sql.SQL("{0} = " + function + "({1}.{0}, EXCLUDED.{0})")
        sets += [chosen.format(sql.Identifier(name), sql.Identifier(table.name)) for name in names]
    return sql.SQL("DO UPDATE SET ") + sql.SQL(", ").join(sets) if sets else sql.SQL("DO NOTHING")

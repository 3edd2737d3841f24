"""Bulk upserts: many rows by COPY into a staging table of the session, few as arrays; then INSERT … ON CONFLICT.

COPY is an order of magnitude faster than row-wise INSERT, but needs five statements; arrays need one, which is what
counts where an hour of the stream is stored at a time. Rows go in in key order, which keeps two writers from
deadlocking (the failure of kafka-connect-jdbc's issue 385). Many rows that are most likely new go straight into their
table, which halves the work; where one was there after all, the savepoint before it gives the staging table its turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import ARRAY, Connection, Float, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine


def raw(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's connection under ``connection``, inside the same transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    if not connection.in_transaction():
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
    how = tuple(update), tuple(greatest), tuple(least)
    with _explained(driver):
        if len(rows) <= FEW:
            _by_arrays(driver, table, columns, rows, _insert_arrays(table, tuple(columns), *how))
        elif not (fresh and _inserted(driver, table, columns, rows)):
            _by_copy(driver, table, columns, rows, _action(table, *how))


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


FEW = 400
"""Rows up to which arrays are faster than a staging table."""


def _by_arrays(
    driver: psycopg.Connection[Any],
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    statement: str,
) -> None:
    types = [table.c[name].type for name in columns]
    values = [
        [_dumped(value, of) for value in column] for column, of in zip(zip(*rows, strict=True), types, strict=True)
    ]
    driver.execute(statement, values)


def _dumped(value: Any, of: TypeEngine[Any]) -> Any:
    """The value as an array takes it: a list as JSON, and no whole number among fractions."""
    if isinstance(of, ARRAY):
        return json.dumps(value)
    return float(value) if isinstance(value, int) and isinstance(of, Float) else value


@cache
def _insert_arrays(
    table: Table, columns: tuple[str, ...], update: tuple[str, ...], greatest: tuple[str, ...], least: tuple[str, ...]
) -> str:
    """The statement; a column of lists comes as JSON, since unnest takes arrays of arrays apart."""
    types = [table.c[name].type for name in columns]
    given = [sql.SQL("%s::{}[]").format(sql.SQL(_type("TEXT" if isinstance(t, ARRAY) else t))) for t in types]
    taken = [
        sql.SQL("ARRAY(SELECT jsonb_array_elements_text({}::jsonb))::{}").format(
            sql.Identifier(name), sql.SQL(_type(t))
        )
        if isinstance(t, ARRAY)
        else sql.Identifier(name)
        for name, t in zip(columns, types, strict=True)
    ]
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    whole = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS s({}) ORDER BY {} ON CONFLICT ({}) {}").format(
        sql.Identifier(table.name),
        names,
        sql.SQL(", ").join(taken),
        sql.SQL(", ").join(given),
        names,
        _keys(table),
        _keys(table),
        _action(table, update, greatest, least),
    )
    return whole.as_string(None)


def _type(of: TypeEngine[Any] | LiteralString) -> LiteralString:
    return of if isinstance(of, str) else of.compile(dialect=_DIALECT)


_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def _keys(table: Table) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in table.primary_key)


def _by_copy(
    driver: psycopg.Connection[Any],
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    action: sql.Composable,
) -> None:
    stage = sql.Identifier(f"stage_{table.name}")
    target = sql.Identifier(table.name)
    names, keys = _listed(columns), _keys(table)
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

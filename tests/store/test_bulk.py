"""Bulk upserts: rows that are new, rows that are there already, and both at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Connection, Float, Integer, MetaData, Table, Text, create_engine, select, text
from sqlalchemy.exc import DBAPIError

from voxpop.store import bulk

FIGURES = Table("figures", MetaData(), Column("name", Text, primary_key=True), Column("value", Integer, nullable=False))


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        FIGURES.metadata.create_all(connection)
        yield connection
    engine.dispose()


def stored(connection: Connection) -> dict[str, int]:
    return {row.name: row.value for row in connection.execute(select(FIGURES))}


def upsert(connection: Connection, rows: dict[str, int | None], *, fresh: bool, update: tuple[str, ...] = ()) -> None:
    bulk.upsert(connection, FIGURES, ["name", "value"], list(rows.items()), update=update, fresh=fresh)


@pytest.mark.parametrize("fresh", [False, True])
def test_what_is_there_is_kept_and_what_is_new_is_added(connection: Connection, fresh: bool) -> None:
    upsert(connection, {"a": 1, "b": 2}, fresh=fresh)
    upsert(connection, {"b": 20, "c": 3}, fresh=fresh)
    assert stored(connection) == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("fresh", [False, True])
def test_a_column_may_take_the_new_value(connection: Connection, fresh: bool) -> None:
    upsert(connection, {"a": 1}, fresh=fresh, update=("value",))
    upsert(connection, {"a": 10, "b": 2}, fresh=fresh, update=("value",))
    assert stored(connection) == {"a": 10, "b": 2}


@pytest.mark.parametrize("count", [2, bulk.FEW + 2])
def test_whole_numbers_may_stand_among_fractions(connection: Connection, count: int) -> None:
    shares = Table("shares", MetaData(), Column("name", Text, primary_key=True), Column("share", Float))
    shares.metadata.create_all(connection)
    rows = [(f"{n:04d}", 1 if n % 2 else None if n % 3 else 0.5) for n in range(count)]
    bulk.upsert(connection, shares, ["name", "share"], rows)
    assert [tuple(row) for row in connection.execute(select(shares).order_by(shares.c.name))] == rows


def test_rows_that_were_there_after_all_undo_nothing_of_the_transaction(connection: Connection) -> None:
    upsert(connection, {"a": 1}, fresh=True)
    connection.commit()
    connection.execute(text("INSERT INTO figures VALUES ('before', 0)"))
    upsert(connection, {"a": 5, "b": 2}, fresh=True)
    connection.execute(text("INSERT INTO figures VALUES ('after', 9)"))
    connection.commit()
    assert stored(connection) == {"a": 1, "b": 2, "before": 0, "after": 9}


@pytest.mark.parametrize("fresh", [False, True])
def test_what_the_table_refuses_is_an_error_as_of_any_statement(connection: Connection, fresh: bool) -> None:
    with pytest.raises(DBAPIError):
        upsert(connection, {"a": None}, fresh=fresh)

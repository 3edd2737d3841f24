"""Rows made up for any table, so that a test covers tables that were added after it was written."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

HOSTILE = "tab\there, line\nend, back\\slash, \\N, \\., quote\" 'one', 中文 \U0001f600"
"""What a format of rows may trip over."""

_VALUES = {
    "text": HOSTILE,
    "integer": 7,
    "bigint": 2**62,
    "boolean": True,
    "real": 0.1,
    "double precision": 0.1 + 0.2,
    "bytea": bytes(range(256)),
    "timestamp with time zone": "2026-03-02 01:02:03.456789+00",
    "jsonb": '{"a": ["b\\nc", null]}',
    "text[]": ["a", HOSTILE],
    "real[]": [0.1, 0.2],
    "double precision[]": [0.1, 0.2],
    "integer[]": [1, 2],
    "bigint[]": [1, 2],
    "date": "2026-03-02",
}
_COLUMNS = text(
    "SELECT c.relname AS tbl, a.attname AS col, format_type(a.atttypid, a.atttypmod) AS kind,"
    " a.attidentity <> '' OR a.attgenerated <> '' AS given FROM pg_class c"
    " JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
    " AND c.relnamespace = current_schema()::regnamespace AND c.relname <> 'alembic_version' ORDER BY 1, a.attnum"
)


def columns(connection: Connection) -> dict[str, dict[str, str]]:
    """The type of each column of each table, but for those that the database fills."""
    found: dict[str, dict[str, str]] = {}
    for row in connection.execute(_COLUMNS):
        found.setdefault(row.tbl, {})
        if not row.given:
            found[row.tbl][row.col] = row.kind
    return found


def fill(connection: Connection) -> None:
    """Puts a row into every table that is empty."""
    for table, kinds in columns(connection).items():
        if connection.execute(text(f'SELECT EXISTS (SELECT FROM "{table}")')).scalar_one():
            continue
        names = ", ".join(f'"{name}"' for name in kinds)
        marks = ", ".join(f"CAST(:v{n} AS {kind})" for n, kind in enumerate(kinds.values()))
        values: dict[str, Any] = {f"v{n}": _VALUES[kind] for n, kind in enumerate(kinds.values())}
        connection.execute(text(f'INSERT INTO "{table}" ({names}) VALUES ({marks})'), values)


def held(connection: Connection, of: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Every row, as text, on the columns ``of``."""
    found = {}
    for table, kinds in of.items():
        names = ", ".join(f'"{name}"' for name in kinds)
        rows = connection.execute(text(f'SELECT CAST(ROW({names}) AS text) AS line FROM "{table}" ORDER BY 1'))
        found[table] = list(rows.scalars())
    return found


def by_column(connection: Connection) -> dict[tuple[str, str], list[str]]:
    """The values of each column, as text."""
    found = {}
    for table, kinds in columns(connection).items():
        for name, kind in kinds.items():
            found[table, name] = held(connection, {table: {name: kind}})[table]
    return found

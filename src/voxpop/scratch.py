"""Databases of their own, so that a demonstration or a replay never touches real data nor another one."""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from sqlalchemy.engine import URL, make_url

from voxpop.app import App
from voxpop.settings import Settings
from voxpop.store.engine import unreachable

KEPT = "_kept_"
"""In the name of a database that nobody drops but its owner."""


@contextmanager
def scratch_app(
    settings: Settings, purpose: str, *, keep: bool = False, options: Mapping[str, str] | None = None
) -> Iterator[App]:
    """An app on a new database ``voxpop_<purpose>_…`` of the server that the settings name.

    It is dropped at the end, and what earlier ones of the same purpose left that were killed, unless it is to be kept.

    Args:
        options: settings of PostgreSQL for the database.
    """
    with App(settings) as base:
        admin = make_url(base.database_url).set(drivername="postgresql")
        name = f"voxpop_{purpose}{KEPT if keep else '_'}{os.getpid()}_{secrets.token_hex(4)}"
        with _connected(admin) as connection:
            _drop_unused(connection, f"voxpop_{purpose}_")
            connection.execute(f'CREATE DATABASE "{name}"')
            for option, value in (options or {}).items():
                connection.execute(f"ALTER DATABASE \"{name}\" SET {option} = '{value}'")
        url = admin.set(database=name).render_as_string(hide_password=False)
        try:
            with App(dataclasses.replace(settings, database_url=url)) as app:
                yield app
        finally:
            if not keep:
                with _connected(admin) as connection:
                    _drop_unused(connection, name)


def _connected(url: URL) -> psycopg.Connection:
    try:
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)
    except psycopg.OperationalError as error:
        raise unreachable(error) from error


def _drop_unused(connection: psycopg.Connection, prefix: str) -> None:
    rows = connection.execute(
        "SELECT datname FROM pg_database d WHERE starts_with(datname, %s) AND strpos(datname, %s) = 0"
        " AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)",
        (prefix, KEPT),
    ).fetchall()
    for (name,) in rows:
        try:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        except psycopg.errors.ObjectInUse:  # somebody has come back to it since
            continue

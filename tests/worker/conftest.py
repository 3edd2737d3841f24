"""A log of each kind beside the store: the worker must do the same over both."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from tests.kafka import broker
from tests.worker.scene import Scene
from voxpop.store import schema


@pytest.fixture
def log_database_url(server_url: str) -> Iterator[str]:
    """URL of a second database for the log, so that the store can be away by itself."""
    name = f"voxpop_test_log_{uuid.uuid4().hex[:8]}"
    admin = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    engine = create_engine(url)
    schema.upgrade(engine)
    engine.dispose()
    yield url
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _scene(engine: Engine, log_url: str, server_url: str) -> Iterator[Scene]:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (value text)"))
    scene = Scene(engine, log_url, server_url)
    yield scene
    scene.close()


@pytest.fixture
def scene(engine: Engine, log_database_url: str, server_url: str) -> Iterator[Scene]:
    """A store and a log in PostgreSQL."""
    yield from _scene(engine, log_database_url, server_url)


@pytest.fixture(params=["postgresql", "kafka"])
def any_scene(engine: Engine, server_url: str, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A store, and a log of each kind."""
    kafka = request.param == "kafka"
    url = broker.shared().url if kafka else request.getfixturevalue("log_database_url")
    yield from _scene(engine, url, server_url)

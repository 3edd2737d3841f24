"""A log of each kind beside the store: the worker must do the same over both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from tests.conftest import new_database
from tests.kafka import broker
from tests.worker.scene import Scene


@pytest.fixture
def log_database_url(server_url: str) -> Iterator[str]:
    """URL of a second database for the log, so that the store can be away by itself."""
    with new_database(server_url) as url:
        yield url


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

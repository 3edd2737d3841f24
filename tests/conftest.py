"""Fixtures that every room shares: a real PostgreSQL with a database of its own for each test.

``VOXPOP_DATABASE_URL`` names a server to use; without it the tests start the embedded one in a folder of their own.
"""

from __future__ import annotations

import gc
import os
import sys
import uuid
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url

from voxpop.settings import Settings
from voxpop.store import schema


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fails_to_connect: connections are refused; their sockets are not closed")


MOST_WORKERS = 4
"""Each has a broker and models of its own: some 3 GB."""


def pytest_xdist_auto_num_workers() -> int:
    """One process a core of those that ``-n auto`` may have; a Kafka that others share is left to one."""
    return 1 if os.environ.get("KAFKA_BOOTSTRAP_SERVERS") else min(len(os.sched_getaffinity(0)), MOST_WORKERS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """kafka-python leaves the socket of a connection that failed to the garbage collector, which then warns; so does
    a member that is cut off while it connects to the database.

    What is left is collected before another test is blamed for it.
    """
    names = (item.nodeid, *getattr(item, "fixturenames", ()))
    cut_off = any(part in name for name in names for part in ("kafka", "tests/worker/", "tests/faults/"))
    if item.get_closest_marker("fails_to_connect") is None and not cut_off:
        return (yield)
    item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
    item.add_marker(pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning"))
    done = yield
    _collect()
    return done


def pytest_sessionfinish() -> None:
    """A connection may also fail where no test means it to, when a broker is slow to start."""
    if "kafka" in sys.modules:
        _collect()


def _collect() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A home folder that the database server's user can reach."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="voxpop-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(home: Path) -> Iterator[str]:
    """URL (``postgresql+psycopg://``) of a server on which databases may be made."""
    given = os.environ.get("VOXPOP_DATABASE_URL")
    if given:
        yield given.replace("postgresql://", "postgresql+psycopg://", 1)
        return
    from voxpop.store import server

    lease = server.acquire(home)
    yield lease.url
    lease.release()
    server.stop(home)


@contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    """URL of an empty database, dropped afterwards."""
    name = f"voxpop_test_{uuid.uuid4().hex[:12]}"
    admin = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """URL of the test's own empty database."""
    with empty_database(server_url) as url:
        yield url


@pytest.fixture
def other_database_url(server_url: str) -> Iterator[str]:
    """URL of a second one."""
    with empty_database(server_url) as url:
        yield url


@pytest.fixture
def kafka_url() -> Iterator[str]:
    """URL of a real Kafka without our topics, before and after."""
    from tests.kafka import broker
    from voxpop.stages import TOPICS

    kafka = broker.shared()
    yield kafka.url
    kafka.forget(TOPICS.values())


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a database at the newest schema."""
    engine = create_engine(database_url)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(database_url: str, home: Path) -> Settings:
    """Settings that name the test's own database."""
    return Settings(database_url=database_url, home=home, port=0)

"""Fixtures that every room shares: a real PostgreSQL with a database of its own for each test.

``VOXPOP_DATABASE_URL`` names a server to use; without it the tests start the embedded one in a folder of their own.
A database is a copy of one that was migrated once, which takes a tenth of the time; ``empty_url`` is for the tests that
begin before the first migration.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
import uuid
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from xdist.scheduler import LoadFileScheduling

from tests.store.embedded.users import spacious
from voxpop.settings import Settings
from voxpop.store import schema

MIGRATED = f"voxpop_test_{uuid.uuid4().hex[:12]}"
"""The database at the newest schema of which the others are copies."""
MOST_WORKERS = 8
WORKER_BYTES = 3 * 2**30
"""What a worker may hold: a broker, a database and models of its own."""
LONG_FILES = (
    "dags/test_fires.py",
    "faults/test_kill.py",
    "test_replay.py",
    "contracts/test_log.py",
    "alarms/test_learning.py",
    "faults/test_boundaries.py",
    "worker/test_process.py",
    "models/test_spans.py",
    "worker/test_trouble.py",
    "browser/test_dashboard.py",
    "deploy/test_compose.py",
    "training/test_methods.py",
    "faults/test_members.py",
    "store/embedded/test_kills.py",
    "models/test_reader.py",
    "test_cli.py",
)
"""Those that take the longest, which begin first: what begins last, the others wait for."""


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # a thread that waits leaves its core to the other workers
    config.addinivalue_line("markers", "fails_to_connect: connections are refused; their sockets are not closed")


def pytest_xdist_auto_num_workers() -> int:
    """Two processes a core for ``-n auto``, as far as the memory goes, since a test waits half of its time.

    A Kafka that others share is left to one.
    """
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(2 * len(os.sched_getaffinity(0)), memory // WORKER_BYTES, MOST_WORKERS))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Gives a file to one worker, and all that needs an Airflow, which takes long to install, to one."""

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist tells no types
        def _split_scope(self, nodeid: str) -> str:
            return "tests/dags/" if nodeid.startswith("tests/dags/") else super()._split_scope(nodeid)

    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the long files first, in their order."""
    places = {Path(__file__).parent / file: place for place, file in enumerate(LONG_FILES)}
    assert all(path.exists() for path in places)
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """What is imported by now stays, so the garbage collector, which some tests ask to run, need not look at it."""
    gc.collect()
    gc.freeze()


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
    folder = Path(tempfile.mkdtemp(prefix="voxpop-test-", dir=spacious()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(home: Path) -> Iterator[str]:
    """URL (``postgresql+psycopg://``) of a server on which databases may be made."""
    with _server(home) as url, empty_database(url, name=MIGRATED) as migrated:
        engine = create_engine(migrated)
        schema.upgrade(engine)
        engine.dispose()
        yield url


@contextmanager
def _server(home: Path) -> Iterator[str]:
    given = os.environ.get("VOXPOP_DATABASE_URL")
    if given:
        yield given.replace("postgresql://", "postgresql+psycopg://", 1)
        return
    from voxpop.store.embedded import server

    lease = server.acquire(home)
    yield lease.url
    lease.release()
    server.stop(home)


@contextmanager
def empty_database(server_url: str, *, name: str = "", template: str | None = None) -> Iterator[str]:
    """URL of a database, dropped afterwards: an empty one, or a copy of ``template``, which nobody may be using."""
    name = name or f"voxpop_test_{uuid.uuid4().hex[:12]}"
    admin = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """URL of a database at the newest schema without a row, dropped afterwards."""
    with empty_database(server_url, template=MIGRATED) as url:
        yield url


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """URL of the test's own database, at the newest schema."""
    with new_database(server_url) as url:
        yield url


@pytest.fixture
def other_database_url(server_url: str) -> Iterator[str]:
    """URL of a second one."""
    with new_database(server_url) as url:
        yield url


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """URL of a database in which nothing is yet, not even a table."""
    with empty_database(server_url) as url:
        yield url


@pytest.fixture
def kafka_url() -> Iterator[str]:
    """URL of a real Kafka without our topics, before and after."""
    from tests.kafka import broker
    from voxpop.records import TOPICS

    kafka = broker.shared()
    yield kafka.url
    kafka.forget(TOPICS.values())


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the test's own database."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(database_url: str, home: Path) -> Settings:
    """Settings that name the test's own database."""
    return Settings(database_url=database_url, home=home, port=0)

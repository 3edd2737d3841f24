"""The ground of the fault tests: each backend of the log, with a store and a topic of the test alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.processes import Ground
from tests.kafka import broker


@pytest.fixture
def over_kafka(database_url: str) -> Iterator[Ground]:
    """On the broker of this test run; a member that fell silent loses its partitions after a moment."""
    ground = Ground(database_url, broker.shared().url.replace("session=6", "session=1.5"))
    yield ground
    ground.close()


@pytest.fixture
def over_sql(database_url: str) -> Iterator[Ground]:
    """On the store's own database."""
    ground = Ground(database_url)
    yield ground
    ground.close()


@pytest.fixture(params=["kafka", "sql"])
def ground(request: pytest.FixtureRequest) -> Ground:
    """On either."""
    found: Ground = request.getfixturevalue(f"over_{request.param}")
    return found

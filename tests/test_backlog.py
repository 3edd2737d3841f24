"""What waits is told by the stream as it is now, though it may have been made anew, or lain in another log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import Engine

from voxpop import consumer, retention
from voxpop.api.desk.common import Desk
from voxpop.api.desk.system import lag
from voxpop.app import App
from voxpop.backlog import waiting
from voxpop.log.base import Erased, Message
from voxpop.records import TOPICS
from voxpop.settings import Settings
from voxpop.store import positions
from voxpop.store.erasures import Subject
from voxpop.worker import Result, Step

RECORDS, LONG_AGO = 5, 1_000_000
GROUP, TOPIC = "analyst", TOPICS["document"]


def advance(engine: Engine, topic_id: str, next_offset: int) -> None:
    with engine.begin() as connection:
        claim = partial(positions.claim, connection, group=GROUP, topic=TOPIC, topic_id=topic_id, owner="a")
        for number in range(2):
            positions.advance(connection, claim(partition=number), next_offset)


@pytest.fixture(params=["database_url", "kafka_url"])
def log_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def app(settings: Settings, log_url: str) -> Iterator[App]:
    """Five documents wait in a log whose topics are new; many more of the one before were read."""
    over = Settings(database_url=settings.database_url, log_url=log_url, home=settings.home, port=0, partitions=2)
    with App(over) as app:
        app.log.publish(TOPIC, [Message(str(n).encode(), b"{}") for n in range(RECORDS)])
        advance(app.engine, "before", LONG_AGO)
        yield app


def test_what_was_read_of_another_stream_is_not_read_of_this_one(app: App) -> None:
    step = Step(group=GROUP, topics=(TOPIC,), run=lambda records: Result([], lambda _: None, []))
    (now,) = app.log.topic_ids([TOPIC]).values()
    for claimed in (False, True):
        if claimed:
            advance(app.engine, now, 0)
        assert waiting(app) == RECORDS
        assert sum(consumer._lag(app, step).values()) == RECORDS
        with app.engine.connect() as connection:
            found, _ = lag(Desk(app), connection)
        assert {row.group: (row.done, row.end) for row in found}[GROUP] == (0, RECORDS)


@pytest.mark.parametrize("log_url", ["kafka_url"], indirect=True)
def test_an_erasure_over_kafka_drops_nothing_that_is_not_read(app: App) -> None:
    place = retention.Place(engine=app.engine, log=app.log, settings=app.settings)
    counts = retention.erase(place, Subject("author", "Joe"), "ann", datetime(2030, 1, 1, tzinfo=UTC))
    assert (counts.get("log_records", 0), counts["log_records_unread"]) == (0, RECORDS)
    assert app.log.erase(TOPIC, lambda _: False, {}, dry_run=True) == Erased(0, RECORDS)

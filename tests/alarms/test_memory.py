"""What a process remembers of the stream changes no alert: a look that has forgotten everything finds the same."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.store.samples import MODEL, START, document, reading, write
from voxpop import alarms
from voxpop.alarms.past import Memory
from voxpop.records import Reading
from voxpop.store import trends

ALERTS = text(
    "SELECT alert_id, entity_id, rule, state, fired_at, last_at, window_start, score, cut, hours, stories,"
    " negative_stories, unread_stories, expected, reach FROM alerts ORDER BY alert_id"
)


@pytest.fixture
def other(other_database_url: str) -> Iterator[Engine]:
    engine = create_engine(other_database_url)
    yield engine
    engine.dispose()


def told(draw: random.Random, hour: int) -> list[Reading]:
    """What half a day brings: stories and repeats, some late, some corrected, some that spread, and bad days."""
    found = []
    for n in range(draw.randrange(2, 9)):
        at = hour + draw.random() * 12 - (draw.random() * 60 if draw.random() < 0.1 else 0)
        body = f"words {draw.randrange(400)}"
        entities = draw.sample(["acme", "bolt", "calm"], draw.choice([1, 1, 2]))
        author = draw.choice([None, "ann", "bob", f"reader{draw.randrange(50)}"])
        name = f"{hour}.{n}" if draw.random() < 0.9 else f"{max(0, hour - 12)}.{n}"  # else it corrects an earlier one
        far = zlib.crc32(name.encode()) % 60_000
        of = document(
            name,
            at,
            body,
            entities=entities,
            author=author,
            channel="social" if author else "news",
            reach=far if far % 10 == 0 else 1 + far % 60,
            sequence=hour * 100 + n,
        )
        found.append(reading(of, draw.choice(["negative", "neutral", "neutral", "positive", None])))
    if draw.random() < 0.06:
        burst = [document(f"{hour}.b{n}", hour + 5 + n / 30, f"bad {hour} {n * n}") for n in range(25)]
        found += [reading(of, "negative") for of in burst]
    if draw.random() < 0.1:
        told_at = START + timedelta(hours=hour + 3)
        for minutes, reach in ((0, 3), (10, 90_000)):
            seen = told_at + timedelta(minutes=minutes)
            of = document(
                f"{hour}.s", hour + 3, f"will it pay {hour * hour}", reach=reach, revised_at=seen, author="ann"
            )
            found.append(reading(of, "negative"))
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_look_that_remembers_and_one_that_does_not_raise_the_same(engine: Engine, other: Engine) -> None:
    draw, memory = random.Random(11), Memory()
    for hour in range(0, 75 * 24, 12):
        readings = told(draw, hour)
        for store, remembered in ((engine, memory), (other, None)):
            write(store, readings)
            with store.begin() as connection:
                trends.refresh(connection, MODEL)
            alarms.calibrate(store, MODEL, 3.0, remembered)
            alarms.raise_alerts(store, MODEL, remembered)
    with engine.connect() as one, other.connect() as two:
        remembered_rows, fresh_rows = one.execute(ALERTS).all(), two.execute(ALERTS).all()
    assert len({row.rule for row in remembered_rows}) == 2
    assert [row for row in zip(remembered_rows, fresh_rows, strict=True) if row[0] != row[1]] == []

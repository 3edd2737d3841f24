"""kill -9 of the broker: the log says that it is away, and goes on when it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.broker import Broker
from tests.kafka.test_kafka import from_start, join, numbered, read
from voxpop.errors import LogUnavailable
from voxpop.log.base import open_log

pytestmark = [pytest.mark.slow, pytest.mark.fails_to_connect]


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Broker]:
    """A broker of this test alone."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


def test_a_broker_that_dies_is_waited_for_and_nothing_is_lost(mortal: Broker) -> None:
    log = open_log(f"kafka://127.0.0.1:{mortal.plain}?timeout=4&session=6")
    log.create("t", 2)
    log.publish("t", numbered(100))
    consumer = log.subscribe("g", ["t"])
    join(consumer, 2)
    from_start(consumer)
    values = {r.value for r in read(consumer, 100)}

    mortal.kill()
    started = time.monotonic()
    with pytest.raises(LogUnavailable):
        log.publish("t", numbered(100, start=100))
    assert time.monotonic() - started < 15
    with pytest.raises(LogUnavailable):
        for _ in range(200):
            consumer.poll(100, 0.2)
    with pytest.raises(LogUnavailable):
        log.ends("t")

    mortal.start()
    deadline = time.monotonic() + 60
    while True:
        try:
            log.publish("t", numbered(100, start=100))
            break
        except LogUnavailable:
            assert time.monotonic() < deadline
    while len(values) < 200:
        assert time.monotonic() < deadline
        try:
            values |= {r.value for r in consumer.poll(1000, 0.5)}  # the same member, from where it was
        except LogUnavailable:
            continue
    consumer.close()
    log.close()
    assert values == {f"v{n}".encode() for n in range(200)}

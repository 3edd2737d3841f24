"""What every backend of the log must do. A backend is one entry in ``BACKENDS``."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, create_engine

from voxpop.errors import SettingError, VoxpopError
from voxpop.log.base import Consumer, Log, Message, Partition, Record, open_log
from voxpop.store import schema

OpenLog = Callable[[], Log]


@pytest.fixture(params=["postgresql"])
def open_one(request: pytest.FixtureRequest, database_url: str) -> Iterator[OpenLog]:
    """Opens connections to one log with a topic ``t`` of four partitions."""
    opened: list[Log] = []

    def open_it() -> Log:
        opened.append(open_log(database_url))
        return opened[-1]

    engine: Engine = create_engine(database_url)
    schema.upgrade(engine)
    engine.dispose()
    open_it().create("t", 4)
    yield open_it
    for log in opened:
        log.close()


def messages(count: int, start: int = 0) -> list[Message]:
    return [Message(f"k{n % 7}".encode(), f"v{n}".encode()) for n in range(start, start + count)]


def read(consumer: Consumer, count: int, *, seconds: float = 20.0) -> list[Record]:
    """Polls until ``count`` records came; partitions that are gained start at 0."""
    found: list[Record] = []
    sought: set[Partition] = set()
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        found += consumer.poll(1000, 0.1)
        for partition in consumer.assignment() - sought:
            consumer.seek(partition, 0)
            sought.add(partition)
    return found


def test_what_is_published_is_read_once_in_order_of_its_key(open_one: OpenLog) -> None:
    log = open_one()
    log.publish("t", messages(500))
    consumer = log.subscribe("g", ["t"])
    records = read(consumer, 500)
    assert Counter(r.value for r in records) == Counter(m.value for m in messages(500))
    for key in {m.key for m in messages(500)}:
        assert [r.value for r in records if r.key == key] == [m.value for m in messages(500) if m.key == key]
    consumer.close()


def test_offsets_are_gapless_in_each_partition(open_one: OpenLog) -> None:
    log = open_one()
    for start in range(0, 300, 100):
        log.publish("t", messages(100, start))
    consumer = log.subscribe("g", ["t"])
    by_partition: dict[Partition, list[int]] = {}
    for record in read(consumer, 300):
        by_partition.setdefault(record.partition, []).append(record.offset)
    assert all(offsets == list(range(len(offsets))) for offsets in by_partition.values())
    assert {p.number: len(o) for p, o in by_partition.items()} == {n: e for n, e in log.ends("t").items() if e}
    consumer.close()


def test_nothing_is_delivered_before_it_is_sought(open_one: OpenLog) -> None:
    log = open_one()
    log.publish("t", messages(50))
    consumer = log.subscribe("g", ["t"])
    assert consumer.poll(100, 0.5) == []
    assert consumer.poll(100, 0.5) == []
    assert len(consumer.assignment()) == 4
    consumer.close()


def test_a_consumer_starts_where_it_seeks(open_one: OpenLog) -> None:
    log = open_one()
    log.publish("t", [Message(b"same", str(n).encode()) for n in range(20)])
    consumer = log.subscribe("g", ["t"])
    consumer.poll(1, 0.0)
    for partition in consumer.assignment():
        consumer.seek(partition, 15)
    assert [r.value for r in consumer.poll(100, 2.0)] == [b"15", b"16", b"17", b"18", b"19"]
    consumer.close()


def test_interleaved_commits_of_two_producers_lose_nothing_to_a_reader(open_one: OpenLog) -> None:
    """The reader polls all the while and only moves forward, as the worker does."""
    producers, each, batch = 3, 400, 5
    reader = open_one().subscribe("g", ["t"])

    def produce(number: int) -> None:
        log, order = open_one(), random.Random(number)
        for start in range(0, each, batch):
            log.publish(
                "t",
                [Message(bytes([order.randrange(256)]), f"{number}/{n}".encode()) for n in range(start, start + batch)],
            )
            time.sleep(order.random() / 500)

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(producers)]
    for thread in threads:
        thread.start()
    values = Counter(r.value for r in read(reader, producers * each))
    for thread in threads:
        thread.join()
    assert values == Counter(f"{p}/{n}".encode() for p in range(producers) for n in range(each))
    reader.close()


def test_members_share_the_partitions_and_take_over_from_one_that_leaves(open_one: OpenLog) -> None:
    log = open_one()
    first, second = log.subscribe("g", ["t"]), open_one().subscribe("g", ["t"])

    def settle(done: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for consumer in (first, second):
                consumer.poll(1, 0.1)
            if done():
                return True
        return False

    assert settle(lambda: len(first.assignment()) == len(second.assignment()) == 2)
    assert first.assignment().isdisjoint(second.assignment())
    second.close()
    deadline = time.monotonic() + 20
    while len(first.assignment()) < 4 and time.monotonic() < deadline:
        first.poll(1, 0.1)
    assert len(first.assignment()) == 4
    first.close()


def test_groups_do_not_disturb_each_other(open_one: OpenLog) -> None:
    log = open_one()
    log.publish("t", messages(40))
    one, other = log.subscribe("one", ["t"]), open_one().subscribe("other", ["t"])
    assert len(read(one, 40)) == len(read(other, 40)) == 40
    one.close()
    other.close()


def test_creating_twice_keeps_what_is_there(open_one: OpenLog) -> None:
    log = open_one()
    log.publish("t", messages(10))
    log.create("t", 9)
    assert sum(log.ends("t").values()) == 10
    assert len(log.ends("t")) == 4


def test_any_bytes_survive(open_one: OpenLog) -> None:
    log = open_one()
    value = bytes(range(256)) * 4000
    log.publish("t", [Message(b"\x00\\\n", value), Message(b"", b"")])
    consumer = log.subscribe("g", ["t"])
    assert {(r.key, r.value) for r in read(consumer, 2)} == {(b"\x00\\\n", value), (b"", b"")}
    consumer.close()


def test_a_topic_that_does_not_exist_is_an_error_that_says_what_to_do(open_one: OpenLog) -> None:
    with pytest.raises(VoxpopError, match="does not exist"):
        open_one().publish("nowhere", messages(1))


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(SettingError, match="postgresql"):
        open_log("carrier-pigeon://loft")

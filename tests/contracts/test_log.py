"""What every backend of the log must do. A backend is one entry in ``BACKENDS``.

``KAFKA_BOOTSTRAP_SERVERS`` names brokers (without encryption) to use in place of the one that the tests start.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.kafka import broker
from voxpop.errors import SettingError, VoxpopError
from voxpop.log.base import Consumer, Log, Message, Partition, Record, open_log

SECONDS = 120.0
"""Longest wait for what must happen; no test asks how long it took."""


class Place:
    """A log with a topic of four partitions and the name of a consumer group, both of this test alone."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.topic = f"topic-{uuid.uuid4().hex}"
        self.group = f"group-{uuid.uuid4().hex}"
        self.opened: list[Log] = []
        self.consumers: list[Consumer] = []

    def open(self) -> Log:
        """A connection of its own."""
        self.opened.append(open_log(self.url))
        return self.opened[-1]

    def subscribe(self, log: Log | None = None, group: str = "") -> Consumer:
        """A member of the group; without ``log`` it has a connection of its own."""
        self.consumers.append((log or self.open()).subscribe(group or self.group, [self.topic]))
        return self.consumers[-1]

    def close(self) -> None:
        for consumer in self.consumers:
            consumer.close()
        for log in self.opened:
            log.close()


@contextmanager
def sql(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield Place(request.getfixturevalue("database_url"))


@contextmanager
def kafka(request: pytest.FixtureRequest) -> Iterator[Place]:
    hosts = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    yield Place(f"kafka://{hosts}" if hosts else broker.shared().url)


@contextmanager
def librdkafka(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Three brokers within this process, which keep nothing on disk and speak the protocol of 2017."""
    from confluent_kafka import Producer

    brokers = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "none"})
    hosts = ",".join(f"{b.host}:{b.port}" for b in brokers.list_topics().brokers.values())
    place = Place(f"kafka://{hosts}?api_version=0.11&compression=lz4&session=6")
    brokers.list_topics(place.topic)
    yield place


BACKENDS: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Place]]] = {
    "postgresql": sql,
    "kafka": kafka,
    "librdkafka": librdkafka,
}


@pytest.fixture(params=BACKENDS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with BACKENDS[request.param](request) as found:
        try:
            found.open().create(found.topic, 4)
            yield found
        finally:
            found.close()


def messages(count: int, start: int = 0) -> list[Message]:
    return [Message(f"k{n % 7}".encode(), f"v{n}".encode()) for n in range(start, start + count)]


def read(consumer: Consumer, count: int, *, seconds: float = SECONDS) -> list[Record]:
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


def read_on(consumer: Consumer, count: int, *, seconds: float = SECONDS) -> list[Record]:
    """Polls until ``count`` records came of what is sought already."""
    found: list[Record] = []
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        found += consumer.poll(1000, 0.1)
    return found


def join(consumer: Consumer, partitions: int, *, seconds: float = SECONDS) -> list[Record]:
    """Polls until the consumer owns so many partitions; what it delivered meanwhile."""
    found: list[Record] = []
    deadline = time.monotonic() + seconds
    while len(consumer.assignment()) < partitions:
        assert time.monotonic() < deadline, f"owns {sorted(consumer.assignment())} of {partitions}"
        found += consumer.poll(100, 0.5)
    return found


def test_what_is_published_is_read_once_in_order_of_its_key(place: Place) -> None:
    log = place.open()
    log.publish(place.topic, messages(500))
    consumer = place.subscribe(log)
    records = read(consumer, 500)
    assert Counter(r.value for r in records) == Counter(m.value for m in messages(500))
    for key in {m.key for m in messages(500)}:
        assert [r.value for r in records if r.key == key] == [m.value for m in messages(500) if m.key == key]


def test_offsets_are_gapless_in_each_partition(place: Place) -> None:
    log = place.open()
    for start in range(0, 300, 100):
        log.publish(place.topic, messages(100, start))
    consumer = place.subscribe(log)
    by_partition: dict[Partition, list[int]] = {}
    for record in read(consumer, 300):
        by_partition.setdefault(record.partition, []).append(record.offset)
    assert all(offsets == list(range(len(offsets))) for offsets in by_partition.values())
    assert {p.number: len(o) for p, o in by_partition.items()} == {n: e for n, e in log.ends(place.topic).items() if e}


def test_nothing_is_delivered_before_it_is_sought(place: Place) -> None:
    log = place.open()
    log.publish(place.topic, messages(50))
    consumer = place.subscribe(log)
    assert join(consumer, 4) == []
    assert consumer.poll(100, 0.5) == []
    assert consumer.poll(100, 0.5) == []


def test_a_consumer_starts_where_it_seeks(place: Place) -> None:
    log = place.open()
    log.publish(place.topic, [Message(b"same", str(n).encode()) for n in range(20)])
    consumer = place.subscribe(log)
    join(consumer, 4)
    ends = log.ends(place.topic)
    for partition in consumer.assignment():
        consumer.seek(partition, min(15, ends[partition.number]))
    assert [r.value for r in consumer.poll(100, 10.0)] == [b"15", b"16", b"17", b"18", b"19"]


def test_a_pause_holds_everything_back_and_loses_nothing(place: Place) -> None:
    log = place.open()
    log.publish(place.topic, messages(60))
    consumer = place.subscribe(log)
    join(consumer, 4)
    consumer.pause()
    for partition in consumer.assignment():  # what is sought while paused stays so
        consumer.seek(partition, 0)
    assert consumer.poll(100, 0.5) == []
    consumer.resume()
    found = read_on(consumer, 1)
    consumer.pause()
    log.publish(place.topic, messages(60, start=60))
    for _ in range(3):
        assert consumer.poll(100, 0.2) == []
    assert len(consumer.assignment()) == 4
    consumer.resume()
    found += read_on(consumer, 120 - len(found))
    assert Counter(r.value for r in found) == Counter(m.value for m in messages(120))


def test_a_pause_outlasts_a_rebalance(place: Place, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["place"] == "librdkafka":
        pytest.skip("librdkafka's broker refuses some rebalances (SyncGroup, error 42)")
    log = place.open()
    first, second = place.subscribe(log), place.subscribe()
    join(first, 4)
    for partition in first.assignment():
        first.seek(partition, 0)
    first.pause()
    log.publish(place.topic, messages(50))
    kept: list[Record] = []
    deadline = time.monotonic() + SECONDS
    while not len(first.assignment()) == len(second.assignment()) == 2:
        assert time.monotonic() < deadline
        kept += first.poll(100, 0.1)
        second.poll(1, 0.1)
    second.close()
    while len(first.assignment()) < 4:
        assert time.monotonic() < deadline
        kept += first.poll(100, 0.1)
    for partition in first.assignment():
        first.seek(partition, 0)
    kept += first.poll(100, 0.5)
    assert kept == []
    first.resume()
    assert len(read_on(first, 50)) == 50


def test_members_that_seldom_poll_share_the_partitions(place: Place, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["place"] == "librdkafka":
        pytest.skip("librdkafka's broker refuses some rebalances (SyncGroup, error 42)")
    members = [place.subscribe(), place.subscribe()]
    deadline = time.monotonic() + SECONDS
    while [len(member.assignment()) for member in members] != [2, 2]:
        assert time.monotonic() < deadline
        for member in members:
            member.poll(1, 0.0)
        time.sleep(0.3)  # so that what the broker answers arrives between two polls


def test_interleaved_commits_of_two_producers_lose_nothing_to_a_reader(place: Place) -> None:
    """The reader polls all the while and only moves forward, as the worker does."""
    producers, each, batch = 3, 400, 5
    reader = place.subscribe()

    def produce(number: int) -> None:
        log, order = place.open(), random.Random(number)
        for start in range(0, each, batch):
            log.publish(
                place.topic,
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


def test_members_share_the_partitions_and_take_over_from_one_that_leaves(
    place: Place, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["place"] == "librdkafka":
        pytest.skip("librdkafka's broker refuses some rebalances (SyncGroup, error 42)")
    log = place.open()
    first, second = place.subscribe(log), place.subscribe()

    def settle(done: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for consumer in (first, second):
                consumer.poll(1, 0.1)
            if done():
                return True
        return False

    assert settle(lambda: len(first.assignment()) == len(second.assignment()) == 2)
    assert first.assignment().isdisjoint(second.assignment())
    second.close()
    deadline = time.monotonic() + SECONDS
    while len(first.assignment()) < 4 and time.monotonic() < deadline:
        first.poll(1, 0.1)
    assert len(first.assignment()) == 4


def test_a_topic_is_known_by_the_id_that_its_partitions_bear(place: Place) -> None:
    log = place.open()
    consumer = place.subscribe(log)
    join(consumer, 4)
    assert {p.topic_id for p in consumer.assignment()} == {log.topic_ids([place.topic])[place.topic]}


def test_groups_do_not_disturb_each_other(place: Place) -> None:
    log = place.open()
    log.publish(place.topic, messages(40))
    one = place.subscribe(log)
    other = place.subscribe(group=f"{place.group}-other")
    assert len(read(one, 40)) == len(read(other, 40)) == 40


def test_creating_twice_keeps_what_is_there(place: Place) -> None:
    log = place.open()
    log.publish(place.topic, messages(10))
    log.create(place.topic, 9)
    assert sum(log.ends(place.topic).values()) == 10
    assert len(log.ends(place.topic)) == 4


def test_any_bytes_survive(place: Place) -> None:
    log = place.open()
    value = bytes(range(256)) * 4000
    log.publish(place.topic, [Message(b"\x00\\\n", value), Message(b"", b"")])
    consumer = place.subscribe(log)
    assert {(r.key, r.value) for r in read(consumer, 2)} == {(b"\x00\\\n", value), (b"", b"")}


def test_what_was_read_and_is_erased_is_gone_and_no_reader_finds_a_gap(
    place: Place, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["place"] == "librdkafka":
        pytest.skip("librdkafka's own broker deletes no records")
    log = place.open()
    log.publish(place.topic, messages(40))
    ends = log.ends(place.topic)
    half = {number: end // 2 for number, end in ends.items()}

    def about(value: bytes) -> bool:
        return value.endswith(b"7")

    counted = log.erase(place.topic, about, half, dry_run=True)
    assert counted.records > 0
    assert log.erase(place.topic, about, half) == counted
    assert log.erase(place.topic, about, half).records == 0
    assert log.ends(place.topic) == ends, "offsets go on"
    log.publish(place.topic, messages(8, 40))
    consumer = place.subscribe(log)
    join(consumer, 4)
    for partition in consumer.assignment():
        consumer.seek(partition, half[partition.number])
    rest = read_on(consumer, 40 - sum(half.values()) + 8)
    offsets = {n: [r.offset for r in rest if r.partition.number == n] for n in half}
    now = log.ends(place.topic)
    assert offsets == {n: list(range(half[n], now[n])) for n in half}, "who has read so far goes on without a gap"


def test_a_topic_that_does_not_exist_is_an_error_that_says_what_to_do(place: Place) -> None:
    with pytest.raises(VoxpopError, match="does not exist"):
        place.open().publish("nowhere", messages(1))


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(SettingError, match="postgresql"):
        open_log("carrier-pigeon://loft")

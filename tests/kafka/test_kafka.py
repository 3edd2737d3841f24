"""What only Kafka has: security, static members, topic ids, limits, and a broker that dies."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from tests.kafka import broker
from tests.kafka.broker import PASSWORD, USER, Broker
from voxpop.errors import LogUnavailable, Refused, SettingError, StoreError
from voxpop.log import kafka_consumer
from voxpop.log.base import Consumer, Log, Message, Record, open_log
from voxpop.log.kafka_consumer import KafkaMember, hold

SECONDS = 80.0
"""Longest wait for what must happen; no test asks how long it took."""


@pytest.fixture
def kafka() -> Broker:
    return broker.shared()


@pytest.fixture
def topic() -> str:
    return f"topic-{uuid.uuid4().hex}"


@pytest.fixture
def log(kafka: Broker) -> Iterator[Log]:
    log = open_log(kafka.url)
    yield log
    log.close()


@pytest.fixture
def admin(kafka: Broker) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{kafka.plain}")
    yield client
    client.close()


def numbered(count: int, start: int = 0) -> list[Message]:
    return [Message(f"k{n}".encode(), f"v{n}".encode()) for n in range(start, start + count)]


def join(consumer: Consumer, partitions: int, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while len(consumer.assignment()) != partitions:
        assert time.monotonic() < deadline, f"owns {sorted(consumer.assignment())}"
        consumer.poll(1, 0.2)


def read(consumer: Consumer, count: int, seconds: float = SECONDS) -> list[Record]:
    found: list[Record] = []
    deadline = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count}"
        found += consumer.poll(1000, 0.2)
    return found


def from_start(consumer: Consumer) -> None:
    for partition in consumer.assignment():
        consumer.seek(partition, 0)


def passes_a_message(url: str, topic: str) -> bool:
    log = open_log(url)
    log.create(topic, 1)
    log.publish(topic, numbered(3))
    consumer = log.subscribe(topic, [topic])
    join(consumer, 1)
    from_start(consumer)
    values = [r.value for r in read(consumer, 3)]
    consumer.close()
    log.close()
    return values == [b"v0", b"v1", b"v2"]


def test_scram_with_the_password_in_a_file(kafka: Broker, topic: str) -> None:
    assert passes_a_message(
        f"kafka://{USER}@127.0.0.1:{kafka.scram}?password_file={kafka.password_file}&timeout=10", topic
    )


def test_plain_over_tls_with_the_password_in_the_url(kafka: Broker, topic: str) -> None:
    at = f"{USER}:{quote(PASSWORD, safe='')}@localhost:{kafka.sasl_tls}"
    assert passes_a_message(f"kafka+ssl://{at}?mechanism=PLAIN&ca={kafka.certificates.ca}&timeout=10", topic)


def test_a_client_certificate(kafka: Broker, topic: str) -> None:
    c = kafka.certificates
    url = f"kafka+ssl://127.0.0.1:{kafka.tls}?ca={c.ca}&cert={c.client_cert}&key={c.client_key}&timeout=10"
    assert passes_a_message(url, topic)


@pytest.mark.fails_to_connect
def test_a_server_that_nobody_vouches_for_is_not_talked_to(kafka: Broker) -> None:
    at = f"{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{kafka.sasl_tls}"
    log = open_log(f"kafka+ssl://{at}?mechanism=PLAIN&timeout=2")
    with pytest.raises(LogUnavailable):
        log.ends("t")


@pytest.mark.fails_to_connect
def test_a_wrong_password_is_refused_and_shows_nowhere(
    kafka: Broker, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    log = open_log(f"kafka://{USER}@127.0.0.1:{kafka.scram}?password_file={tmp_path}/secret&timeout=3")
    # Brokers hang up after they have said why; the library sees the one or the other first.
    with caplog.at_level(logging.DEBUG), pytest.raises((SettingError, LogUnavailable), match="refuses") as raised:
        log.ends("t")
    assert "KafkaAdminClient with configuration" in caplog.text
    assert "hunter2" not in caplog.text + str(raised.value) + repr(log) + repr(vars(log))


def test_messages_travel_as_zstd(kafka: Broker, log: Log, topic: str) -> None:
    log.create(topic, 1)
    log.publish(topic, [Message(b"k", b"the same words " * 10_000)])
    stored = sum(p.stat().st_size for p in kafka.data.glob(f"{topic}-0/*.log"))
    assert 0 < stored < 5_000


def test_a_topic_has_the_partitions_asked_for_and_is_never_made_by_accident(
    log: Log, topic: str, admin: KafkaAdminClient
) -> None:
    """The broker would make any topic that a client asks for."""
    with pytest.raises(StoreError, match="does not exist"):
        log.publish(topic, numbered(1))
    consumer = log.subscribe(topic, [topic])
    assert consumer.poll(10, 1.0) == []
    assert topic not in admin.list_topics()
    log.create(topic, 7)
    assert set(log.ends(topic)) == set(range(7))
    join(consumer, 7)
    consumer.close()


def test_a_message_of_20_mb_is_refused_and_the_next_goes_through(log: Log, topic: str) -> None:
    log.create(topic, 1)
    with pytest.raises(Refused, match="20971520 bytes"):
        log.publish(topic, [*numbered(1), Message(b"", bytes(20 << 20))])
    assert log.ends(topic) == {0: 0}
    log.publish(topic, [Message(b"", bytes(range(256)) * 30_000)])
    assert log.ends(topic) == {0: 1}


def test_a_topic_with_a_smaller_limit_of_its_own_refuses(log: Log, topic: str, admin: KafkaAdminClient) -> None:
    wanted = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "2000"}}
    admin.create_topics({topic: wanted}, wait_for_metadata=True)
    with pytest.raises(Refused, match="size"):
        log.publish(topic, [Message(b"", uuid.uuid4().bytes + b"".join(uuid.uuid4().bytes for _ in range(500)))])


def test_a_topic_made_anew_is_another_stream(log: Log, topic: str, admin: KafkaAdminClient) -> None:
    """No record of the new topic is ever taken for one of the old, at the same offsets."""
    log.create(topic, 1)
    log.publish(topic, [Message(b"", b"old")] * 10)
    consumer = log.subscribe(topic, [topic])
    join(consumer, 1)
    from_start(consumer)
    (before,) = consumer.assignment()
    assert {(r.partition, r.value) for r in read(consumer, 10)} == {(before, b"old")}
    admin.delete_topics([topic])
    deadline = time.monotonic() + SECONDS
    while log.ends(topic):
        assert time.monotonic() < deadline
    log.create(topic, 1)
    log.publish(topic, [Message(b"", b"new")] * 30)
    found: list[Record] = []
    while not found:
        assert time.monotonic() < deadline + SECONDS
        found += consumer.poll(100, 0.2)
        for partition in consumer.assignment() - {before}:
            consumer.seek(partition, 0)
    consumer.close()
    assert {r.value for r in found} == {b"new"}
    assert {r.partition.topic for r in found} == {topic}
    assert before not in {r.partition for r in found}
    assert found[0].offset == 0


def test_a_gap_stops_with_an_error(log: Log, topic: str, admin: KafkaAdminClient) -> None:
    log.create(topic, 1)
    log.publish(topic, numbered(20))
    admin.delete_records({TopicPartition(topic, 0): 10})
    consumer = log.subscribe(topic, [topic])
    join(consumer, 1)
    from_start(consumer)
    with pytest.raises(StoreError, match="no longer holds"):
        read(consumer, 1)
    consumer.close()


def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(kafka: Broker, topic: str) -> None:
    one, other = (open_log(f"{kafka.url}&instance={name}") for name in ("one", "other"))
    one.create(topic, 4)
    first, second = one.subscribe(topic, [topic]), other.subscribe(topic, [topic])
    deadline = time.monotonic() + SECONDS
    while not len(first.assignment()) == len(second.assignment()) == 2:
        assert time.monotonic() < deadline
        first.poll(1, 0.1)
        second.poll(1, 0.1)
    held = first.assignment(), second.assignment()
    second.close()
    again = open_log(f"{kafka.url}&instance=other")
    third = again.subscribe(topic, [topic])
    while len(third.assignment()) < 2:
        assert time.monotonic() < deadline
        third.poll(1, 0.1)
        first.poll(1, 0.1)
        assert first.assignment() == held[0]
    assert third.assignment() == held[1]
    for part in (first, third, one, other, again):
        part.close()


def test_what_was_committed_is_there_for_kafkas_own_tools(kafka: Broker, log: Log, topic: str) -> None:
    log.create(topic, 1)
    log.publish(topic, numbered(5))
    consumer = log.subscribe(topic, [topic])
    join(consumer, 1)
    consumer.commit(dict.fromkeys(consumer.assignment(), 3))
    tools = KafkaConsumer(bootstrap_servers=f"127.0.0.1:{kafka.plain}", group_id=topic)
    deadline = time.monotonic() + SECONDS
    while tools.committed(TopicPartition(topic, 0)) != 3:
        assert time.monotonic() < deadline
    tools.close()
    consumer.close()


def test_partitions_that_are_added_while_polls_are_short_reach_their_consumer(
    log: Log, topic: str, admin: KafkaAdminClient
) -> None:
    """A join that a poll leaves unfinished goes on in the next (see ``_finish_join``)."""
    log.create(topic, 1)
    consumer = log.subscribe(topic, [topic])
    join(consumer, 1)
    admin.create_partitions({topic: 5})
    consumer.close()
    deadline = time.monotonic() + SECONDS
    while len(consumer.assignment()) < 5:
        assert time.monotonic() < deadline
        consumer.poll(1, 0.002)
    consumer.close()


def test_what_is_held_after_it_was_sought_goes_on(log: Log, topic: str) -> None:
    log.create(topic, 1)
    log.publish(topic, numbered(6))
    consumer = log.subscribe(topic, [topic])
    assert isinstance(consumer, KafkaMember)
    join(consumer, 1)
    from_start(consumer)
    assert [r.value for r in read(consumer, 6)] == [b"v%d" % n for n in range(6)]
    hold(consumer._consumer, TopicPartition(topic, 0))
    log.publish(topic, numbered(3, start=6))
    assert [r.value for r in read(consumer, 3)] == [b"v6", b"v7", b"v8"]
    consumer.close()


def test_a_place_that_the_library_lost_is_sought_again(log: Log, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_consumer, "_QUIET_SECONDS", 1.0)
    log.create(topic, 1)
    log.publish(topic, numbered(6))
    consumer = log.subscribe(topic, [topic])
    assert isinstance(consumer, KafkaMember)
    join(consumer, 1)
    from_start(consumer)
    consumer._consumer.seek(TopicPartition(topic, 0), 6)
    assert [r.value for r in read(consumer, 6)] == [b"v%d" % n for n in range(6)]
    consumer.close()

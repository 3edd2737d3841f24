"""A store or a log whose past is not what it was: restored, made anew, cut short, damaged."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg
from kafka import KafkaAdminClient, TopicPartition
from sqlalchemy import text

from tests.faults.processes import Ground, wait_for
from tests.kafka import broker
from voxpop.log.base import open_log


def administered(ground: Ground, *statements: str) -> None:
    """Runs the statements on the server, with no connection of ours to the ground's database left."""
    ground.engine.dispose()
    admin = ground.engine.url.set(drivername="postgresql", database="postgres")
    with psycopg.connect(admin.render_as_string(hide_password=False), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_restored_database_goes_on_from_its_own_positions(over_kafka: Ground) -> None:
    """Rows and positions are of one moment, so what came after it is read again, once."""
    ground = over_kafka
    ours, copy = f'"{ground.engine.url.database}"', f'"{ground.engine.url.database}_copy"'
    ground.publish(100)
    member = ground.member(name="one")
    ground.settled()
    assert member.end(signal.SIGTERM) == 0
    administered(ground, f"CREATE DATABASE {copy} TEMPLATE {ours}")
    ground.publish(100)
    member = ground.member(name="one")
    ground.settled()
    assert member.end(signal.SIGTERM) == 0
    administered(ground, f"DROP DATABASE {ours} WITH (FORCE)", f"ALTER DATABASE {copy} RENAME TO {ours}")
    assert ground.count() == 100
    ground.member(name="one")
    ground.settled()
    assert ground.count() == 200


def test_a_topic_made_anew_is_read_from_its_start(over_kafka: Ground) -> None:
    ground = over_kafka
    ground.publish(60)
    ground.member()
    ground.settled()
    broker.shared().forget([ground.topic])
    log = open_log(ground.log_url)
    log.create(ground.topic, 4)
    log.close()
    ground.publish(90)
    wait_for(lambda: ground.count() >= 150, why=ground.told)
    with ground.engine.connect() as connection:
        query = 'SELECT topic_id, count(*), count(DISTINCT (partition, "offset")) FROM seen GROUP BY 1'
        found = sorted(tuple(row)[1:] for row in connection.execute(text(query)))
    assert found == [(60, 60), (90, 90)]
    assert ground.dead() == []


def test_a_gap_in_the_log_ends_a_member_instead_of_being_passed_over(ground: Ground) -> None:
    ground.publish(40, keys=1)
    (number,) = (number for number, end in ground.ends().items() if end)
    if ground.over_kafka:
        admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{broker.shared().plain}")
        admin.delete_records({TopicPartition(ground.topic, number): 10})
        admin.close()
    else:
        with ground.engine.begin() as connection:
            connection.execute(text('DELETE FROM log_records WHERE "offset" < 10'))
    member = ground.member()
    assert member.wait() == 1
    assert "the log no longer holds the records to go on from" in member.said
    assert ground.count() == 0


def damage(segment: Path, batch: int) -> None:
    """Flips the last byte of a batch, which is a record's: each begins with its first offset and its length."""
    content, place = bytearray(segment.read_bytes()), 0
    for _ in range(batch + 1):
        place += 12 + int.from_bytes(content[place + 8 : place + 12], "big")
    content[place - 1] ^= 0xFF
    with segment.open("r+b") as file:  # in place: the broker has it open
        file.write(content)


def test_a_damaged_record_ends_a_member_instead_of_being_passed_over(over_kafka: Ground) -> None:
    ground = over_kafka
    for _ in range(10):  # a segment of ten batches
        ground.publish(10, keys=1)
    (number,) = (number for number, end in ground.ends().items() if end)
    (segment,) = broker.shared().data.glob(f"{ground.topic}-{number}/*.log")
    damage(segment, batch=3)
    member = ground.member()
    assert member.wait() == 1, member.said
    assert "or it was damaged" in member.said
    booked = ground.seen()
    assert len(booked) <= 30
    assert booked == [(number, offset) for offset in range(len(booked))]

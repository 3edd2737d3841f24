"""Records that cannot be handled: each is a dead letter with its reason, and costs its neighbours nothing."""

from __future__ import annotations

import signal
from dataclasses import replace

import msgspec
from sqlalchemy import text

from tests.faults import members
from tests.faults.processes import Ground, Member, wait_for
from voxpop.log.base import Message, open_log
from voxpop.records import TOPICS, Item, encode
from voxpop.sample import FIRST_DAY
from voxpop.settings import Settings
from voxpop.stages import item_message
from voxpop.store import deadletters

ITEM = Item(source="s", id="1", channel="news", published_at=FIRST_DAY, received_at=FIRST_DAY, text="Shares fell.")
GARBAGE = {
    b"": "not a record of type Item",
    b"\xff\xfe\x00": "not a record of type Item",
    b"null": "not a record of type Item",
    b"[" * 100_000: "not a record of type Item",
    encode(ITEM).replace(b"item/1", b"item/2"): "item/2",
    encode(ITEM).replace(b"item/1", b"document/1"): "document/1",
    encode(msgspec.structs.replace(ITEM, text="\0\u200b")): "nothing is left",
}


def test_a_poisoned_record_costs_its_neighbours_nothing(over_kafka: Ground) -> None:
    """What it raises quotes it, and cannot be stored as it is."""
    ground = over_kafka
    ground.publish(512)
    with_poison = open_log(ground.log_url)
    with_poison.publish(ground.topic, [Message(b"k1", members.POISON)])
    with_poison.close()
    ground.publish(511)
    member = ground.member(records=1024)
    wait_for(lambda: ground.count() >= 1023 and ground.dead(), why=ground.told)
    (letter,) = ground.dead()
    assert letter.payload == members.POISON
    assert "ValueError: poison" in letter.reason
    assert sum(offset for offset, _ in ground.positions().values()) == 1024
    assert ground.count() == len(set(ground.seen())) == 1023
    assert member.end(signal.SIGTERM) == 0


def test_garbage_and_unknown_versions_are_dead_letters_that_say_so(settings: Settings, kafka_url: str) -> None:
    over_kafka = replace(settings, log_url=kafka_url, partitions=1)
    with members.Cheap(over_kafka) as app:
        app.ensure_watchlist()
        with app.engine.begin() as connection:
            connection.execute(text(members.SEEN))
        for payload in GARBAGE:
            app.log.publish(TOPICS["news"], [Message(b"k", payload)])
        app.log.publish(TOPICS["news"], [item_message(ITEM)[1]])
        environ = {
            "VOXPOP_DATABASE_URL": settings.database_url,
            "VOXPOP_LOG_URL": kafka_url,
            "VOXPOP_POLL_RECORDS": "1",
        }
        member = Member(members.consume, "news", environ=environ)
        try:
            wait_for(lambda: sum(app.log.ends(TOPICS["document"]).values()) == 1, why=lambda: member.said)
            assert member.end(signal.SIGTERM) == 0, member.said
        finally:
            member.end()
        with app.engine.connect() as connection:
            _, letters = deadletters.listed(connection, None, 100)
    reasons = {letter.payload: letter.reason for letter in letters}
    assert reasons.keys() == GARBAGE.keys()
    for payload, reason in GARBAGE.items():
        assert reason in reasons[payload], payload[:100]

"""Brings what the sources read into the log, and what they refused into the dead letters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Engine

from voxpop.errors import Refused
from voxpop.log.base import Log, Message
from voxpop.records import DeadLetter, Item
from voxpop.stages import item_message
from voxpop.store import writer

BATCH = 1000


class Taken(NamedTuple):
    """How many records came in and how many were refused."""

    items: int
    refused: int


def take(records: Iterable[Item | DeadLetter], log: Log, engine: Engine) -> Taken:
    """Publishes the items and stores the refusals, some hundreds at a time, in the order in which they come."""
    items = refused = 0
    source = iter(records)
    while batch := list(islice(source, BATCH)):
        by_topic: dict[str, list[Message]] = defaultdict(list)
        dead = []
        for record in batch:
            if isinstance(record, DeadLetter):
                dead.append(record)
            else:
                topic, message = item_message(record)
                by_topic[topic].append(message)
        for topic, messages in sorted(by_topic.items()):
            too_large = _publish(log, topic, messages)
            items += len(messages) - len(too_large)
            dead += too_large
        if dead:
            with engine.begin() as connection:
                writer.write_dead_letters(connection, dead)
            refused += len(dead)
    return Taken(items, refused)


def _publish(log: Log, topic: str, messages: Sequence[Message]) -> list[DeadLetter]:
    """Publishes the messages; those that the log refuses, one by one, come back as dead letters."""
    try:
        log.publish(topic, messages)
    except Refused as refusal:
        if len(messages) == 1:
            return [DeadLetter(stage="ingest", reason=refusal.reason, payload=messages[0].value, origin=topic)]
        middle = len(messages) // 2
        return _publish(log, topic, messages[:middle]) + _publish(log, topic, messages[middle:])
    return []

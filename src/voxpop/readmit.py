"""Sends dead letters through their stage once more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from voxpop.app import App
from voxpop.errors import Refused
from voxpop.log.base import Message
from voxpop.records import TOPICS, Document, Item, decode
from voxpop.sources.door import admit
from voxpop.stages import document_message, item_message
from voxpop.store import deadletters

_BATCH = 1000


class Readmitted(NamedTuple):
    """How many went through and how many were refused again."""

    replayed: int
    refused: int


def readmit(app: App, beginnings: Sequence[str] | None) -> Readmitted:
    """Sends on the dead letters whose ids begin so (None: all).

    Each is published before it is forgotten: a kill between the two publishes it again later, which folds away.
    """
    done = [_again(app, rows) for rows in _asked(app, beginnings)]
    return Readmitted(sum(one.replayed for one in done), sum(one.refused for one in done))


def _asked(app: App, beginnings: Sequence[str] | None) -> Iterable[list[deadletters.Row]]:
    if beginnings is None:
        return deadletters.batches(app.engine, _BATCH)
    with app.engine.connect() as connection:
        return [[deadletters.one(connection, beginning) for beginning in beginnings]]


def _again(app: App, rows: Sequence[deadletters.Row]) -> Readmitted:
    through, refused = [], 0
    for row in rows:
        try:
            topic, message = _message(row)
        except Refused:
            refused += 1
            continue
        app.log.publish(topic, [message])
        through.append(row.id)
    with app.engine.begin() as connection:
        deadletters.remove(connection, through)
    return Readmitted(len(through), refused)


def _message(row: deadletters.Row) -> tuple[str, Message]:
    """What to publish: a line that was refused at the door must pass it now, a record goes to its topic again.

    Raises:
        Refused: it is still not fit.
    """
    if row.stage == "ingest":
        now = datetime.now(UTC)
        try:
            fields = msgspec.json.decode(row.payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused(f"not JSON: {error}") from error
        return item_message(admit(fields, received_at=now, now=now))
    if row.origin.startswith(TOPICS["document"]):
        return TOPICS["document"], document_message(decode(Document, row.payload))
    return item_message(decode(Item, row.payload))

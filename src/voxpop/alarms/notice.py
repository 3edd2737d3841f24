"""The word to operators that another version counts which has not read the past: one message of each such change."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine

from voxpop.alarms import history
from voxpop.alarms.history import Learning
from voxpop.alertsfile import Rules
from voxpop.records import digest
from voxpop.store import deliveries, epoch
from voxpop.store.deliveries import Delivery


def tell(engine: Engine, model: str, rules: Rules, home: Path, now: datetime) -> int:
    """Queues the message for the operators who have not got it while the version learns; returns for how many.

    While sending is held (see ``voxpop.store.epoch``) nothing is done.
    """
    if not rules.operators:
        return 0
    with engine.begin() as connection:
        learning = history.learns(connection, model)
        wanted = [] if learning is None else _wanted(connection, learning, rules)
        if not wanted or not epoch.agrees(connection, home):
            return 0
        for delivery in wanted:
            deliveries.queue(connection, delivery, now)
        mark = epoch.advance(connection, home)
    epoch.write(home, mark)
    return len(wanted)


def _wanted(connection: Connection, learning: Learning, rules: Rules) -> list[Delivery]:
    keys = {digest("learning", learning.name, receiver): receiver for receiver in rules.operators}
    known = deliveries.queued(connection, keys)
    return [_message(learning, key, receiver) for key, receiver in keys.items() if key not in known]


def _message(learning: Learning, key: str, receiver: str) -> Delivery:
    until = f"{learning.until:%Y-%m-%d}"
    subject = f"[learning] {learning.model}: until {until} alarms go by the number of stories"
    data = {"notice": "learning", "model": learning.model, "former": learning.former}
    data |= {"since": learning.since.isoformat(), "until": learning.until.isoformat()}
    return Delivery(key, receiver, "learning", "learning", [], subject, learning.said(), "warning", data)

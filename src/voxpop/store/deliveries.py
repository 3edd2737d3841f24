"""The outbox: messages that wait, those that went, and each attempt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from voxpop.store import tables

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
"""Pauses between attempts double from the first up to this; to a receiver that there is, nothing is ever given up."""


class Delivery(NamedTuple):
    """A message to one receiver."""

    key: str
    receiver: str
    alert_group: str
    notice: str
    alerts: list[str]
    subject: str
    body: str
    gravity: str
    data: dict[str, Any]


class Outcome(NamedTuple):
    """How far a message has come."""

    key: str
    receiver: str
    notice: str
    alerts: list[str]
    subject: str
    state: str
    tries: int
    queued_at: datetime
    next_at: datetime
    sent_at: datetime | None
    said: str | None


def queue(connection: Connection, delivery: Delivery, now: datetime) -> None:
    """Lets the message wait; one of the same key is there already."""
    values = {**delivery._asdict(), "state": "waiting", "next_at": now, "received_at": now}
    connection.execute(insert(tables.deliveries).values(**values).on_conflict_do_nothing())


def queued(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of the keys under which a message was queued."""
    t = tables.deliveries.c
    return set(connection.execute(select(t.key).where(t.key.in_(list(keys)))).scalars())


def next_due(connection: Connection, now: datetime, without: Collection[str]) -> Delivery | None:
    """The oldest message that is due, its row locked against other senders; none to the receivers ``without``."""
    t = tables.deliveries.c
    row = connection.execute(
        select(*(t[name] for name in Delivery._fields))
        .where(t.state == "waiting", t.next_at <= now, t.receiver.not_in(list(without)))
        .order_by(t.received_at, t.key)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    return None if row is None else Delivery(*row)


def attempted(connection: Connection, key: str, now: datetime, *, sent: bool, said: str) -> None:
    """Notes an attempt; one that failed is made again after a pause that doubles."""
    t = tables.deliveries
    tries = connection.execute(select(t.c.tries).where(t.c.key == key)).scalar_one() + 1
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries - 1, 12))
    values: dict[str, Any] = {"tries": tries, "said": said}
    values |= {"state": "sent", "sent_at": now} if sent else {"next_at": now + pause}
    connection.execute(t.update().where(t.c.key == key).values(**values))
    connection.execute(
        tables.delivery_log.insert().values(key=key, number=tries, sent=sent, said=said, received_at=now)
    )


def drop_waiting(connection: Connection, said: str) -> int:
    """Gives up every message that waits; returns how many."""
    t = tables.deliveries
    return connection.execute(t.update().where(t.c.state == "waiting").values(state="dropped", said=said)).rowcount


def unknown(connection: Connection, receivers: Collection[str], before: datetime) -> list[str]:
    """Who is none of these receivers, and for whom a message was queued before that time and waits still."""
    t = tables.deliveries.c
    names = select(t.receiver).distinct().where(t.state == "waiting", t.receiver.not_in(list(receivers)))
    return sorted(connection.execute(names.where(t.received_at < before)).scalars())


def drop_of(connection: Connection, receiver: str, before: datetime, said: str) -> int:
    """Gives up what was queued for the receiver before that time and waits still; returns how many messages."""
    t = tables.deliveries
    which = t.c.state == "waiting", t.c.receiver == receiver, t.c.received_at < before
    return connection.execute(t.update().where(*which).values(state="dropped", said=said)).rowcount


def prune_log(connection: Connection, keep: int) -> int:
    """Deletes all attempts but the last ``keep`` at each message; returns how many."""
    older = text("DELETE FROM delivery_log l USING deliveries d WHERE d.key = l.key AND l.number <= d.tries - :keep")
    return connection.execute(older, {"keep": keep}).rowcount


def waiting(connection: Connection) -> int:
    """How many messages wait."""
    t = tables.deliveries
    return int(connection.execute(select(func.count()).where(t.c.state == "waiting")).scalar_one())


def last_of(connection: Connection, group: str) -> datetime | None:
    """When the last message of the group was queued."""
    t = tables.deliveries.c
    last: datetime | None = connection.execute(
        select(func.max(t.received_at)).where(t.alert_group == group)
    ).scalar_one()
    return last


def of_alerts(connection: Connection, alerts: Sequence[str]) -> list[Outcome]:
    """The messages about any of these alerts, in their order."""
    rows = connection.execute(
        text(
            "SELECT key, receiver, notice, alerts, subject, state, tries, received_at AS queued_at, next_at, sent_at,"
            " said FROM deliveries WHERE alerts && CAST(:alerts AS text[]) ORDER BY received_at, key"
        ),
        {"alerts": list(alerts)},
    )
    return [Outcome(*row) for row in rows]

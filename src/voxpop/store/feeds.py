"""The feeds that are kept, and how far each was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from voxpop.errors import SettingError
from voxpop.store import facts
from voxpop.store.tables import feeds

_POLLING = "feeds_polled"
"""The fact of since when feeds are polled, and when one was last."""


class Kept(NamedTuple):
    """A feed as stored: ``detail`` and ``state`` are the source room's own records, as plain values."""

    name: str
    detail: dict[str, Any]
    state: dict[str, Any]
    polled_at: datetime | None
    error: str | None


def add(connection: Connection, name: str, detail: Mapping[str, Any]) -> None:
    """Keeps a feed; one of that name is replaced and read from the start.

    Raises:
        SettingError: its address is kept under another name: its items would be read, and counted, twice.
    """
    same = [feed.name for feed in kept(connection) if feed.detail["url"] == detail["url"] and feed.name != name]
    if same:
        raise SettingError(f"this address is kept already, as {same[0]!r}: remove that feed to give it another name")
    statement = insert(feeds).values(name=name, detail=dict(detail), state={})
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"detail": dict(detail), "state": {}, "polled_at": None, "error": None}
        )
    )


def kept(connection: Connection) -> list[Kept]:
    """All of them, by name."""
    rows = connection.execute(select(*(feeds.c[name] for name in Kept._fields)).order_by(feeds.c.name))
    return [Kept(*row) for row in rows]


def name_for(connection: Connection, url: str, wishes: Sequence[str]) -> str:
    """What the feed at ``url`` is called already, or else the first of ``wishes`` by which no other feed is kept."""
    names = {feed.detail["url"]: feed.name for feed in kept(connection)}
    return names.get(url) or next((wish for wish in wishes if wish not in names.values()), url)


def remove(connection: Connection, name: str) -> bool:
    """Forgets a feed; False if there is none of that name."""
    return connection.execute(delete(feeds).where(feeds.c.name == name)).rowcount == 1


def polled(connection: Connection, name: str, at: datetime, state: Mapping[str, Any] | None, error: str | None) -> None:
    """Notes a poll: its new state where it went well, its error where not."""
    values: dict[str, Any] = {"polled_at": at, "error": error}
    if state is not None:
        values["state"] = dict(state)
    connection.execute(update(feeds).where(feeds.c.name == name).values(**values))


def note_polling(connection: Connection, at: datetime, pause: timedelta) -> None:
    """Notes that a feed is polled at this time; where none was for longer than ``pause``, polling begins anew."""
    since, last = _polling(connection) or (at, at)
    facts.put(connection, _POLLING, f"{(at if at - last > pause else since).isoformat()} {at.isoformat()}")


def polling_since(connection: Connection) -> datetime | None:
    """Since when feeds were polled without a break, up to the last poll; None before the first."""
    noted = _polling(connection)
    return None if noted is None else noted[0]


def _polling(connection: Connection) -> tuple[datetime, datetime] | None:
    noted = facts.get(connection, _POLLING)
    if noted is None:
        return None
    since, last = map(datetime.fromisoformat, noted.split())
    return since, last

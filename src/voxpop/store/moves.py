"""The lives of alerts as stored: their moves, what is known of them for routing, and silences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select, text
from sqlalchemy.dialects.postgresql import insert

from voxpop.records import UNSURE_BELOW
from voxpop.store import tables

FORGOTTEN = timedelta(days=30)
"""An alert that is over and has not moved for so long is not looked at again."""

_PLANNING = 7_305_003  # any number of our own


class Row(NamedTuple):
    """A move as stored."""

    kind: str
    at: datetime
    who: str
    note: str
    person: str = ""
    """Id of who; empty: Voxpop itself, or from before ids were kept."""


class Case(NamedTuple):
    """An alert with what decides its life."""

    alert: str
    entity: str
    rule: str
    name: str
    sector: str
    own: bool
    active: bool
    """Whether the signal is still over its cut."""
    score: float
    cut: float
    worst_event: int
    """Severity of the gravest risk event in its evidence, 0 without any."""
    fired_at: datetime
    stored_at: datetime
    moves: list[Row]

    @property
    def last(self) -> Row | None:
        """The move by which it came to where it stands."""
        return next((move for move in reversed(self.moves) if move.kind not in _BESIDE), None)


_BESIDE = ("told", "withheld", "graver")
"""Moves that leave an alert where it stands."""


class StoredSilence(NamedTuple):
    """A silence as stored."""

    id: str
    starts_at: datetime
    until: datetime
    who: str
    reason: str
    entity: str
    rule: str
    sector: str
    severity: str
    person: str
    """Id of who."""


_CASES = text(
    "SELECT a.alert_id, a.entity_id, a.rule, coalesce(n.name, a.entity_id) AS name,"
    " coalesce(n.detail->>'sector', '') AS sector, coalesce(CAST(n.detail->>'own' AS boolean), false) AS own,"
    " a.state = 'firing' AS active, a.score, a.cut, coalesce(r.worst, 0) AS worst_event, a.fired_at,"
    " a.available_at AS stored_at"
    " FROM alerts a LEFT JOIN entities n ON n.entity_id = a.entity_id"
    " LEFT JOIN LATERAL (SELECT max(received_at) AS last FROM alert_moves WHERE alert_id = a.alert_id) m ON true"
    " LEFT JOIN LATERAL (SELECT max(r.severity) AS worst FROM alert_evidence e JOIN risks r"
    "  ON r.document_id = e.document_id AND r.revision = e.revision AND r.entity_id = a.entity_id"
    "  AND r.model = a.model AND r.score >= :likely WHERE e.alert_id = a.alert_id) r ON true"
    " WHERE CAST(:alerts AS text[]) IS NULL AND (a.state = 'firing' OR m.last IS NULL OR m.last > :since)"
    "  OR a.alert_id = ANY(:alerts)"
    " ORDER BY a.fired_at, a.alert_id"
).bindparams(likely=UNSURE_BELOW)


def one_planner(connection: Connection) -> None:
    """Waits until nobody else is moving alerts; held until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PLANNING})


def cases(connection: Connection, now: datetime, alerts: Sequence[str] | None = None) -> list[Case]:
    """The alerts that may still move, or those of the ids ``alerts``, by the time at which they fired."""
    asked = None if alerts is None else list(alerts)
    rows = connection.execute(_CASES, {"alerts": asked, "since": now - FORGOTTEN}).all()
    moves = moves_of(connection, [row.alert_id for row in rows])
    return [Case._make((*row, moves.get(row.alert_id, []))) for row in rows]


def moves_of(connection: Connection, alerts: Sequence[str]) -> dict[str, list[Row]]:
    """The moves of each of these alerts that has any, in their order."""
    t = tables.alert_moves.c
    found: dict[str, list[Row]] = {}
    for row in connection.execute(
        select(t.alert_id, t.kind, t.received_at, t.who, t.note, func.coalesce(t.person, ""))
        .where(t.alert_id.in_(alerts))
        .order_by(t.alert_id, t.number)
    ):
        found.setdefault(row.alert_id, []).append(Row(*row[1:]))
    return found


def append(connection: Connection, alert: str, first: int, moves: Iterable[Row]) -> None:
    """Adds moves, numbered from ``first``; another's under the same number is an error, and rolls back."""
    rows = [
        {"alert_id": alert, "number": n, "kind": m.kind, "received_at": m.at, "note": m.note}
        | {"who": m.who, "person": m.person or None}
        for n, m in enumerate(moves, start=first)
    ]
    if rows:
        connection.execute(tables.alert_moves.insert(), rows)


def beginning_with(connection: Connection, beginning: str) -> list[str]:
    """Ids of at most two alerts that begin so."""
    t = tables.alerts.c.alert_id
    return list(connection.execute(select(t).where(t.startswith(beginning, autoescape=True)).limit(2)).scalars())


def add_silence(connection: Connection, new: StoredSilence, now: datetime) -> tuple[StoredSilence, bool]:
    """Keeps a silence, unless one of its id is kept already; returns the one that is, and whether it is new."""
    values = {"silence_id" if name == "id" else name: value for name, value in new._asdict().items()}
    statement = insert(tables.silences).values(**values, received_at=now).on_conflict_do_nothing()
    if connection.execute(statement.returning(tables.silences.c.silence_id)).scalar_one_or_none() is not None:
        return new, True
    return StoredSilence(*connection.execute(_silence_of(new.id)).one()), False


def end_silence(connection: Connection, silence: str, now: datetime) -> bool:
    """Ends a silence that has not ended; False if there is none such."""
    t = tables.silences
    done = connection.execute(t.update().where(t.c.silence_id == silence, t.c.until > now).values(until=now))
    return done.rowcount == 1


_SILENCE = [tables.silences.c.silence_id, *(tables.silences.c[name] for name in StoredSilence._fields[1:])]


def _silence_of(key: str) -> Select[Any]:
    return select(*_SILENCE).where(tables.silences.c.silence_id == key)


def silence(connection: Connection, key: str) -> StoredSilence | None:
    """The silence of this id, whether it has ended or not."""
    row = connection.execute(_silence_of(key)).one_or_none()
    return None if row is None else StoredSilence(*row)


def silences(connection: Connection, since: datetime) -> list[StoredSilence]:
    """Those that had not ended at ``since``, by their beginning."""
    t = tables.silences.c
    rows = connection.execute(select(*_SILENCE).where(t.until > since).order_by(t.starts_at, t.silence_id))
    return [StoredSilence(*row) for row in rows]

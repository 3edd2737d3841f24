"""Which alerts lie in the inbox, by what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text


class Asked(NamedTuple):
    """Which alerts are asked for."""

    entities: Sequence[str] | None = None
    """About one of these; None: about any."""
    rule: str | None = None
    """Raised by this rule; None: by any."""


ALL = Asked()


class Lying(NamedTuple):
    """An alert in the inbox."""

    alert: str
    entity: str
    phase: str
    """As ``voxpop.signals.lifecycle`` names them; "pending" where nothing became of it yet."""
    fired_at: datetime


_PHASES = (
    "SELECT a.alert_id, a.entity_id, a.state, a.fired_at, coalesce(m.phase, 'pending') AS phase FROM alerts a"
    " LEFT JOIN LATERAL (SELECT CASE kind WHEN 'opened' THEN 'pending' WHEN 'fired' THEN 'firing' ELSE kind END"
    "  AS phase FROM alert_moves WHERE alert_id = a.alert_id"
    "  AND kind IN ('opened', 'fired', 'acknowledged', 'escalated', 'resolved', 'reopened')"
    "  ORDER BY number DESC LIMIT 1) m ON true"
    " WHERE (CAST(:entities AS text[]) IS NULL OR a.entity_id = ANY(:entities))"
    " AND (CAST(:rule AS text) IS NULL OR a.rule = :rule)"
)
_OPEN = text(
    f"SELECT alert_id, entity_id, phase, fired_at FROM ({_PHASES} AND (a.state = 'firing' OR m.phase IS NOT NULL)) p"  # noqa: S608
    " WHERE phase <> 'resolved' ORDER BY fired_at DESC, alert_id LIMIT :limit"
)
_OVER = text(
    f"SELECT alert_id, entity_id, phase, fired_at FROM ({_PHASES}) p"  # noqa: S608
    " WHERE (phase = 'resolved' OR (state <> 'firing' AND phase = 'pending'))"
    " AND (CAST(:at AS timestamptz) IS NULL OR (fired_at, alert_id) < (:at, :id))"
    " ORDER BY fired_at DESC, alert_id DESC LIMIT :limit"
)
_WAITING = text(
    f"SELECT count(*) FROM ({_PHASES} AND (a.state = 'firing' OR m.phase IS NOT NULL)) p"  # noqa: S608
    " WHERE phase IN ('firing', 'escalated', 'reopened')"
)
MOST_OPEN = 500


def open_alerts(connection: Connection, asked: Asked = ALL) -> list[Lying]:
    """Those that are not done with, the newest first."""
    return [Lying(*row) for row in connection.execute(_OPEN, {**_values(asked), "limit": MOST_OPEN})]


def waiting(connection: Connection) -> int:
    """How many wait for someone to take them on."""
    return int(connection.execute(_WAITING, _values(ALL)).scalar_one())


def over(
    connection: Connection, limit: int, asked: Asked = ALL, *, after: tuple[datetime, str] | None = None
) -> list[Lying]:
    """Those that are done with, the newest first.

    Args:
        after: time and id of the last alert of the page before; many fire at one moment, such as midnight.
    """
    at, last = after or (None, None)
    rows = connection.execute(_OVER, {**_values(asked), "limit": limit, "at": at, "id": last})
    return [Lying(*row) for row in rows]


def _values(asked: Asked) -> dict[str, Any]:
    return {"entities": None if asked.entities is None else list(asked.entities), "rule": asked.rule}


_ABOUT = text(
    "SELECT alert_id FROM alerts WHERE entity_id = ANY(:entities) AND fired_at >= :since"
    " ORDER BY fired_at DESC, alert_id LIMIT 200"
)


def about(connection: Connection, entities: Sequence[str], since: datetime) -> list[str]:
    """Ids of the alerts about these entities that fired since then, the newest first."""
    return list(connection.execute(_ABOUT, {"entities": list(entities), "since": since}).scalars())

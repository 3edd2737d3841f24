"""A look at the stream: what has changed since the last one is judged by the cuts in force, and alerts are stored."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from voxpop.alarms import history
from voxpop.alarms.cuts import SHARES
from voxpop.alarms.history import BACK
from voxpop.alarms.judging import Judged, judge
from voxpop.alarms.past import MINUTE, Memory, Past, Window
from voxpop.records import Alert, digest
from voxpop.signals.episodes import Moments, episodes
from voxpop.signals.windows import HOUR
from voxpop.store import alerts, facts, told, trends

QUIET = timedelta(hours=24)
"""An entity that stays below the cut for so long is over its episode."""


def raise_alerts(engine: Engine, model: str, memory: Memory | None = None) -> int:
    """Judges what has changed by the cuts in force, and stores the alerts that this raises; returns how many are new.

    Args:
        memory: what an earlier look has read, of the same store.
    """
    with engine.begin() as connection:
        return raise_within(connection, model, memory or Memory())


def raise_within(connection: Connection, model: str, memory: Memory) -> int:
    """As :func:`raise_alerts`, within the caller's transaction."""
    of = history.of(connection, model)
    cuts = {rule: history.cuts(connection, rule, of) if of else [] for rule in SHARES}
    seen = memory.read(connection, model, BACK) if any(cuts.values()) else None
    if seen is None:
        return 0
    news = _news(connection, seen)
    new = sum(_save(connection, seen, judged, cuts[judged.rule], model) for judged in judge(seen, model, news))
    for rule in SHARES:
        alerts.resolve(connection, rule, seen.end - QUIET)
    _note(connection, seen)
    return new


def look_on_from(connection: Connection, model: str, at: datetime) -> None:
    """Has the next look of ``model`` judge only what became available after ``at``."""
    facts.put(connection, _JUDGED + model, at.isoformat())


_JUDGED = "judged_to "
"""Name of the fact, with the model's: up to when the changes of the stream have been judged."""


def _news(connection: Connection, seen: Past) -> list[Window] | None:
    """The windows that changed since the last look; None at the first."""
    judged_to = facts.get(connection, _JUDGED + seen.of.name)
    if judged_to is None:
        return None
    changes = trends.changes(connection, seen.of.name, seen.start, datetime.fromisoformat(judged_to))
    return [(point.entity, point.start) for point in changes.points]


def _note(connection: Connection, seen: Past) -> None:
    """What came after ``seen`` was read is news to the next look."""
    if seen.known_to is not None:
        facts.put(connection, _JUDGED + seen.of.name, seen.known_to.isoformat())


def _save(connection: Connection, seen: Past, judged: Judged, cuts: list[tuple[datetime, float]], model: str) -> int:
    new = 0
    limits = _limits(seen, judged.moments, cuts)
    raised: dict[str, list[tuple[datetime, str]]] | None = None
    for episode in filter(judged.is_news, episodes(judged.moments, limits, quiet=QUIET / HOUR)):
        if raised is None:
            raised = told.raised(connection, judged.rule)
        alert = judged.alert(episode)
        end = seen.time(judged.moments.at[episode.end])
        alert = msgspec.structs.replace(
            alert,
            id=_id_of(alert, raised.get(alert.entity, [])),
            cut=float(limits[episode.start]),
            evidence=alert.evidence
            or alerts.evidence(
                connection, alert.entity, model, alert.window_start, end + MINUTE, every=seen.of.by_volume
            ),
        )
        new += alerts.save(connection, alert, "resolved" if seen.end - end >= QUIET else "firing", end)
    return new


def _limits(seen: Past, moments: Moments, cuts: list[tuple[datetime, float]]) -> NDArray[np.float64]:
    """The cut at each moment: the last one set before it; infinite while there is none."""
    limits = np.full(len(moments.at), np.inf)
    for at, cut in cuts:
        limits[moments.at > (at - seen.start) / HOUR] = cut
    return limits


def _id_of(alert: Alert, raised: list[tuple[datetime, str]]) -> str:
    """The id of the alert that this episode raised before late news moved its beginning, else a new one."""
    for at, alert_id in raised:
        if abs(at - alert.fired_at) < QUIET:
            return alert_id
    return digest(alert.rule, alert.entity, alert.fired_at.isoformat())

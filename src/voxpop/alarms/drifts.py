"""The rule of drift: operators hear when the stream, or what is read in it, is no longer what it was.

The last day that is over is judged anew at each run, so that late news still counts in it, and a row is kept of each
day; a run for an earlier window judges the day that was the last one then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from voxpop.alarms import history
from voxpop.records import Alert, digest
from voxpop.signals import drift
from voxpop.signals.meaning import DRIFT
from voxpop.signals.windows import HOUR
from voxpop.store import alerts
from voxpop.store import drifts as stored_drifts
from voxpop.store.drifts import Drift

_DAY = timedelta(days=1)
_BACK = timedelta(days=63)
"""Alerts of days before are over."""
MEASURES = {
    "labels": "sentiment labels",
    "unsure": "unsure labels",
    "languages": "languages",
    "links": "links to companies",
}
"""Each of the counts and what operators call it, which is the entity of its alerts."""
_OF_OPINION = ("labels", "unsure")
"""What a version can only be compared on with what it has read itself."""


def raise_alerts(connection: Connection, model: str, now: datetime) -> int:
    """Judges the last day that is over at ``now``, and stores its rows and alerts; returns how many alerts are new.

    The day is the stream's own: one in which the stream has not yet gone on is not over.
    """
    heard = stored_drifts.heard(connection)
    if heard is None:
        return 0
    until = min(now, heard[1]).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if heard[0] <= until - drift.RECENT - drift.KNOWN:
        for found in _judged(connection, model, until):
            stored_drifts.save(connection, found)
    return _alert(connection, model, stored_drifts.since(connection, model, until - _BACK))


def _judged(connection: Connection, model: str, until: datetime) -> Iterator[Drift]:
    of, learning = drift.spans(until), history.learning(connection, model)
    read = learning is None or learning.read_from <= until - drift.RECENT - drift.KNOWN
    recent, usual = (stored_drifts.counted(connection, model, *window) for window in of)
    for field, measure in MEASURES.items():
        if field in _OF_OPINION and not read:
            continue
        counts = getattr(recent, field), getattr(usual, field)
        score = drift.judge(*counts)
        if score is not None:
            yield Drift(measure, model, until, score, *counts)


def episodes(found: Sequence[Drift]) -> list[list[Drift]]:
    """Days in a row on which one measure has drifted; they come by measure and day, and a day not judged ends none."""
    runs: list[list[Drift]] = []
    last: Drift | None = None
    for one in found:
        if one.score >= drift.LARGE:
            goes_on = last is not None and last.measure == one.measure and last.score >= drift.LARGE
            runs[-1].append(one) if goes_on else runs.append([one])
        last = one
    return runs


def _alert(connection: Connection, model: str, found: Sequence[Drift]) -> int:
    new, standing = 0, []
    latest = {one.measure: one.until for one in found}
    known = [alert for alert in alerts.stored(connection) if alert.rule == DRIFT]
    for episode in episodes(found):
        alert = _alert_of(episode, known)
        goes_on = episode[-1].until == latest[alert.entity]
        new += alerts.save(connection, alert, "firing" if goes_on else "resolved")
        standing.append(alert.id)
    alerts.resolve_others(connection, DRIFT, standing)
    return new


def _alert_of(episode: Sequence[Drift], known: Sequence[Alert]) -> Alert:
    first, worst = episode[0], max(episode, key=lambda one: one.score)
    same = (a for a in known if a.entity == first.measure and abs(a.fired_at - first.until) <= _DAY)
    raised = next(same, None)  # late news may move its first day
    return Alert(
        id=raised.id if raised else digest(DRIFT, first.measure, first.model, first.until.isoformat()),
        entity=first.measure,
        rule=DRIFT,
        fired_at=first.until,
        window_start=first.until - drift.RECENT,
        score=worst.score,
        cut=drift.LARGE,
        hours=drift.RECENT // HOUR,
        stories=sum(worst.recent.values()),
        expected=0.0,
        negative_stories=0,
        unread_stories=0,
        model=first.model,
    )

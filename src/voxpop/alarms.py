"""What turns stored stories into alerts: surges and spreading, judged in the stream's own time.

All is computed anew from what is stored, at the minute of each story or figure of reach, so that a second look, a
restart or a replay gives the same alerts at the same minutes. What is older than ``BACK`` is not judged any more.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from voxpop import past
from voxpop.errors import StoreError
from voxpop.past import MINUTE, Past
from voxpop.records import Alert, digest
from voxpop.signals import spread, surge
from voxpop.signals.episodes import DAY, Episode, Moments, alarms, cut_for, episodes
from voxpop.signals.meaning import SPREAD
from voxpop.signals.windows import HOUR
from voxpop.store import alerts, told

SURGE = "surge"
SHARES = {SURGE: 0.8, SPREAD: 0.2}
"""How the rules share the budget."""
LEAST = {SURGE: 5.3, SPREAD: 3.0}
"""The lowest cuts. A lower one would raise more than one false surge a company and year on streams of low counts
(benchmarks/lowcount.py), or take one negative story of a thousand for spreading."""
LEARNING = timedelta(days=7)
"""Until so much of the stream is known the desk has no cut, so nothing alarms; then the cut is set anew as often."""
QUIET = timedelta(hours=24)
"""An entity that stays below the cut for so long is over its episode."""
BACK = timedelta(days=63)
"""How far the stream is looked back over: what is usual, and the weeks that a cut is set on."""
WARM_UP = 75.0
"""Hours at the beginning that no rule judges, so that they are not taken for calm ones."""


class Judged(NamedTuple):
    """What one rule says."""

    rule: str
    moments: Moments
    alert: Callable[[Episode], Alert]
    """The figures of an episode; id and cut are still open."""


def judge(seen: Past, model: str) -> tuple[Judged, ...]:
    """What each rule says of all that was seen."""
    return _surges(seen, model), _spreading(seen, model)


def _surges(seen: Past, model: str) -> Judged:
    judged = surge.judge(seen.stories, seen.told, seen.start.weekday() * 24)
    moments = Moments(seen.told.entity, seen.told.at, judged.score)

    def alert(of: Episode) -> Alert:
        opened = float(moments.at[of.start]) - float(judged.horizon[of.start])
        since = (moments.entity == moments.entity[of.start]) & (moments.at > opened)
        labels = [seen.rows[n].label for n in np.flatnonzero(since).tolist() if n <= of.end]
        return Alert(
            id="",
            entity=seen.rows[of.start].entity,
            rule=SURGE,
            fired_at=seen.time(moments.at[of.start]),
            window_start=seen.time(opened),
            score=float(judged.score[of.peak]),
            cut=0.0,
            hours=int(judged.horizon[of.peak]),
            stories=int(judged.seen[of.peak]),
            expected=float(judged.expected[of.peak]),
            negative_stories=labels.count("negative"),
            unread_stories=labels.count(None),
            model=model,
        )

    return Judged(SURGE, moments, alert)


def _spreading(seen: Past, model: str) -> Judged:
    """Of each entity the growth of the stories that speak of it negatively."""
    reach, voices = past.reach_of(seen)
    judged = spread.judge(reach, voices)
    sights: dict[str, list[int]] = {}
    for n in np.flatnonzero(judged.score > 0).tolist():
        sights.setdefault(seen.sights[n].story, []).append(n)
    grown = [
        (int(entity), float(reach.at[n]), n, row)
        for row, (of, entity) in enumerate(zip(seen.rows, seen.told.entity, strict=True))
        if of.label == "negative"
        for n in sights.get(of.story, [])
        if reach.at[n] >= seen.told.at[row]
    ]
    grown.sort()
    which = np.array([n for _, _, n, _ in grown], dtype=np.int64)
    moments = Moments(
        np.array([one[0] for one in grown], dtype=np.int64), np.array([one[1] for one in grown]), judged.score[which]
    )

    def alert(of: Episode) -> Alert:
        story, peak = seen.rows[grown[of.start][3]], which[of.peak]
        return Alert(
            id="",
            entity=story.entity,
            rule=SPREAD,
            fired_at=seen.time(moments.at[of.start]),
            window_start=min(seen.time(seen.hours(story.at)), seen.time(moments.at[of.start])),
            score=float(judged.score[peak]),
            cut=0.0,
            hours=1,
            stories=len({grown[n][3] for n in range(of.start, of.end + 1)}),
            expected=float(judged.usual[peak]),
            negative_stories=len({grown[n][3] for n in range(of.start, of.end + 1)}),
            unread_stories=0,
            model=model,
            reach=int(judged.gained[peak]),
            evidence=tuple(dict.fromkeys(seen.rows[grown[n][3]].document for n in range(of.start, of.end + 1))),
        )

    return Judged(SPREAD, moments, alert)


def raise_alerts(engine: Engine, model: str) -> int:
    """Judges what is stored by the cuts in force, and stores the alerts that this raises; returns how many are new."""
    with engine.begin() as connection:
        cuts = {rule: alerts.cuts(connection, rule, model) for rule in SHARES}
        seen = past.read(connection, model, BACK) if any(cuts.values()) else None
        if seen is None:
            return 0
        return sum(_save(connection, seen, judged, cuts[judged.rule], model) for judged in judge(seen, model))


def _save(connection: Connection, seen: Past, judged: Judged, cuts: list[tuple[datetime, float]], model: str) -> int:
    new = 0
    limits = _limits(seen, judged.moments, cuts)
    raised = told.raised(connection, judged.rule, model)
    for episode in episodes(judged.moments, limits, quiet=QUIET / HOUR):
        alert = judged.alert(episode)
        end = seen.time(judged.moments.at[episode.end])
        alert = msgspec.structs.replace(
            alert,
            id=_id_of(alert, raised.get(alert.entity, [])),
            cut=float(limits[episode.start]),
            evidence=alert.evidence
            or alerts.evidence(connection, alert.entity, model, alert.window_start, end + MINUTE),
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


def calibrate(engine: Engine, model: str, budget_per_day: float) -> int:
    """Sets the cuts at the end of each learning span of the stream, from what had been said by then."""
    with engine.begin() as connection:
        span = alerts.span(connection)
        if span is None:
            return 0
        known = {at for at, _ in alerts.cuts(connection, SURGE, model)}
        due = [at for at in _learned(*span) if at not in known and at >= span[1] - BACK]
        seen = past.read(connection, model, BACK) if due else None
        if seen is None:
            return 0
        judged = judge(seen, model)
        for at in due:
            for one in judged:
                cut = _cut(one, WARM_UP, (at - seen.start) / HOUR, budget_per_day)
                alerts.save_cut(connection, one.rule, model, at, cut, SHARES[one.rule] * budget_per_day)
        return len(due)


def _learned(start: datetime, last: datetime) -> list[datetime]:
    first = start.replace(minute=0, second=0, microsecond=0)
    return [first + n * LEARNING for n in range(1, (last - first) // LEARNING + 1)]


def _cut(judged: Judged, start: float, end: float, budget_per_day: float) -> float:
    """The cut of a rule that spends its share of the budget in the hours [start, end) of the stream."""
    share, least = SHARES[judged.rule] * budget_per_day, LEAST[judged.rule]
    return cut_for(judged.moments.between(start, end), end - start, share, least=least)


class Calibration(NamedTuple):
    """A cut that spends the budget over the stored history, and what it really spends."""

    rule: str
    cut: float
    budget_per_day: float
    in_sample: float
    """Alerts a day over all that is stored, by this cut."""
    first_cut: float
    """The cut that the first half alone would have set."""
    out_of_sample: float
    """Alerts a day that this other cut raises in the second half."""


def spend(engine: Engine, model: str, budget_per_day: float, *, keep: bool = True) -> list[Calibration]:
    """Replays the whole stored history and sets the cuts that spend the budget, from its end on.

    Args:
        engine: the store.
        model: whose opinions count.
        budget_per_day: alerts a day over all entities and rules.
        keep: store the cuts.

    Raises:
        StoreError: less than two learning spans are stored, so that no half can judge the other.
    """
    with engine.begin() as connection:
        seen = past.read(connection, model)
        if seen is None or seen.end - seen.start < 2 * LEARNING:
            raise StoreError(f"calibrating needs {2 * LEARNING.days} days of history; run this again later")
        end = (seen.end - seen.start) / HOUR
        found = [_calibration(judged, end, budget_per_day) for judged in judge(seen, model)]
        for one in found if keep else []:
            alerts.save_cut(connection, one.rule, model, seen.end, one.cut, one.budget_per_day, replace=True)
        return found


def _calibration(judged: Judged, end: float, budget_per_day: float) -> Calibration:
    half = (WARM_UP + end) / 2
    cut, first = (_cut(judged, WARM_UP, until, budget_per_day) for until in (end, half))

    def spent(by: float, start: float) -> float:
        return alarms(judged.moments.between(start, end), by) * DAY / (end - start)

    share = SHARES[judged.rule] * budget_per_day
    return Calibration(judged.rule, cut, share, spent(cut, WARM_UP), first, spent(first, half))

"""What turns stored stories into alerts: surges and spreading, judged in the stream's own time.

All follows from what is stored, at the minute of each story or figure of reach, so that a second look, a restart or a
replay gives the same alerts at the same minutes. A look judges what has changed since the last one: an episode in which
nothing is new stays as it was judged, so that no alert is raised by what has only become less well known, at the far
end of what is looked back over. What is older than ``BACK`` is not judged any more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from voxpop import past
from voxpop.errors import StoreError
from voxpop.past import MINUTE, Memory, Past, Window
from voxpop.records import Alert, digest
from voxpop.signals import simmer, spread, surge
from voxpop.signals.episodes import DAY, Episode, Moments, alarms, cut_for, episodes
from voxpop.signals.meaning import SIMMER, SPREAD
from voxpop.signals.windows import HOUR
from voxpop.store import alerts, facts, told, trends
from voxpop.store.told import ToldStory

SURGE = "surge"
SHARES = {SURGE: 0.75, SPREAD: 0.15, SIMMER: 0.1}
"""How the rules share the budget."""
LEAST = {SURGE: 5.3, SPREAD: 3.0, SIMMER: 2.5}
"""The lowest cuts. A lower one would raise more than one false surge a company and year on streams of low counts, more
than one false dispute a company and ten years (benchmarks/lowcount.py), or take one negative story of a thousand for
spreading."""
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
    is_news: Callable[[Episode], bool]
    """Whether something of an episode is new."""


def judge(seen: Past, model: str, news: Collection[Window] | None = None) -> tuple[Judged, ...]:
    """What each rule says of all that was seen.

    Args:
        news: judge only episodes in which one of these windows lies (None: all).
    """
    return _surges(seen, model, news), _spreading(seen, model, news), _simmering(seen, model, news)


def _surges(seen: Past, model: str, news: Collection[Window] | None) -> Judged:
    rows = seen.rows(None if news is None else _swelling(seen, news))
    told = seen.told(rows)
    return _by_stories(SURGE, seen, rows, told, surge.judge_by(seen.known, told), model, news)


def _simmering(seen: Past, model: str, news: Collection[Window] | None) -> Judged:
    rows = seen.rows(None if news is None else _smouldering(seen, news))
    told = seen.told(rows)
    return _by_stories(SIMMER, seen, rows, told, simmer.judge(seen.known, told), model, news)


def _by_stories(
    rule: str,
    seen: Past,
    rows: list[ToldStory],
    told: surge.Told,
    judged: surge.Judgement,
    model: str,
    news: Collection[Window] | None,
) -> Judged:
    """What a rule says of which each story has a score."""
    moments = Moments(told.entity, told.at, judged.score)

    def alert(of: Episode) -> Alert:
        opened = float(moments.at[of.start]) - float(judged.horizon[of.start])
        since = (moments.entity == moments.entity[of.start]) & (moments.at > opened)
        labels = [rows[n].label for n in np.flatnonzero(since).tolist() if n <= of.end]
        return Alert(
            id="",
            entity=rows[of.start].entity,
            rule=rule,
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

    hours = None if news is None else _by_entity(news)

    def is_news(of: Episode) -> bool:
        if hours is None:
            return True
        opened = seen.time(float(moments.at[of.start]) - float(judged.horizon[of.start]))
        end = seen.time(float(moments.at[of.end]))
        return any(opened < at + HOUR and at <= end for at in hours[rows[of.start].entity])

    return Judged(rule, moments, alert, is_news)


def _by_entity(news: Iterable[Window]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {}
    for entity, at in news:
        found.setdefault(entity, []).append(at)
    return found


def _swelling(seen: Past, news: Iterable[Window]) -> list[str]:
    """The entities of which enough was told around a window of theirs for the rule to judge it."""
    rule = surge.Rule()
    reach = timedelta(hours=max(rule.horizons))
    found = []
    for entity, hours in _by_entity(news).items():
        against = [row.at for row in seen.rows([entity]) if row.label != "positive"]
        if any(
            bisect_left(against, at + HOUR + reach) - bisect_left(against, at - reach) >= rule.least_stories
            for at in hours
        ):
            found.append(entity)
    return found


_LONG = timedelta(days=28)
"""The stories of a dispute lie closer to each other than this."""


def _smouldering(seen: Past, news: Iterable[Window]) -> list[str]:
    """The entities of which enough was told, within weeks of a window of theirs, for the rule of disputes to judge."""
    least, found = simmer.Rule().least_adverse, []
    for entity, hours in _by_entity(news).items():
        adverse = [row.at for row in seen.rows([entity]) if row.label in ("negative", None)]
        if any(
            bisect_left(adverse, at + _LONG) - bisect_left(adverse, at - _LONG) >= least
            and bisect_left(adverse, at.replace(hour=0)) < len(adverse)
            for at in hours
        ):
            found.append(entity)
    return found


def _spreading(seen: Past, model: str, news: Collection[Window] | None) -> Judged:
    """Of each entity the growth of the stories that speak of it negatively."""
    growing = None if news is None else {s for s in seen.stories_of(news) if past.may_spread(seen.sights_of(s))}
    rows = [] if growing == set() else [row for row in seen.rows() if row.label == "negative"]
    if growing is not None:
        entities = {row.entity for row in rows if seen.story_of(row) in growing}
        rows = [row for row in rows if row.entity in entities]
    shown = seen.sights() if rows else []
    reach, voices = past.reach_of(seen, shown)
    judged = spread.judge(reach, voices)
    sights: dict[str, list[int]] = {}
    for n in np.flatnonzero(judged.score > 0).tolist():
        sights.setdefault(shown[n].story, []).append(n)
    place = {entity: number for number, entity in enumerate(seen.entities)}
    grown = [
        (place[row.entity], float(reach.at[n]), n, number)
        for number, row in enumerate(rows)
        for n in sights.get(seen.story_of(row), [])
        if reach.at[n] >= seen.hours(row.at)
    ]
    grown.sort()
    which = np.array([n for _, _, n, _ in grown], dtype=np.int64)
    moments = Moments(
        np.array([one[0] for one in grown], dtype=np.int64), np.array([one[1] for one in grown]), judged.score[which]
    )

    def told(of: Episode) -> list[ToldStory]:
        return [rows[grown[n][3]] for n in range(of.start, of.end + 1)]

    def alert(of: Episode) -> Alert:
        first, peak, stories = rows[grown[of.start][3]], which[of.peak], len({row.story for row in told(of)})
        return Alert(
            id="",
            entity=first.entity,
            rule=SPREAD,
            fired_at=seen.time(moments.at[of.start]),
            window_start=min(seen.time(seen.hours(first.at)), seen.time(moments.at[of.start])),
            score=float(judged.score[peak]),
            cut=0.0,
            hours=1,
            stories=stories,
            expected=float(judged.usual[peak]),
            negative_stories=stories,
            unread_stories=0,
            model=model,
            reach=int(judged.gained[peak]),
            evidence=tuple(dict.fromkeys(row.document for row in told(of))),
        )

    def is_news(of: Episode) -> bool:
        return growing is None or any(seen.story_of(row) in growing for row in told(of))

    return Judged(SPREAD, moments, alert, is_news)


def raise_alerts(engine: Engine, model: str, memory: Memory | None = None) -> int:
    """Judges what has changed by the cuts in force, and stores the alerts that this raises; returns how many are new.

    Args:
        memory: what an earlier look has read, of the same store.
    """
    with engine.begin() as connection:
        return raise_within(connection, model, memory or Memory())


def raise_within(connection: Connection, model: str, memory: Memory) -> int:
    """As :func:`raise_alerts`, within the caller's transaction."""
    cuts = {rule: alerts.cuts(connection, rule, model) for rule in SHARES}
    seen = memory.read(connection, model, BACK) if any(cuts.values()) else None
    if seen is None:
        return 0
    news = _news(connection, model, seen)
    new = sum(_save(connection, seen, judged, cuts[judged.rule], model) for judged in judge(seen, model, news))
    for rule in SHARES:
        alerts.resolve(connection, rule, seen.end - QUIET)
    _note(connection, model, seen)
    return new


def look_on_from(connection: Connection, model: str, at: datetime) -> None:
    """Has the next look of ``model`` judge only what became available after ``at``."""
    facts.put(connection, _JUDGED + model, at.isoformat())


def looked_back(connection: Connection) -> datetime | None:
    """The midnight from which on documents are judged; None while nobody is named in any."""
    span = alerts.span(connection)
    since = None if span is None else max(span[0], span[1] - BACK)
    return None if since is None else since.replace(hour=0, minute=0, second=0, microsecond=0)


_JUDGED = "judged_to "
"""Name of the fact, with the model's: up to when the changes of the stream have been judged."""


def _news(connection: Connection, model: str, seen: Past) -> list[Window] | None:
    """The windows that changed since the last look; None at the first."""
    judged_to = facts.get(connection, _JUDGED + model)
    if judged_to is None:
        return None
    changes = trends.changes(connection, model, seen.start, datetime.fromisoformat(judged_to))
    return [(point.entity, point.start) for point in changes.points]


def _note(connection: Connection, model: str, seen: Past) -> None:
    """What came after ``seen`` was read is news to the next look."""
    if seen.known_to is not None:
        facts.put(connection, _JUDGED + model, seen.known_to.isoformat())


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


def calibrate(engine: Engine, model: str, budget_per_day: float, memory: Memory | None = None) -> int:
    """Sets the cuts at the end of each learning span of the stream, from what had been said by then.

    None is set for a time before the last one: what was judged by it stays so.
    """
    with engine.begin() as connection:
        span = alerts.span(connection)
        if span is None:
            return 0
        last = max((at for at, _ in alerts.cuts(connection, SURGE, model)), default=span[0])
        due = [at for at in _learned(*span) if at > last and at >= span[1] - BACK]
        seen = (memory or Memory()).read(connection, model, BACK) if due else None
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
        found = calibrations(seen, model, budget_per_day)
        for one in found if keep else []:
            assert seen is not None
            alerts.save_cut(connection, one.rule, model, seen.end, one.cut, one.budget_per_day, replace=True)
        return found


def calibrations(seen: Past | None, model: str, budget_per_day: float) -> list[Calibration]:
    """The cuts that spend the budget over all that was seen.

    Raises:
        StoreError: less than two learning spans were.
    """
    if seen is None or seen.end - seen.start < 2 * LEARNING:
        raise StoreError(f"calibrating needs {2 * LEARNING.days} days of history; run this again later")
    end = (seen.end - seen.start) / HOUR
    return [_calibration(judged, end, budget_per_day) for judged in judge(seen, model)]


def _calibration(judged: Judged, end: float, budget_per_day: float) -> Calibration:
    half = (WARM_UP + end) / 2
    cut, first = (_cut(judged, WARM_UP, until, budget_per_day) for until in (end, half))

    def spent(by: float, start: float) -> float:
        return alarms(judged.moments.between(start, end), by) * DAY / (end - start)

    share = SHARES[judged.rule] * budget_per_day
    return Calibration(judged.rule, cut, share, spent(cut, WARM_UP), first, spent(first, half))

"""The cuts from which on a score is an alert: each rule spends its share of a budget of alerts a day."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from voxpop.alarms import history, past
from voxpop.alarms.history import BACK, LEARNING
from voxpop.alarms.judging import Judged, judge
from voxpop.alarms.past import Memory, Past
from voxpop.errors import StoreError
from voxpop.signals.episodes import DAY, alarms, cut_for
from voxpop.signals.meaning import SIMMER, SPREAD, SURGE
from voxpop.signals.windows import HOUR, hour_of
from voxpop.store import alerts, trends

SHARES: dict[str, float] = {SURGE: 0.75, SPREAD: 0.15, SIMMER: 0.1}
"""How the rules share the budget."""
LEAST: dict[str, float] = {SURGE: 5.3, SPREAD: 3.0, SIMMER: 2.5}
"""The lowest cuts. A lower one would raise more than one false surge a company and year on streams of low counts, more
than one false dispute a company and ten years (benchmarks/lowcount.py), or take one negative story of a thousand for
spreading."""
WARM_UP = 75.0
"""Hours at the beginning that no rule judges, so that they are not taken for calm ones."""


def calibrate(engine: Engine, model: str, budget_per_day: float, memory: Memory | None = None) -> int:
    """Sets the cuts at the end of each learning span of the stream, from what had been said by then.

    None is set for a time before the last one: what was judged by it stays so.
    """
    with engine.begin() as connection:
        of = history.of(connection, model)
        if of is None or (of.by_volume and trends.stale(connection, hour_of(of.cut_from))):
            return 0  # the windows of a name that is new are not all computed yet
        last = max((at for at, _ in history.cuts(connection, SURGE, of)), default=None)
        due = [at for at in of.learned() if (last is None or at > last) and at >= of.last - BACK]
        seen = (memory or Memory()).read(connection, model, BACK) if due else None
        if seen is None:
            return 0
        judged = judge(seen, model)
        for at in due:
            for one in judged:
                cut = _cut(one, WARM_UP, (at - seen.start) / HOUR, budget_per_day)
                alerts.save_cut(connection, one.rule, of.name, at, cut, SHARES[one.rule] * budget_per_day)
        return len(due)


def uncut(connection: Connection, model: str) -> bool:
    """Whether none is set, though a first learning span of the stream is known."""
    of = history.of(connection, model)
    return of is not None and bool(of.learned()) and not history.cuts(connection, SURGE, of)


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
            alerts.save_cut(connection, one.rule, seen.of.name, seen.end, one.cut, one.budget_per_day, replace=True)
        return found


def calibrations(seen: Past | None, model: str, budget_per_day: float) -> list[Calibration]:
    """The cuts that spend the budget over all that was seen.

    Raises:
        StoreError: less than two learning spans were.
    """
    known = timedelta(0) if seen is None else seen.end - seen.start
    if seen is None or known < 2 * LEARNING:
        raise StoreError(
            f"calibrating needs {2 * LEARNING.days} days of history, so that one half can judge the other, and"
            f" {known / timedelta(days=1):.1f} are known; the first cut is set by itself once {LEARNING.days} are"
        )
    end = (seen.end - seen.start) / HOUR
    return [_calibration(judged, end, budget_per_day) for judged in judge(seen, model)]


def _calibration(judged: Judged, end: float, budget_per_day: float) -> Calibration:
    half = (WARM_UP + end) / 2
    cut, first = (_cut(judged, WARM_UP, until, budget_per_day) for until in (end, half))

    def spent(by: float, start: float) -> float:
        return alarms(judged.moments.between(start, end), by) * DAY / (end - start)

    share = SHARES[judged.rule] * budget_per_day
    return Calibration(judged.rule, cut, share, spent(cut, WARM_UP), first, spent(first, half))

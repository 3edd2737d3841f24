"""Surges planted in series like those of social media, found at equal numbers of alerts: by ours, and by a plain z.

    python benchmarks/series.py [SERIES] [SEED]

A series is two to eight weeks of counts of five minutes: a daily and a weekly rhythm, a drift and bursts of its own
(autoregressive), negative binomial noise, and single rows many times too large, which nobody means. Two to five events
are planted after the first fifteen per cent: a jump to two to eight times what is usual at the hour, that decays over
one to twelve hours. An event is found by an alert within its first hours; an alert outside any event is false.

The plain z is that of the trailing fourteen days by mean and standard deviation, of one row at a time. Both raise one
alert a burst by the same rule, over a cut that is the same for all series and set to the number of alerts compared.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from voxpop.signals import series
from voxpop.signals.series import DAY, HOUR, Numbers, Rule

STEP = 300.0


class Planted(NamedTuple):
    at: Numbers
    value: Numbers
    events: list[tuple[int, int]]
    """First row, and the row after the last in which an alert counts."""


def planted(seed: int) -> Planted:
    """One series; every third one is of low counts."""
    draw = np.random.default_rng(seed)
    rows = int(draw.uniform(14, 56) * DAY / STEP)
    at = 1.7e9 + STEP * np.arange(rows)
    level = draw.uniform(0.1, 3) if seed % 3 == 0 else np.exp(draw.uniform(np.log(6), np.log(500)))
    phase = 2 * np.pi * (at - draw.uniform(0, DAY)) / DAY
    rhythm = draw.uniform(0.2, 1.2) * np.sin(phase) + draw.uniform(0, 0.4) * np.sin(2 * phase)
    rhythm -= draw.uniform(0, 0.8) * ((at // DAY) % 7 >= 5)
    drift = np.cumsum(draw.normal(0, 0.003, rows))
    wander = np.zeros(rows)
    shocks = 0.08 * draw.standard_t(4, rows)
    for row in range(1, rows):
        wander[row] = 0.95 * wander[row - 1] + shocks[row]
    rate = level * np.exp(rhythm + drift + np.clip(wander, -1, 1))
    rate[draw.random(rows) < 0.0005] *= draw.uniform(2, 6)
    events = []
    for first in np.linspace(0.2, 0.95, draw.integers(2, 6)):
        onset = int(rows * first + draw.integers(0, rows // 40))
        hours = draw.uniform(1, 12)
        height = draw.uniform(1, 7) * (2 if level < 5 else 1)
        tail = np.arange(rows - onset) * STEP
        rate[onset:] *= 1 + height * np.exp(-tail / (hours * HOUR / 2))
        events.append((onset, onset + int(hours * HOUR / STEP)))
    size = draw.uniform(4, 20)
    value = draw.negative_binomial(size, size / (size + rate)).astype(float)
    return Planted(at, value, events)


def plain_z(at: Numbers, value: Numbers) -> Numbers:
    """Standard deviations over the mean of the trailing fourteen days, this row not among them."""
    rows = np.arange(len(at))
    start = np.searchsorted(at, at - 14 * DAY)
    sums, squares = (np.concatenate([[0.0], np.cumsum(value**power)]) for power in (1, 2))
    count = np.maximum(1, rows - start)
    mean = (sums[rows] - sums[start]) / count
    spread = np.sqrt(np.maximum(0.0, (squares[rows] - squares[start]) / count - mean**2))
    return np.where(rows - start < 20, 0.0, np.maximum(0.0, (value - mean) / np.maximum(spread, 1e-9)))


class Found(NamedTuple):
    alerts: int
    precision: float
    recall: float
    delay: float
    """Median, in minutes, of the events that were found."""


def measure(sets: list[Planted], scores: list[Numbers], rule: Rule) -> Found:
    raised = true = found = events = 0
    delays = []
    for one, score in zip(sets, scores, strict=True):
        rows = np.flatnonzero(series.alerts(one.at, score, rule, probation=series.probation(len(one.at))))
        raised += len(rows)
        events += len(one.events)
        for first, end in one.events:
            hits = rows[(rows >= first) & (rows < end)]
            true += len(hits)
            found += bool(len(hits))
            delays += [(hits[0] - first) * STEP / 60] if len(hits) else []
    return Found(raised, true / max(1, raised), found / events, float(np.median(delays)) if delays else 0.0)


def at_budget(sets: list[Planted], scores: list[Numbers], budget: int, *, calm: Callable[[float], float]) -> Found:
    """Measured at that of a hundred cuts whose number of alerts is nearest; a burst is calm below ``calm(cut)``."""
    highest = np.sort(np.concatenate(scores))[::-1]
    ranks = np.unique(np.geomspace(1, len(highest) / 20, 100).astype(int))
    found = [measure(sets, scores, replace(Rule(), level=cut, calm=calm(cut))) for cut in highest[ranks].tolist()]
    return min(found, key=lambda one: abs(one.alerts - budget))


def main() -> None:
    count, seed = (int(given) for given in (*sys.argv[1:3], *("30", "2")[len(sys.argv) - 1 :]))
    sets = [planted(1000 * seed + number) for number in range(count)]
    begun = time.process_time()
    ours = [series.score(one.at, one.value) for one in sets]
    took = time.process_time() - begun
    raw = [series.unusual(one.at, one.value, Rule()).z for one in sets]
    plain = [plain_z(one.at, one.value) for one in sets]
    rows, events = sum(len(one.at) for one in sets), sum(len(one.events) for one in sets)
    print(f"{count} series, {rows:,} rows, {events} events; {1e6 * took / rows:.0f} µs a row")
    shipped = measure(sets, ours, Rule())
    print(f"{'method':>22} {'alerts':>7} {'precision':>9} {'recall':>7} {'delay, min':>10}")
    print(f"{'ours, shipped cut':>22} {_shown(shipped)}")
    for budget in (events // 2, events, 2 * events):
        print(f"{'ours':>22} {_shown(at_budget(sets, ours, budget, calm=lambda cut: Rule.alerting(cut).calm))}")
        print(f"{'ours, not calibrated':>22} {_shown(at_budget(sets, raw, budget, calm=lambda cut: cut / 1.2))}")
        print(f"{'plain z':>22} {_shown(at_budget(sets, plain, budget, calm=lambda cut: cut / 1.2))}", flush=True)


def _shown(found: Found) -> str:
    return f"{found.alerts:>7} {found.precision:>9.2f} {found.recall:>7.2f} {found.delay:>10.0f}"


if __name__ == "__main__":
    main()

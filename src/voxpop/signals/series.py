"""Surges in any series of numbers over time: a score and an alert for each row, from rows up to that one alone.

Three steps, each a function of its own:

1. How unusual is the row? On dense series a robust z: ``(x - median) / (1.4826 * MAD)`` over the trailing fourteen
   days (Iglewicz and Hoaglin 1993, "How to Detect and Handle Outliers", chapter 3), and again over the same half hour
   of the earlier days; on low counts the surprise ``-ln P(N >= n)`` of one and of three rows under a negative binomial
   (Noufaily et al. 2013, Statistics in Medicine 32, 1206).
2. How rarely is this series as unusual as that? Peaks over a high quantile follow an exponential, the generalised
   Pareto with shape 0 (Pickands 1975): ``P(X > x) = (1 - q) * exp(-(x - t) / sigma)``, fitted online (Siffer et al.
   2017, KDD, "Anomaly Detection in Streams with Extreme Value Theory", algorithm 2). Peaks are those of runs, since
   rows of one burst are no separate evidence (Coles 2001, section 5.3.2). The score is ``1 - P ** (1/4)``.
3. One alert a burst.

Only rises count. Times of day are UTC.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.signals import tails

Numbers = NDArray[np.float64]

HOUR = 3600.0
DAY = 24 * HOUR
MAD_TO_SIGMA = 1.4826
"""Makes the MAD of a normal distribution its standard deviation."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The parameters; spans are in seconds."""

    memory: float = 14 * DAY
    """How far back what is usual is taken from."""
    slot: float = HOUR / 2
    """Length of the stretch that counts as the same time of day."""
    least_days: int = 3
    """Earlier days that a time of day must have to be compared with."""
    least_rows: int = 20
    """Rows before which nothing is judged."""
    low_median: float = 5.0
    """Counts with a median below this are judged by a negative binomial."""
    slot_prior: float = 10.0
    """Weight, in rows, of the whole memory against the time of day, which has few rows."""
    whole: float = 0.25
    """Share of the z against the whole memory; the rest is that of the time of day. On seeded series shares from 0.15
    to 0.3 found a little more than either alone (benchmarks/series.py)."""
    dispersion: float = 0.2
    """Variance of counts beyond Poisson, as in ``tails.surprise``."""
    floor_rate: float = 0.02
    """Least usual count of a row: the first ever is not infinitely surprising."""
    quantile: float = 0.95
    """Quantile of past unusualness over which the tail is fitted."""
    tail_memory: float = 42 * DAY
    """How far back that quantile is taken from."""
    tail_prior: float = 20.0
    """Weight, in peaks, of the tail that an exponential with this quantile would have."""
    run_gap: int = 12
    """Rows under the quantile that end a run."""
    extreme: float = 5e-4
    """A row with a smaller tail probability does not move the quantile, and no peak counts for more."""
    level: float = 0.85
    """Score that raises an alert: a tail probability of 5e-4. In seeded series it raised a third more alerts than there
    were events (benchmarks/series.py)."""
    calm: float = 0.775
    """A score below this is calm: five times the tail probability."""
    refractory: float = 6 * HOUR
    """After an alert there is none until all rows of so long a span were calm."""

    @classmethod
    def alerting(cls, level: float) -> Rule:
        """The rule with another level, and calm to match."""
        return cls(level=level, calm=max(0.0, 1 - (1 - level) * 5**0.25))


class Window:
    """A sorted sliding window over time; a move costs O(log n) comparisons and a shift of memory."""

    def __init__(self, memory: float, guard: float = 0.0) -> None:
        self.memory, self.guard = memory, guard
        self.sorted: list[float] = []
        self.total = 0.0
        self.days: Counter[float] = Counter()
        self._waiting: deque[tuple[float, float]] = deque()
        self._held: deque[tuple[float, float]] = deque()

    def add(self, at: float, value: float) -> None:
        """A row; it is part of the window once the time is ``guard`` later."""
        self._waiting.append((at, value))

    def move(self, now: float) -> None:
        """Makes the window that of ``now``."""
        while self._waiting and self._waiting[0][0] <= now - self.guard:
            at, value = self._waiting.popleft()
            self._held.append((at, value))
            insort(self.sorted, value)
            self.total += value
            self.days[at // DAY] += 1
        while self._held and self._held[0][0] < now - self.memory:
            at, value = self._held.popleft()
            del self.sorted[bisect_left(self.sorted, value)]
            self.total -= value
            self.days[at // DAY] -= 1
            if not self.days[at // DAY]:
                del self.days[at // DAY]

    def median_and_mad(self) -> tuple[float, float]:
        """Of a window that is not empty; of an even number of values the upper of the middle ones is the median."""
        values, half = self.sorted, len(self.sorted) // 2
        median = values[half]
        # The nearer half lies together: bisect for where it begins.
        low, high = 0, len(values) - half - 1
        while low < high:
            middle = (low + high) // 2
            if median - values[middle] > values[middle + half + 1] - median:
                low = middle + 1
            else:
                high = middle
        return median, max(median - values[low], values[low + half] - median)


class Unusual(NamedTuple):
    """How unusual each row is, arrays of shape (rows,)."""

    z: Numbers
    """Robust z, 0 where the row is not above what is usual; in low counts the surprise, in nats."""
    low: NDArray[np.bool_]
    """Where the surprise of low counts stands."""


def score(at: Numbers, value: Numbers, rule: Rule | None = None) -> Numbers:
    """From 0 (usual) to 0.999999 for each row, of shape (rows,); the score of a row reads only rows up to it.

    Args:
        at: times in seconds since 1970, ascending, of shape (rows,).
        value: finite, or NaN where missing: such a row has score 0 and leaves no trace.
        rule: parameters.

    Raises:
        ValueError: the times descend, or a time or value is infinite.
    """
    rule = rule or Rule()
    if not np.isfinite(at).all() or np.isinf(value).any() or (np.diff(at) < 0).any():
        raise ValueError("times must be finite and ascend, and values must be finite or NaN")
    known = ~np.isnan(value)
    found = np.zeros(len(at))
    found[known] = _rarity(at[known], unusual(at[known], value[known], rule), rule)
    return found


def unusual(at: Numbers, value: Numbers, rule: Rule) -> Unusual:
    """How unusual each row is by what came before it; all values finite."""
    count = np.logical_and.accumulate((value >= 0) & (value == np.floor(value)) & (value < 2**53))
    rows = list(_baselines(at, value, rule))
    z = np.array([row[0] for row in rows])
    expected, median = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    low = count & (median < rule.low_median)
    z[low] = _surprises(np.where(count, value, 0.0), expected, rule)[low]
    return Unusual(np.clip(np.nan_to_num(z), 0.0, 1e12), low)


def _baselines(at: Numbers, value: Numbers, rule: Rule) -> Iterator[tuple[float, float, float]]:
    """Of each row: robust z, expected value and median of the memory; of the first rows nothing is expected."""
    whole = Window(rule.memory)
    slots: dict[int, Window] = {}
    for now, x in zip(at.tolist(), value.tolist(), strict=True):
        # Half a day of guard leaves out the slot of today, which is part of what is judged.
        slot = slots.setdefault(int(now % DAY // rule.slot), Window(rule.memory, guard=DAY / 2))
        whole.move(now)
        slot.move(now)
        if len(whole.sorted) < rule.least_rows:
            yield 0.0, math.nan, math.nan
        else:
            yield _baseline(x, whole, slot if len(slot.days) >= rule.least_days else None, rule)
        whole.add(now, x)
        slot.add(now, x)


def _baseline(x: float, whole: Window, slot: Window | None, rule: Rule) -> tuple[float, float, float]:
    median, mad = whole.median_and_mad()
    mean = whole.total / len(whole.sorted)
    z = (x - median) / _scale(mad, median)
    if slot is None:
        return z, mean, median
    rows, prior = len(slot.sorted), rule.slot_prior
    usual, spread = slot.median_and_mad()
    spread = (rows * spread + prior * mad) / (rows + prior)
    expected = (slot.total + prior * mean) / (rows + prior)
    z_of_day = (x - usual) / _scale(spread, usual)
    return rule.whole * z + (1 - rule.whole) * z_of_day, expected, median


def _scale(mad: float, median: float) -> float:
    """Standard deviation by the MAD; at least 1 % of the level, since most rows of a series may be equal."""
    return max(MAD_TO_SIGMA * mad, 0.01 * abs(median), 1e-9)


def _surprises(value: Numbers, expected: Numbers, rule: Rule) -> Numbers:
    """-ln P(N >= n) for the row and for the last three, whichever is larger, at most 700."""
    one = np.minimum(value, 1e6).astype(np.int64)
    total = np.cumsum(one)
    three = total - np.concatenate([[0, 0, 0], total])[: len(one)]
    rate = np.maximum(rule.floor_rate, np.nan_to_num(expected))
    with np.errstate(all="ignore"):  # far tails underflow
        best = np.maximum(tails.surprise(one, rate, rule.dispersion), tails.surprise(three, 3 * rate, rule.dispersion))
    return np.where(np.isnan(expected), 0.0, np.minimum(700.0, math.log(10) * best))


class Tail:
    """The tail of what one series calls unusual, fitted online."""

    def __init__(self, rule: Rule, floor: float) -> None:
        self.rule = rule
        self.floor = floor
        self._past = Window(rule.tail_memory)
        self._peaks, self._excess = 0, 0.0
        self._peak, self._gap = 0.0, 0

    def probability(self, now: float, x: float) -> float:
        """Of a row as unusual as ``x``, by the rows before it; then takes the row in."""
        self._past.move(now)
        past, p = self._past.sorted, 1.0
        if len(past) >= self.rule.least_rows:
            threshold = past[int(self.rule.quantile * len(past))]
            sigma = self._sigma(threshold)
            if x <= threshold:
                p = (len(past) - bisect_left(past, x)) / len(past)
            else:
                p = (1 - self.rule.quantile) * math.exp(-(x - threshold) / sigma)
            self._take(x - threshold, sigma)
        if p >= self.rule.extreme:
            self._past.add(now, x)
        return p

    def _sigma(self, threshold: float) -> float:
        """Mean excess, which is the maximum likelihood fit, with a prior."""
        usual = max(self.floor, -threshold / math.log(1 - self.rule.quantile))
        return (self.rule.tail_prior * usual + self._excess) / (self.rule.tail_prior + self._peaks)

    def _take(self, excess: float, sigma: float) -> None:
        """A run counts when it is over, and for no more than an extreme row: no burst hides the next."""
        self._peak = max(self._peak, excess)
        self._gap = 0 if excess > 0 else self._gap + 1
        if self._peak > 0 and self._gap >= self.rule.run_gap:
            most = sigma * math.log((1 - self.rule.quantile) / self.rule.extreme)
            self._excess += min(self._peak, most)
            self._peaks += 1
            self._peak = 0.0


def _rarity(at: Numbers, seen: Unusual, rule: Rule) -> Numbers:
    # A z and a surprise are different units, so that each has a tail. A surprise is exponential with mean 1 if the
    # negative binomial holds; the excess of a normal z over its quantile is a little under a half.
    tails = {False: Tail(rule, 0.5), True: Tail(rule, 1.0)}
    rows = zip(at.tolist(), seen.z.tolist(), seen.low.tolist(), strict=True)
    p = np.array([tails[low].probability(now, x) for now, x, low in rows])
    return np.asarray(1 - np.clip(p, 1e-24, 1.0) ** 0.25)


def probation(rows: int) -> int:
    """Rows at the beginning of a series that raise no alert: 15 %, at most 750."""
    return min(750, int(0.15 * rows))


def alerts(at: Numbers, scores: Numbers, rule: Rule | None = None, *, probation: int = 0) -> NDArray[np.bool_]:
    """Where an alert is raised: once a burst, and never in the first ``probation`` rows.

    Args:
        at: times in seconds, ascending, of shape (rows,).
        scores: of shape (rows,).
        rule: its ``level``, ``calm`` and ``refractory``.
        probation: rows without alerts; a burst that began among them raises none later.
    """
    rule = rule or Rule()
    raised = np.zeros(len(at), dtype=bool)
    armed, last = True, -1
    for row in np.flatnonzero(scores >= rule.calm).tolist():
        # The rows between this and the last that was not calm: were they there, and for long enough?
        armed = armed or (row - 1 > last and at[row - 1] - at[last] >= rule.refractory)
        last = row
        if armed and scores[row] >= rule.level:
            armed = False
            raised[row] = row >= probation
    return raised

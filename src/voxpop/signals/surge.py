"""A first surge rule: more adverse stories than an entity usually gets, or more stories while opinion is against it.

Two counts are held against what is usual for the entity, each by a negative binomial over several horizons, so that
both an outburst and a slow burn are seen:

* *adverse* stories: those read as negative, and those that no model could read, unless the positive ones are twice
  as many: in a burst of good news a model misreads some;
* *unfriendly* stories: all but the positive ones, where the adverse outnumber the positive. A dispute is told in many
  plain sentences, of which a model calls few negative; a burst of good news is not of this kind.

The score is the larger surprise, -log10 P(N >= n). Stories, not mentions: four hundred reposts are one story.

Sources: the negative binomial for overdispersed counts in surveillance, Noufaily et al. 2013 (Statistics in Medicine
32, 1206), equations 1 and 2; the trailing horizons follow the W2 baseline of EARS (Hutwagner et al. 2003), which also
leaves a guard between baseline and present.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nbinom

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]

DAY = 24


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The parameters of the rule; all counts are of stories."""

    horizons: tuple[int, ...] = (1, 3, 24, 72)
    """Hours looked back over, each with a surprise of its own."""
    guard: int = 24
    """Hours before the horizon that do not count as usual, so that a slow burn cannot become its own baseline."""
    memory: int = 14 * DAY
    """Hours of history that the usual rate is taken from."""
    prior_hours: float = 48.0
    """Weight of the pooled rate against the entity's own, in hours of evidence."""
    floor_rate: float = 0.02
    """Least usual rate, in stories an hour: the first mention ever of an entity is not infinitely surprising."""
    dispersion: float = 0.2
    """Variance beyond Poisson: var = mean + dispersion * mean**2 over a horizon."""
    least_stories: int = 4
    """Fewer adverse stories than this are no surge, however rare."""
    least_adverse: int = 2
    """Fewer adverse stories than this over the horizon, and opinion is not against the entity."""
    warm_up: int = 2 * DAY
    """Hours that must be known, before horizon and guard, for the rule to judge."""


class Judgement(NamedTuple):
    """For each entity and hour, arrays of shape (entities, hours)."""

    score: Scores
    """Surprise, -log10 of a probability; 0 where the rule may not judge."""
    horizon: Counts
    """The horizon that the score comes from, in hours."""
    expected: Scores
    """Stories of the kind that scored expected over it."""
    seen: Counts
    """Stories of that kind seen over it."""


class Stories(NamedTuple):
    """Stories of each entity in each consecutive hour, by how they speak of it; all of shape (entities, hours)."""

    adverse: Counts
    """Read as negative, or unread."""
    positive: Counts
    other: Counts


def judge(stories: Stories, rule: Rule | None = None) -> Judgement:
    """Surprise of each hour by what came before it: hour t reads only hours up to t.

    Args:
        stories: what was told, hour by hour.
        rule: parameters.
    """
    rule = rule or Rule()
    best = Judgement(*(np.zeros(stories.adverse.shape, kind) for kind in (float, int, float, int)))
    for horizon in rule.horizons:
        adverse, positive = _trailing(stories.adverse, horizon), _trailing(stories.positive, horizon)
        _keep_better(best, _surprises(stories.adverse, horizon, rule, where=2 * adverse > positive), horizon)
        against = (adverse >= rule.least_adverse) & (adverse > positive)
        _keep_better(best, _surprises(stories.adverse + stories.other, horizon, rule, where=against), horizon)
    return best


class _Surprises(NamedTuple):
    score: Scores
    expected: Scores
    seen: Counts


def _surprises(counts: Counts, horizon: int, rule: Rule, where: NDArray[np.bool_]) -> _Surprises:
    now = np.arange(counts.shape[1])
    total = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
    start = np.maximum(0, now + 1 - horizon)
    seen = total[:, now + 1] - total[:, start]
    known = np.maximum(0, start - rule.guard)
    expected = horizon * _usual_rate(total, known, rule)
    judged = (seen >= rule.least_stories) & (known >= rule.warm_up) & where
    score = np.zeros(counts.shape)
    score[judged] = surprise(seen[judged], expected[judged], rule.dispersion)
    return _Surprises(score, expected, seen)


def _trailing(counts: Counts, horizon: int) -> Counts:
    """Sum over the last ``horizon`` hours, this one included."""
    total = np.cumsum(counts, axis=1)
    total[:, horizon:] = total[:, horizon:] - total[:, :-horizon]
    return total


def _keep_better(best: Judgement, found: _Surprises, horizon: int) -> None:
    better = found.score > best.score
    best.score[better] = found.score[better]
    best.horizon[better] = horizon
    best.expected[better] = found.expected[better]
    best.seen[better] = found.seen[better]


def _usual_rate(total: Counts, end: Counts, rule: Rule) -> Scores:
    """Stories an hour of each entity over the memory that ends at each of ``end``, drawn towards the mean of all."""
    start = np.maximum(0, end - rule.memory)
    counted, length = total[:, end] - total[:, start], end - start
    pooled = counted.mean(axis=0) / np.maximum(1, length)
    return np.asarray(np.maximum(rule.floor_rate, (counted + rule.prior_hours * pooled) / (length + rule.prior_hours)))


def surprise(seen: Counts, expected: Scores, dispersion: float) -> Scores:
    """-log10 P(N >= seen) for N negative binomial with mean ``expected`` and variance m + dispersion * m**2."""
    size = 1.0 / dispersion
    log_tail = nbinom.logsf(seen - 1, size, size / (size + expected))
    return np.asarray(np.maximum(0.0, -log_tail / np.log(10)), dtype=np.float64)


class Episode(NamedTuple):
    """A stretch over the cut: the hours at which it began, was worst and ended (exclusive)."""

    start: int
    peak: int
    end: int


def episodes(score: Scores, cut: Scores | float, *, quiet: int = DAY) -> list[Episode]:
    """The stretches of one entity's hours over ``cut``; two less than ``quiet`` hours apart are one: one alarm."""
    found: list[Episode] = []
    for hour in np.flatnonzero(score >= cut).tolist():
        if found and hour - found[-1].end < quiet:
            last = found[-1]
            peak = hour if score[hour] > score[last.peak] else last.peak
            found[-1] = Episode(last.start, peak, hour + 1)
        else:
            found.append(Episode(hour, hour, hour + 1))
    return found


def calibrate(score: Scores, budget_per_day: float, *, margin: float = 1.0, least: float = 3.0) -> float:
    """The lowest cut that would have raised at most the budget over the hours given.

    Args:
        score: surprise of shape (entities, hours) over a stretch that is taken as ordinary.
        budget_per_day: alerts a day over all entities that the desk will read.
        margin: added to the cut, in powers of ten, since the stretch is short.
        least: the lowest cut ever set.
    """
    allowed = budget_per_day * score.shape[1] / DAY
    candidates = np.unique(np.append(score, 0.0))
    low, high = 0, len(candidates) - 1  # the count of episodes falls as the cut rises
    while low < high:
        middle = (low + high) // 2
        over = [row for row in score if row.max() >= candidates[middle]]
        if candidates[middle] > 0 and sum(len(episodes(row, candidates[middle])) for row in over) <= allowed:
            high = middle
        else:
            low = middle + 1
    return max(least, float(candidates[low]) + margin)

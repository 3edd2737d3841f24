"""Sentiment that slides for days: a share of negative stories that stays above what is usual, never far in one hour.

A surge is many adverse stories at once. A slide is a few more each day, which no hour shows. For each entity and day
the evidence is the logarithm of a likelihood ratio: that the odds of a negative story are ``odds`` times the usual,
against that they are usual. A one-sided CUSUM adds it up (Page 1954, Biometrika 41, 100; for proportions with odds
Steiner et al. 2000, Biostatistics 1, 441):

    W = max(0, W + (k ln R - n ln(1 - p + p R)) / d)        k of n stories negative, p usual, R the odds ratio

* ``d`` is a design effect (Kish 1965, Survey Sampling): stories of a day resemble each other, so that n of them are
  worth fewer than n.
* The evidence of one day is capped, so that no single day makes a slide: that is for surges to tell.
* What is usual is the entity's own share in the weeks before, drawn to that of all, with a guard between, so that a
  slide does not become its own baseline at once; after some weeks it does, and the slide is over.

The cut was set on simulated calm (tests/signals/test_slide.py): fewer than one false slide in 10,000 entity-days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The parameters."""

    odds: float = 2.5
    """Times the usual odds that the rule looks for."""
    memory: int = 28
    """Days that what is usual is taken from."""
    guard: int = 7
    """Days between these and the day that is judged."""
    least_known: int = 7
    """Days before the guard that must be known."""
    prior: float = 20.0
    """Weight of the share of all against the entity's own, in stories."""
    doubt: float = 1.0
    """Standard deviations of the estimate that are added to it, so that an entity that is little known, or has always
    been told of badly, is not taken for one that slides."""
    least_share: float = 0.03
    """A usual share below this is taken for this: the first bad story ever is not infinitely surprising."""
    likeness: float = 0.05
    """Correlation of the stories of a day."""
    cut: float = 6.5
    """Evidence, in nats, that makes a slide."""
    day_cap: float = 0.4
    """Most of the cut that one day can bring."""
    ceiling: float = 1.8
    """Most times the cut that evidence is kept for, so that a slide that is over ends soon."""
    least_days: int = 3
    """Days that a slide has lasted at least."""
    least_stories: int = 10
    """Stories that were read in it at least."""
    least_negative: int = 5
    """Negative ones among them at least."""


class Slide(NamedTuple):
    """One slide of an entity; days are columns of the counts, all inclusive."""

    entity: int
    start: int
    """The first day of it."""
    fired: int
    """The day at whose end it was one."""
    last: int
    """The last day over the cut."""
    score: float
    """The most evidence, in nats."""
    negative: int
    """Negative stories from ``start`` to ``last``."""
    read: int
    share: float
    """The usual share, when it fired."""


def slides(negative: Counts, read: Counts, rule: Rule | None = None) -> list[Slide]:
    """The slides of each entity, by entity and time; what is said of a day reads no later one.

    Args:
        negative: negative stories of each entity in each consecutive day, of shape (entities, days).
        read: stories that were read, of the same shape.
        rule: parameters.
    """
    rule = rule or Rule()
    share = usual_share(negative, read, rule)
    evidence = _evidence(negative, read, share, rule)
    total = np.zeros(evidence.shape)
    start = np.zeros(evidence.shape, dtype=np.int64)
    value, begun = np.zeros(len(evidence)), np.zeros(len(evidence), dtype=np.int64)
    for day in range(evidence.shape[1]):
        begun = np.where(value > 0, begun, day)
        value = np.clip(value + evidence[:, day], 0.0, rule.ceiling * rule.cut)
        total[:, day], start[:, day] = value, begun
    return [
        slide
        for entity in np.flatnonzero((total >= rule.cut).any(axis=1)).tolist()
        for slide in _of(entity, total[entity], start[entity], negative[entity], read[entity], share[entity], rule)
    ]


def usual_share(negative: Counts, read: Counts, rule: Rule) -> Scores:
    """The share that is usual on each day, of shape (entities, days); NaN where too little is known."""
    known = [_before(counts, rule) for counts in (negative, read)]
    pooled = known[0].sum(axis=0) / np.maximum(1, known[1].sum(axis=0))
    weight = known[1] + rule.prior
    share = (known[0] + rule.prior * pooled) / weight
    share += rule.doubt * np.sqrt(share * (1 - share) / weight)
    share[:, : rule.guard + rule.least_known] = np.nan
    return np.asarray(np.clip(share, rule.least_share, 0.95))


def _before(counts: Counts, rule: Rule) -> Counts:
    """Sums over the memory that ends a guard before each day."""
    total = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
    end = np.maximum(0, np.arange(counts.shape[1]) - rule.guard)
    return np.asarray(total[:, end] - total[:, np.maximum(0, end - rule.memory)])


def _evidence(negative: Counts, read: Counts, share: Scores, rule: Rule) -> Scores:
    """Of each day, of shape (entities, days); 0 where nothing is known or was read."""
    ratio = negative * np.log(rule.odds) - read * np.log(1 - share + share * rule.odds)
    effect = 1 + np.maximum(0, read - 1) * rule.likeness
    return np.asarray(np.minimum(np.nan_to_num(ratio / effect), rule.day_cap * rule.cut))


def _of(
    entity: int, total: Scores, start: Counts, negative: Counts, read: Counts, share: Scores, rule: Rule
) -> list[Slide]:
    """One for each stretch between two days without evidence that comes over the cut with enough stories."""
    found = []
    for first in np.unique(start[total >= rule.cut]).tolist():
        days = np.flatnonzero((start == first) & (total >= rule.cut))
        told, bad = np.cumsum(read[first:]), np.cumsum(negative[first:])
        since = days - first
        enough = (
            (since + 1 >= rule.least_days) & (told[since] >= rule.least_stories) & (bad[since] >= rule.least_negative)
        )
        if enough.any():
            fired, last = int(days[enough][0]), int(days[-1])
            score = float(total[fired : last + 1].max())
            sums = int(bad[last - first]), int(told[last - first])
            found.append(Slide(entity, first, fired, last, score, *sums, float(share[fired])))
    return found

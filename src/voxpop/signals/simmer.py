"""Simmering: a dispute of a few stories a day, day after day, none of whose days is far from the usual.

A surge is judged over a day at most. What goes on for days is judged by a CUSUM (Page 1954, Biometrika 41, 100): of
each day the evidence is the logarithm of a likelihood ratio, added up from the day on at which it was first in favour,

    W = max(0, W + min(cap, V + S))

* ``V`` of the *volume*: as many unfriendly stories (all but the positive ones) under a negative binomial of mean
  ``more * m + few`` against one of mean ``m``, the usual (Höhle and Paul 2008, Computational Statistics & Data Analysis
  52, 4357; Watkins et al. 2008, BMC Medical Informatics and Decision Making 8, 37 hold such CUSUMs against EARS);
* ``S`` of the *share*: as many adverse ones among the day's stories under ``odds`` times the usual odds against these
  (Steiner et al. 2000, Biostatistics 1, 441), less a design effect, since stories of a day resemble each other.

Were all that is usual known, such a sum would pass ``h`` nats by chance no oftener than once in exp(h) days (Lorden
1971, Annals of Mathematical Statistics 42, 1897), so W / ln 10 is a surprise. What is usual is estimated, so its cut
comes from replaying, as that of surges. The parameters were chosen on simulated streams (benchmarks/lowcount.py).

The day that is not over counts by what came of it so far, so that the score rises with the story that makes it. What
one day brings is capped, and three days must speak for a run: a burst is for the surges to tell. What is usual is
what was known ``guard`` days before the day, so that a dispute becomes usual only after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.signals.surge import Judgement, Known, Told, usual_share
from voxpop.signals.tails import Counts, Scores
from voxpop.signals.usual import DAY

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The parameters; all counts are of stories."""

    more: float = 3.0
    """Times the usual rate of unfriendly stories that the rule looks for, and"""
    few: float = 1.0
    """so many a day beside."""
    odds: float = 3.0
    """Times the usual odds of an adverse story that it looks for."""
    likeness: float = 0.05
    """Correlation of the stories of a day."""
    calm: float = 1 / 3
    """Of the dispersion that surges reckon with, which is that of bursts; here the cap stands against these."""
    guard: int = 7
    """Days between those that say what is usual and the day that is judged."""
    warm_up: int = 2
    """Days that must be known before the guard."""
    cap: float = 2.0
    """Most evidence of one day, in nats."""
    ceiling: float = 20.0
    """Most evidence that is kept, so that a run that is over ends soon."""
    least_days: int = 3
    """Days of a run that must speak for it,"""
    least_of_day: float = 0.5
    """each with so much evidence."""
    least_adverse: int = 4
    """Fewer adverse stories than this in a run, or fewer than positive ones, and opinion is not against the entity."""


class Days(NamedTuple):
    """Stories of each entity on each day, of shape (entities, days), or on the day of each story so far (stories,)."""

    adverse: Scores
    positive: Scores
    every: Scores


class Run(NamedTuple):
    """How each entity's run stands at the end of each day, of shape (entities, days)."""

    evidence: Scores
    start: Counts
    """The day on which it began; the day itself where there is none."""
    speaking: Counts
    """Its days that speak for it."""


def judge(known: Known, told: Told, rule: Rule | None = None) -> Judgement:
    """Evidence at each story, in powers of ten, by what came up to it: no later story is read.

    Its horizon is the hours since the run began, its counts are of unfriendly stories in them.

    Args:
        known: what is usual.
        told: the stories to judge, all of their entities.
        rule: parameters.
    """
    rule = rule or Rule()
    which, row = np.unique(told.entity, return_inverse=True)
    day = (told.at // DAY).astype(np.int64)
    days = int(day.max(initial=-1)) + 1
    judged = np.arange(days) - rule.guard >= rule.warm_up
    whole = _usual(known, which[:, None], np.broadcast_to(np.arange(days), (len(which), days)), None, rule)
    counts = _days(row, day, told, (len(which), days))
    run = _runs(_evidence(counts, whole, rule), judged, rule)
    usual, so_far = _usual(known, told.entity, day, told.at - day * DAY, rule), _so_far(row, day, told)
    value, start, speaking = _carried(run, row, day)
    today = _evidence(so_far, usual, rule)
    expected = _since(whole.mean, usual.mean, row, day, start)
    sums = Days(*(_since(of, part, row, day, start) for of, part in zip(counts, so_far, strict=True)))
    against = (sums.adverse >= rule.least_adverse) & (sums.adverse > sums.positive)
    where = judged[day] & against & (today >= rule.least_of_day) & (so_far.adverse > 0)
    where &= speaking + 1 >= rule.least_days
    score = np.where(where, np.clip(value + today, 0.0, rule.ceiling), 0.0) / np.log(10)
    hours = np.ceil(told.at - start * DAY).astype(np.int64)
    return Judgement(score, hours, expected, (sums.every - sums.positive).astype(np.int64))


class _Usual(NamedTuple):
    """Of a day, or of the part of it that is over."""

    mean: Scores
    """Unfriendly stories expected."""
    dispersion: Scores
    share: Scores
    """Of adverse stories."""


def _usual(known: Known, entity: Counts, day: Counts, passed: Scores | None, rule: Rule) -> _Usual:
    """What was usual for the entities ``guard`` days before; ``passed`` are the hours of the day (None: all)."""
    of, at = known.unfriendly, np.maximum(0, day - rule.guard)
    hours: Scores = np.full(day.shape, float(DAY)) if passed is None else passed
    mean = of.expected(entity, day * DAY + hours, hours, at)
    return _Usual(mean, rule.calm * of.dispersion[-1, entity, at], usual_share(known, entity, at))


def _days(row: Counts, day: Counts, told: Told, shape: tuple[int, int]) -> Days:
    counts = [np.zeros(shape) for _ in range(3)]
    for count, where in zip(counts, _kinds(told), strict=True):
        np.add.at(count, (row[where], day[where]), 1)
    return Days(*counts)


def _kinds(told: Told) -> tuple[Mask, Mask, Mask]:
    """Adverse, positive, and every story that counts."""
    return told.counts & (told.stance < 0), told.counts & (told.stance > 0), told.counts


_APART = 1e7
"""Hours that no stream lasts: keeps entities apart in one sorted array."""
_INSTANT = 1e-3
"""Less than a minute in hours."""


def _so_far(row: Counts, day: Counts, told: Told) -> Days:
    """Of the day of each story, up to its minute."""
    key = row * _APART + told.at
    start = np.searchsorted(key, row * _APART + day * DAY - _INSTANT)
    end = np.searchsorted(key, key + _INSTANT)
    totals = (np.pad(np.cumsum(kind, dtype=np.float64), (1, 0)) for kind in _kinds(told))
    return Days(*(total[end] - total[start] for total in totals))


def _evidence(seen: Days, usual: _Usual, rule: Rule) -> Scores:
    """Of a day, or of what came of it so far, in nats, at most ``cap``."""
    mean, k, share = usual
    more = rule.more * mean + rule.few
    mean = np.maximum(mean, _LEAST)
    weight = np.log(more * (1 + k * mean) / (mean * (1 + k * more)))
    volume = (seen.every - seen.positive) * weight - np.log((1 + k * more) / (1 + k * mean)) / k
    ratio = seen.adverse * np.log(rule.odds) - seen.every * np.log(1 - share + share * rule.odds)
    effect = 1 + np.maximum(0, seen.every - 1) * rule.likeness
    return np.asarray(np.minimum(volume + ratio / effect, rule.cap))


_LEAST = 1e-3
"""Expected stories in the first minute of a day, where it is none."""


def _runs(evidence: Scores, judged: Mask, rule: Rule) -> Run:
    value, start, speaking = np.zeros(len(evidence)), *(np.zeros(len(evidence), dtype=np.int64) for _ in range(2))
    run = Run(*(np.zeros(evidence.shape, dtype=kind) for kind in (float, np.int64, np.int64)))
    for day in range(evidence.shape[1]):
        start, speaking = np.where(value > 0, start, day), np.where(value > 0, speaking, 0)
        if judged[day]:
            value = np.clip(value + evidence[:, day], 0.0, rule.ceiling)
            speaking = speaking + (evidence[:, day] >= rule.least_of_day)
        run.evidence[:, day], run.start[:, day], run.speaking[:, day] = value, start, speaking
    return run


def _carried(run: Run, row: Counts, day: Counts) -> Run:
    """How the run of each story's entity stood when the day of the story began, of shape (stories,)."""
    before = np.maximum(0, day - 1)
    value = np.where(day > 0, run.evidence[row, before], 0.0)
    start = np.where(value > 0, run.start[row, before], day)
    return Run(value, start, np.where(value > 0, run.speaking[row, before], 0))


def _since(of_day: Scores, so_far: Scores, row: Counts, day: Counts, start: Counts) -> Scores:
    """Sums from the day ``start`` up to each story."""
    total = np.pad(np.cumsum(of_day, axis=1), ((0, 0), (1, 0)))
    return np.asarray(total[row, day] - total[row, start] + so_far)

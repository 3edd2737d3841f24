"""Surges of companies that little is written about, found at equal numbers of false alerts: by ours and by plain rules.

    python benchmarks/lowcount.py [SEEDS] [FIRST_SEED]    e.g. 3 101; writes docs/lowcount.svg

The stream is that of ``lowcount_stream.py``. Of its sixteen weeks two are for getting to know, the next seven set each
rule's cut, so that it spends five false alerts a day there, and the last seven are what is reported: recall by length
of the surge, the delay of those found, from the first story to the minute (ours) or the end of the hour (the others),
and the false alerts that the cut really spent. All rules raise one alert an episode, by the same function.

A surge is found by an episode that begins between its onset and an hour after its end. An episode that begins later
than a day after, or elsewhere, is false; one that was already under way at the onset has found nothing.

The parameters of ours were chosen on seeds 1 to 3; the seeds reported begin at 101.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lowcount_stream import CLASSES, Floats, Ints, Made, Stream, stream
from scipy.stats import nbinom, poisson

from voxpop.signals import surge
from voxpop.signals.surge import Stories, Told

BUDGET = 5.0
HALVES = (14 * 24, 63 * 24), (63 * 24, 112 * 24)
"""Hours in which the cut is set, and those that are reported."""


class Scored(NamedTuple):
    """What a rule says: scores at moments, sorted by (entity, time)."""

    told: Told
    score: Floats


class Found(NamedTuple):
    false_a_day: float
    recall: list[float]
    """By class of length."""
    delays: list[Floats]
    """Hours, of those found, by class."""
    whole: float
    """Recall of all."""


def counts_of(made: Stream) -> Stories:
    """Stories of each company in each hour."""
    shape = made.mentions.shape
    kinds = []
    for stance in (-1, 1, 0):
        counted = np.zeros(shape, dtype=np.int64)
        of = made.stance == stance
        np.add.at(counted, (made.entity[of], made.at[of].astype(int)), 1)
        kinds.append(counted)
    return Stories(*kinds)


def told_of(made: Stream) -> Told:
    minute = np.ceil(made.at * 60) / 60
    return Told(made.entity, minute, made.stance, np.ones(len(minute), dtype=bool))


def ours(made: Stream) -> Scored:
    told = told_of(made)
    return Scored(told, surge.judge(counts_of(made), told).score)


def hourly(score: Floats) -> Scored:
    """Scores of shape (entities, hours), each at the end of its hour."""
    entity, hour = np.nonzero(score > 0)
    nothing = np.zeros(len(entity), dtype=np.int64)
    return Scored(Told(entity, hour + 1.0, nothing, nothing == 0), score[entity, hour])


def _moments(values: Floats, known: Floats | None = None) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the fourteen days before each hour, of the hours that are ``known``."""
    known = np.ones_like(values) if known is None else known

    def before(x: Floats) -> Floats:
        total = np.pad(np.cumsum(x, axis=1), ((0, 0), (1, 0)))[:, :-1]
        return total - np.pad(total, ((0, 0), (14 * 24, 0)))[:, : total.shape[1]]

    count = np.maximum(1.0, before(known))
    mean = before(values * known) / count
    return mean, np.sqrt(np.maximum(0.0, before(values**2 * known) / count - mean**2))


def z_of_mentions(made: Stream) -> Scored:
    values = made.mentions.astype(float)
    mean, spread = _moments(values)
    return hourly((values - mean) / np.maximum(spread, 0.1))


def z_of_share(made: Stream) -> Scored:
    stories = counts_of(made)
    every = stories.adverse + stories.positive + stories.other
    share = stories.adverse / np.maximum(1, every)
    mean, spread = _moments(share, (every > 0).astype(float))
    return hourly(np.where(every > 0, (share - mean) / np.maximum(spread, 0.1), 0.0))


def _tail(made: Stream, tail: Callable[[Ints, Floats], Floats], *, stories: bool) -> Scored:
    told = counts_of(made)
    seen = told.adverse + told.positive + told.other if stories else made.mentions
    mean, _ = _moments(seen.astype(float))
    score = np.zeros(seen.shape)
    some = seen > 0
    score[some] = -tail(seen[some] - 1, np.maximum(0.02, mean[some]))
    return hourly(np.minimum(score, 700.0))


def _negative_binomial(seen: Ints, mean: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(nbinom.logsf(seen, 2.0, 2.0 / (2.0 + mean)))


def _poisson(seen: Ints, mean: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(poisson.logsf(seen, mean))


RULES: dict[str, Callable[[Stream], Scored]] = {
    "ours": ours,
    "z of mentions": z_of_mentions,
    "z of the share": z_of_share,
    "NB on mentions": lambda made: _tail(made, _negative_binomial, stories=False),
    "Poisson on stories": lambda made: _tail(made, _poisson, stories=True),
    "NB on stories": lambda made: _tail(made, _negative_binomial, stories=True),
}


def measure(made: Stream, scored: Scored, cut: float, half: tuple[float, float]) -> Found:
    """What a cut finds in the hours of ``half``."""
    begun = surge.episodes(scored.told, scored.score, cut)
    first = np.array([one.start for one in begun], dtype=int)
    entity, at = scored.told.entity[first], scored.told.at[first]
    ordinary = (at >= half[0]) & (at < half[1])
    delays: list[list[float]] = [[] for _ in CLASSES]
    planted = [0] * len(CLASSES)
    bounds = np.searchsorted(entity, np.arange(made.mentions.shape[0] + 1))
    for one in made.surges:
        of = slice(bounds[one.entity], bounds[one.entity + 1])
        after = at[of] - one.onset
        ordinary[of] &= (after < 0) | (at[of] > one.end + 24)
        if half[0] <= one.onset < half[1] - 48:
            planted[one.kind] += 1
            hits = after[(after >= 0) & (at[of] <= one.end + 1)]
            delays[one.kind] += hits[:1].tolist()
    recall = [len(d) / max(1, n) for d, n in zip(delays, planted, strict=True)]
    whole = sum(map(len, delays)) / max(1, sum(planted))
    return Found(float(ordinary.sum()) * 24 / (half[1] - half[0]), recall, [np.array(d) for d in delays], whole)


def cut_for(made: Stream, scored: Scored, budget: float, half: tuple[float, float]) -> float:
    """The lowest cut that spends at most ``budget`` false alerts a day there."""
    candidates = np.unique(scored.score[scored.score > 0])
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if measure(made, scored, candidates[middle], half).false_a_day <= budget:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low])

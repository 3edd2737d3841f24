"""Episodes over a cut, which are alarms, and the cut that spends a budget of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAY = 24.0


class Moments(NamedTuple):
    """What a rule says at moments, sorted by (entity, time); all of shape (moments,)."""

    entity: NDArray[np.int64]
    at: NDArray[np.float64]
    """Hours since the start, to the minute."""
    score: NDArray[np.float64]
    """Surprise, -log10 of a probability; it rises at these moments alone."""

    def between(self, start: float, end: float) -> Moments:
        """Those in [start, end)."""
        inside = (self.at >= start) & (self.at < end)
        return Moments(self.entity[inside], self.at[inside], self.score[inside])


class Episode(NamedTuple):
    """A stretch over the cut, by the moments at which it began, was worst and ended (inclusive)."""

    start: int
    peak: int
    end: int


def episodes(moments: Moments, cut: NDArray[np.float64] | float, *, quiet: float = DAY) -> list[Episode]:
    """The stretches over ``cut`` of each entity; two less than ``quiet`` hours apart are one: one alarm."""
    over = np.flatnonzero((moments.score > 0) & (moments.score >= cut))
    starts = np.flatnonzero(_begins(moments, over, quiet))
    return [
        Episode(int(stretch[0]), int(stretch[moments.score[stretch].argmax()]), int(stretch[-1]))
        for stretch in (np.split(over, starts[1:]) if len(over) else [])
    ]


def alarms(moments: Moments, cut: float, *, quiet: float = DAY) -> int:
    """How many episodes there are over ``cut``."""
    return int(_begins(moments, np.flatnonzero((moments.score > 0) & (moments.score >= cut)), quiet).sum())


def _begins(moments: Moments, over: NDArray[np.int64], quiet: float) -> NDArray[np.bool_]:
    """Where a new episode begins among the moments over the cut."""
    entity, at = moments.entity[over], moments.at[over]
    return np.asarray((np.diff(entity, prepend=-1) != 0) | (np.diff(at, prepend=-np.inf) >= quiet))


ENOUGH = 30
"""Alerts that a cut may rest on without a margin: their number is known to a fifth."""


def cut_for(moments: Moments, hours: float, budget_per_day: float, *, margin: float = 1.0, least: float = 3.0) -> float:
    """The lowest cut that would have raised at most the budget.

    Args:
        moments: those of a stretch that is taken as ordinary.
        hours: length of the stretch.
        budget_per_day: alerts a day over all entities that the desk will read.
        margin: added to the cut, in powers of ten, where the stretch allows few alerts, so that the cut rests on few.
            It falls to nothing at ``ENOUGH`` alerts.
        least: the lowest cut ever set.
    """
    allowed = budget_per_day * hours / DAY
    scores = moments.score[moments.score > 0]
    candidates = np.unique(np.append(scores, np.nextafter(scores.max(initial=0.0), np.inf)))
    low, high = 0, len(candidates) - 1  # the number of episodes falls as the cut rises
    while low < high:
        middle = (low + high) // 2
        if alarms(moments, candidates[middle]) <= allowed:
            high = middle
        else:
            low = middle + 1
    return max(least, float(candidates[low]) + margin * max(0.0, 1 - allowed / ENOUGH))

"""Spreading: one negative story whose reach grows far beyond what its author and source usually get.

The vague message that starts a run is a single story, so no count of stories shows it. Its reach does: others pass it
on, and the source's own figure rises. At each such moment the score looks back over a quarter of an hour and over an
hour. The growth is held against the *usual reach* of the story's voice, the geometric mean of what the author's earlier
stories had at first sight, drawn to that of the source and this to that of all (a normal mean with a normal prior, on
the logarithm; Gelman et al., Bayesian Data Analysis, section 2.5). Reach has a Pareto tail (Kwak et al. 2010, WWW,
"What is Twitter"), so the logarithm of growth over usual has an exponential one, whose rate is the mean excess over a
high quantile of earlier stories (Hill 1975, Annals of Statistics 3, 1163). The score is -log10 of that tail.

A teller counts once a story, so that nobody makes a story grow by telling it again, and few tellers or little reach are
no evidence, however rare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY = 24.0


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The parameters of the rule."""

    windows: tuple[float, ...] = (0.25, 1.0)
    """Hours looked back over."""
    memory: float = 28.0
    """Days of earlier stories that say what is usual."""
    voice_prior: float = 3.0
    """Weight of the source against the author, and of all against the source, in stories."""
    quantile: float = 0.95
    """Quantile of earlier growth over which the tail is fitted."""
    tail_prior: float = 20.0
    """Weight, in stories, of ``tail`` against the mean excess seen."""
    tail: float = 1.0
    """Mean excess of the logarithm that is expected beforehand: a Pareto tail of index 1."""
    least_known: int = 50
    """Earlier stories without which nothing is judged."""
    least_tellers: int = 5
    """Fewer people who told or passed on a story make no spreading, unless the source's own figure rose."""
    least_reach: float = 500.0
    """Less growth is none."""


class Reach(NamedTuple):
    """What was seen of the reach of stories, sorted by (story, time); all of shape (sights,)."""

    story: Ints
    """Numbers from 0 on without gaps."""
    at: Floats
    """Hours since the start."""
    gain: Floats
    """People reached that were not before."""
    teller: Ints
    """A number for each who told it; -1 for a later figure of the same teller."""


class Voices(NamedTuple):
    """Who opened each story, of shape (stories,)."""

    author: Ints
    """A number for each author of a source; for nobody known that of the source alone."""
    source: Ints


class Judgement(NamedTuple):
    """At each sight, arrays of shape (sights,)."""

    score: Floats
    """-log10 of the probability of so much growth; 0 where the rule may not judge."""
    window: Floats
    """The window that the score comes from, in hours."""
    gained: Floats
    """Reach gained in it."""
    usual: Floats
    """Reach that the voice usually has."""


def judge(reach: Reach, voices: Voices, rule: Rule | None = None) -> Judgement:
    """How far beyond the usual each story has grown at each sight of it; no later sight is read.

    Args:
        reach: of all stories, since they say what is usual.
        voices: who opened them.
        rule: parameters.
    """
    rule = rule or Rule()
    best = Judgement(*(np.zeros(len(reach.at)) for _ in range(4)))
    opens = np.searchsorted(reach.story, np.arange(len(voices.source)))
    known = _known(reach.at, reach.at[opens], rule)
    usual = _usual(reach, opens, voices, known, rule)
    told = _evident(reach, opens, rule)
    for window in rule.windows:
        gained = _gained(reach, opens, window)
        over = np.log1p(gained) - usual
        score = _surprises(over, _peaks(reach, opens, over), reach, known, rule)
        score[~told | (gained < rule.least_reach)] = 0
        better = score > best.score
        best.score[better], best.window[better] = score[better], window
        best.gained[better], best.usual[better] = gained[better], np.expm1(usual[better])
    return best


def _known(at: Floats, opened: Floats, rule: Rule) -> dict[int, NDArray[np.bool_]]:
    """For each day on which something was seen the stories that say what is usual, those a day old at its start."""
    days = np.unique(at // DAY).astype(int).tolist()
    return {day: (opened >= (day - rule.memory) * DAY) & (opened < (day - 1) * DAY) for day in days}


_APART = 1e7
"""Hours that no stream lasts: keeps stories apart in one sorted array."""


def _gained(reach: Reach, opens: Ints, window: float) -> Floats:
    """Reach gained in the ``window`` up to each sight; what the opener had at first sight is no growth."""
    gain = reach.gain.copy()
    gain[opens] = 0
    total = np.concatenate([[0.0], np.cumsum(gain)])
    key = reach.story * _APART + reach.at
    return np.asarray(total[np.arange(len(key)) + 1] - total[np.searchsorted(key, key - window, side="right")])


def _evident(reach: Reach, opens: Ints, rule: Rule) -> NDArray[np.bool_]:
    """Whether enough people had told the story at each sight, or its own figures had risen enough."""
    tellers = _since_open(reach, opens, (reach.teller >= 0).astype(np.float64))
    rose = _since_open(reach, opens, np.where(reach.teller < 0, reach.gain, 0.0))
    return np.asarray((tellers >= rule.least_tellers) | (rose >= rule.least_reach))


def _since_open(reach: Reach, opens: Ints, values: Floats) -> Floats:
    """Sum over the story from its first sight to each."""
    total = np.cumsum(values)
    return np.asarray(total - (total - values)[opens][reach.story])


def _usual(reach: Reach, opens: Ints, voices: Voices, known: dict[int, NDArray[np.bool_]], rule: Rule) -> Floats:
    """Logarithm of the reach that the voice of each sight usually has on that day; infinite while little is known."""
    first, day = np.log1p(reach.gain[opens]), reach.at // DAY
    found = np.full(len(reach.at), np.inf)
    for today, earlier in known.items():
        at = (day == today) & (earlier.sum() >= rule.least_known)
        if at.any():
            found[at] = _levels(first, voices, earlier, rule)[reach.story[at]]
    return found


def _levels(first: Floats, voices: Voices, known: NDArray[np.bool_], rule: Rule) -> Floats:
    """Mean of ``first`` for the voice of each story, by the ``known`` ones; of shape (stories,)."""
    level = np.full(len(first), first[known].mean())
    for group in (voices.source, voices.author):
        size = int(group.max()) + 1
        count = np.bincount(group[known], minlength=size)
        total = np.bincount(group[known], first[known], minlength=size)
        level = (total[group] + rule.voice_prior * level) / (count[group] + rule.voice_prior)
    return np.asarray(level)


def _peaks(reach: Reach, opens: Ints, over: Floats) -> Floats:
    """The most that each story grew within a day, of shape (stories,)."""
    young = reach.at - reach.at[opens][reach.story] <= DAY
    found = np.full(len(opens), -np.inf)
    np.maximum.at(found, reach.story[young], over[young])
    return found


def _surprises(over: Floats, peaks: Floats, reach: Reach, known: dict[int, NDArray[np.bool_]], rule: Rule) -> Floats:
    """-log10 P(X >= over) by the tail of the peaks that are known on the day; 0 below their quantile."""
    found, day = np.zeros(len(over)), reach.at // DAY
    for today, earlier in known.items():
        judged = peaks[earlier & np.isfinite(peaks)]
        if len(judged) >= rule.least_known:
            bound = float(np.quantile(judged, rule.quantile))
            excess = judged[judged > bound] - bound
            mean = (rule.tail_prior * rule.tail + excess.sum()) / (rule.tail_prior + len(excess))
            at = (day == today) & (over > bound)
            found[at] = -np.log10(1 - rule.quantile) + (over[at] - bound) / mean / np.log(10)
    return found

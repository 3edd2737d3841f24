"""Surges of adverse stories: how surprising each story makes the hours up to it, for the entity that it is about.

The score of an entity rises only when a story comes in, so it is computed at the minute of each story, over windows
that end there: nobody waits for an hour to close, and a second look at the same stories, live or a year later, gives
the same minutes. Over each window the score is the sum of two surprises (``voxpop.signals.tails``):

* of *volume*: so many adverse stories under a negative binomial with what is usual at these hours of the week for
  the entity (``voxpop.signals.usual``). Adverse are those read as negative and those that no model could read;
* of the *share*: so many adverse ones among so many stories, under a binomial with the entity's usual share. A raw
  share is 1 for one story of one.

The sum is Fisher's combination of two tests (Fisher 1932, section 21.1), ranked, not read as a probability: the cut
comes from replaying (``voxpop.signals.episodes``). Over a day *unfriendly* stories (all but the positive ones) count
too while the adverse outnumber the positive: a slow dispute is told in plain sentences, of which a model calls few
negative. An entity with many stories an hour must also be rare by a robust z whose tail is its own
(``voxpop.signals.series``).

Stories, not mentions: four hundred reposts are one story. Voices, not stories: what an author adds to their own
counts nothing (``Told.counts``), so that a flood by one bot is no opinion.

Trailing windows with a guard before them follow EARS (Hutwagner et al. 2003, J. Urban Health 80, i89).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.signals import series, tails
from voxpop.signals.tails import Counts, Scores
from voxpop.signals.usual import DAY, Prior, Usual, usual

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The parameters of the rule; all counts are of stories."""

    horizons: tuple[int, ...] = (1, 3, 24)
    """Hours looked back over, each with a surprise of its own."""
    slow: int = 24
    """Horizons from this on also count unfriendly stories."""
    guard: int = DAY
    """Hours before the horizon that do not count as usual, so that a slow burn cannot become its own baseline."""
    prior: Prior = field(default_factory=Prior)
    share_prior: float = 60.0
    """Weight of the adverse share of all against the entity's own, in stories."""
    least_stories: int = 3
    """Fewer adverse stories than this are no surge, however rare."""
    least_adverse: int = 2
    """Fewer adverse stories than this over the horizon, and opinion is not against the entity."""
    warm_up: int = 2 * DAY
    """Hours that must be known, before horizon and guard, for the rule to judge."""
    dense: float = 5.0
    """Stories an hour from which an entity is judged by its own tail too."""


class Stories(NamedTuple):
    """Stories of each entity in each consecutive hour, by how they speak of it; all of shape (entities, hours)."""

    adverse: Counts
    """Read as negative, or unread."""
    positive: Counts
    other: Counts


class Told(NamedTuple):
    """Stories one by one, sorted by (entity, time); all of shape (stories,)."""

    entity: Counts
    """Row of the entity in ``Stories``."""
    at: Scores
    """Hours since the first hour of ``Stories``, rounded up to the minute."""
    stance: Counts
    """-1 adverse, 0 neither, 1 positive."""
    counts: Mask
    """False where the same voice has told a story of the entity shortly before (see ``first_of_voice``)."""


class Judgement(NamedTuple):
    """For each story, arrays of shape (stories,)."""

    score: Scores
    """Surprise, -log10 of a probability; 0 where the rule may not judge."""
    horizon: Counts
    """The horizon that the score comes from, in hours."""
    expected: Scores
    """Stories of the kind that scored expected over it."""
    seen: Counts
    """Stories of that kind seen over it."""


def first_of_voice(entity: Counts, at: Scores, voice: Counts, span: float = DAY) -> Mask:
    """Whether each story counts: its voice has told no other of this entity in the ``span`` hours before that counts.

    Args:
        entity: of shape (stories,), as ``at`` in hours and ``voice`` (a number an author; -1: nobody known, counts).
    """
    found = np.ones(len(at), dtype=bool)
    last: dict[tuple[int, int], float] = {}
    for n in np.lexsort((at, entity)).tolist():
        key = int(entity[n]), int(voice[n])
        if key[1] >= 0:
            found[n] = at[n] - last.get(key, -np.inf) >= span
            if found[n]:
                last[key] = float(at[n])
    return found


class Seen(NamedTuple):
    """Stories in the window that ends at each story, of shape (stories,)."""

    adverse: Counts
    positive: Counts
    every: Counts


class Known(NamedTuple):
    """What is usual of each kind of story."""

    adverse: Usual
    unfriendly: Usual
    every: Usual


def known(stories: Stories, first_hour: int = 0, rule: Rule | None = None) -> Known:
    """What is usual, from the whole days of ``stories``.

    Args:
        stories: of all entities, since together they say how activity goes up and down.
        first_hour: hour of the week of the first column of ``stories``.
        rule: parameters.
    """
    rule = rule or Rule()
    plain = stories.adverse + stories.other
    adverse, unfriendly = (usual(kind, first_hour, rule.horizons, rule.prior) for kind in (stories.adverse, plain))
    return Known(adverse, unfriendly, usual(plain + stories.positive, first_hour, rule.horizons[:1], rule.prior))


def days_read(hours: float, rule: Rule | None = None) -> int:
    """How many days from the first on say what is usual for stories told up to ``hours`` hours after it began."""
    rule = rule or Rule()
    return max(0, int((hours - min(rule.horizons) - rule.guard) // DAY))


def judge(stories: Stories, told: Told, first_hour: int = 0, rule: Rule | None = None) -> Judgement:
    """Surprise at each story by what came up to it: no later story is read.

    Args:
        stories: what is usual is taken from these.
        told: the stories to judge; those of the longest horizon before them must be among them.
        first_hour: hour of the week of the first column of ``stories``.
        rule: parameters.
    """
    return judge_by(known(stories, first_hour, rule), told, rule)


def judge_by(known: Known, told: Told, rule: Rule | None = None) -> Judgement:
    """Surprise at each story, as ``judge``, by what is known to be usual."""
    rule = rule or Rule()
    adverse, unfriendly, every = known
    best = Judgement(*(np.zeros(len(told.at), kind) for kind in (float, int, float, int)))
    for horizon in rule.horizons:
        seen, day = windows(told, horizon), _day(told, horizon, rule)
        share = usual_share(known, told.entity, np.maximum(0, day), rule)
        where = (day * DAY >= rule.warm_up) & (2 * seen.adverse > seen.positive)
        found = _volume(adverse, told, seen.adverse, horizon, where, rule)
        _own_tail(found, every, told, seen, horizon, where, rule)
        judged = found.score > 0
        found.score[judged] += tails.share_surprise(seen.adverse[judged], seen.every[judged], share[judged])
        _keep_better(best, found)
        if horizon >= rule.slow:
            against = where & (seen.adverse >= rule.least_adverse) & (seen.adverse > seen.positive)
            _keep_better(best, _volume(unfriendly, told, seen.every - seen.positive, horizon, against, rule))
    return best


def windows(told: Told, horizon: float) -> Seen:
    """Counts over the ``horizon`` hours up to each story, those of its own minute included."""
    key = told.entity * _APART + told.at
    end = np.searchsorted(key, key + _INSTANT)
    start = np.searchsorted(key, key - horizon + _INSTANT)
    kinds = told.stance < 0, told.stance > 0, told.stance <= 1
    totals = (np.pad(np.cumsum(kind & told.counts), (1, 0)) for kind in kinds)
    return Seen(*(total[end] - total[start] for total in totals))


_APART = 1e7
"""Hours that no stream lasts: keeps entities apart in one sorted array."""
_INSTANT = 1e-3
"""Less than a minute in hours, and far above the rounding of ``_APART`` times any number of entities."""


def _day(told: Told, horizon: int, rule: Rule) -> Counts:
    """The last day that ended before the window's guard; negative where there is none."""
    return np.asarray((told.at - horizon - rule.guard) // DAY, dtype=np.int64)


def _volume(of: Usual, told: Told, seen: Counts, horizon: int, where: Mask, rule: Rule) -> Judgement:
    judged = np.flatnonzero(where & (seen >= rule.least_stories))
    day, entity = _day(told, horizon, rule)[judged], told.entity[judged]
    expected, score = np.zeros(len(seen)), np.zeros(len(seen))
    expected[judged] = np.maximum(rule.prior.floor * horizon, of.expected(entity, told.at[judged], horizon, day))
    dispersion = of.dispersion[rule.horizons.index(horizon), entity, day]
    score[judged] = tails.surprise(seen[judged], expected[judged], dispersion)
    return Judgement(score, np.full(len(seen), horizon), expected, seen)


def usual_share(known: Known, entity: Counts, day: Counts, rule: Rule | None = None) -> Scores:
    """The usual adverse share of each of the entities, as it was known at the end of its day, drawn to that of all."""
    rule = rule or Rule()
    adverse, total = known.adverse, known.every.level
    pooled = adverse.level.sum(axis=0) / np.maximum(total.sum(axis=0), rule.prior.floor)
    weight = rule.share_prior / rule.prior.memory
    found = (adverse.level[entity, day] + weight * pooled[day]) / (total[entity, day] + weight)
    return np.asarray(np.clip(found, 0.01, 0.99))


def _own_tail(found: Judgement, every: Usual, told: Told, seen: Seen, horizon: int, where: Mask, rule: Rule) -> None:
    """Where an entity is told of often, its adverse stories must be rare by the tail of its own trailing counts too."""
    day = _day(told, horizon, rule)
    dense = where & (every.level[told.entity, np.maximum(0, day)] >= rule.dense) & (seen.adverse >= rule.least_stories)
    for entity in np.unique(told.entity[dense]).tolist():
        own = np.flatnonzero(told.entity == entity)
        rarity = series.score(told.at[own] * series.HOUR, seen.adverse[own].astype(np.float64))
        rare = -4 * np.log10(1 - rarity)  # the score is 1 - P ** (1/4)
        judged = dense[own]
        found.score[own[judged]] = np.minimum(found.score[own[judged]], rare[judged])


def _keep_better(best: Judgement, found: Judgement) -> None:
    better = found.score > best.score
    for kept, new in zip(best, found, strict=True):
        kept[better] = new[better]

"""A seeded stream of stories about a thousand companies that little is written about, with surges whose truth is known.

The figures that the stream keeps to: 1,000 companies, a median of 0.74 mentions an hour, about 70 % of all hours empty.
The rest was set by what the plain rules find, before any parameter of ours was chosen, to be about what they were
known to find elsewhere (Poisson on stories 0.20 / 0.54 / 0.77 and a negative binomial on stories 0.32 / 0.69 / 0.92 of
surges of 1-2, 3-12 and 12-48 hours at five false alerts a day):

* the rate of stories differs from company to company (log-normal), follows the hour of the week of its region, and
  wanders from day to day and hour to hour (gamma);
* a story is passed on by geometrically many others over some hours, and these are mentions but no stories;
* the share of negative stories is a company's own (beta);
* harmless bursts: one story passed on hundreds of times, a burst of good news of which some is misread, and a day of
  results of which as much is negative as of other stories;
* surges: adverse stories above the usual, at a rate that grows with that of the company; three in four are read as
  negative;
* where they are asked for, disputes that simmer: a few stories a day for four to nine days, half as many at night, told
  so plainly that fewer than half of them are read as negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASSES = ((1.0, 2.0), (3.0, 12.0), (12.0, 48.0))
"""Lengths of surges, in hours."""
SIMMER = len(CLASSES)
"""The class of disputes that simmer for days."""
DISPUTE = 96.0, 216.0
"""Their length, in hours."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """The parameters of the stream; rates are for each company."""

    entities: int = 1000
    weeks: int = 16
    median_stories: float = 0.22
    """Of the companies' mean rates, stories an hour."""
    spread: float = 0.7
    """Standard deviation of the logarithm of these rates."""
    passed_on: float = 0.28
    """Probability that a story is passed on at all, then geometrically often with ``mean_reposts``."""
    mean_reposts: float = 8.0
    bursts_a_day: float = 0.005
    cascades: float = 0.85
    """Share of the harmless bursts that are one story passed on; the others are as often good news as results."""
    surges_a_day: float = 0.008
    surge_rate: float = 2.0
    """Adverse stories an hour of the median surge of a company that nothing is written about."""
    read_rightly: float = 0.75
    disputes_a_day: float = 0.0
    dispute_stories: tuple[float, float] = (4.0, 9.0)
    """Stories a day of a dispute, beside those that are usual."""
    dispute_negative: float = 0.45
    dispute_positive: float = 0.05


class Surge(NamedTuple):
    """What is planted: the company, onset and end in hours, and its class (0, 1, 2, or ``SIMMER``)."""

    entity: int
    onset: float
    end: float
    kind: int


class Stream(NamedTuple):
    """Stories sorted by (entity, time)."""

    entity: Ints
    at: Floats
    """Hours since the start, which is a Monday's midnight."""
    stance: Ints
    """-1 read as negative, 0 neither, 1 positive."""
    mentions: Ints
    """Stories and reposts of each company in each hour, of shape (entities, hours)."""
    surges: list[Surge]


def stream(seed: int, made: Made | None = None) -> Stream:
    """The stream of a seed."""
    made = made or Made()
    draw = np.random.default_rng(seed)
    hours = 168 * made.weeks
    rate = made.median_stories * np.exp(made.spread * draw.standard_normal(made.entities))
    ordinary = draw.poisson(rate[:, None] * _rhythm(draw, made.entities, hours) * _wander(draw, made.entities, hours))
    entity, hour = np.nonzero(ordinary)
    times = ordinary[entity, hour]
    entity, at = np.repeat(entity, times), np.repeat(hour, times) + draw.random(int(times.sum()))
    negative, positive = draw.beta(4, 16, made.entities), draw.beta(5, 15, made.entities)
    parts = [(entity, at, _stances(draw, negative[entity], positive[entity]), _reposts(draw, len(at), made))]
    parts += _bursts(draw, made, hours, negative, positive)
    surges = _planted(draw, made, hours)
    parts += [_surge_stories(draw, one, rate[one.entity], made) for one in surges]
    if made.disputes_a_day:
        disputes = _disputes(np.random.default_rng((seed, SIMMER)), made, hours, surges)
        parts += [_dispute_stories(draw, one, made) for one in disputes]
        surges = surges + disputes
    entity, at, stance, reposts = (np.concatenate([part[n] for part in parts]) for n in range(4))
    keep = at < hours
    order = np.lexsort((at[keep], entity[keep]))
    entity, at, stance, reposts = (column[keep][order] for column in (entity, at, stance, reposts))
    return Stream(entity, at, stance, _mentions(draw, entity, at, reposts, (made.entities, hours)), surges)


def _rhythm(draw: np.random.Generator, entities: int, hours: int) -> Floats:
    """Mean 1 over the week: nights and weekends are calm; a third of the companies live eight hours further east."""
    hour = np.arange(168)
    day = np.exp(-(((hour % 24 - 13.5 + 12) % 24 - 12) ** 2) / 40)
    week = (0.2 + day) * np.where(hour >= 120, 0.35, 1.0)
    week /= week.mean()
    shift = np.where(draw.random(entities) < 1 / 3, 8, 0)
    return np.asarray(week[(np.arange(hours)[None, :] + shift[:, None]) % 168])


def _wander(draw: np.random.Generator, entities: int, hours: int) -> Floats:
    days = np.repeat(draw.gamma(12.0, 1 / 12.0, (entities, hours // 24)), 24, axis=1)
    return np.asarray(days * draw.gamma(8.0, 1 / 8.0, (entities, hours)))


def _stances(draw: np.random.Generator, negative: Floats, positive: Floats) -> Ints:
    drawn = draw.random(len(negative))
    return np.where(drawn < negative, -1, np.where(drawn < negative + positive, 1, 0))


def _reposts(draw: np.random.Generator, stories: int, made: Made) -> Ints:
    return np.where(draw.random(stories) < made.passed_on, draw.geometric(1 / made.mean_reposts, stories), 0)


Part = tuple[Ints, Floats, Ints, Ints]
"""Of stories: entity, time, stance, number of reposts."""


def _bursts(draw: np.random.Generator, made: Made, hours: int, negative: Floats, positive: Floats) -> list[Part]:
    parts = []
    for _ in range(draw.poisson(made.bursts_a_day * made.entities * hours / 24)):
        entity, onset = int(draw.integers(made.entities)), draw.uniform(0, hours)
        kind = 0 if draw.random() < made.cascades else draw.integers(1, 3)
        stories = 1 if kind == 0 else int(draw.integers(5, 26))
        at = onset + np.sort(draw.uniform(0, draw.uniform(2, 8), stories))
        reposts = np.exp(draw.uniform(2, 5.3, 1)).astype(int) if kind == 0 else _reposts(draw, stories, made)
        shares = ((negative[entity], positive[entity]), (0.1, 0.7), (negative[entity], positive[entity]))[kind]
        stance = _stances(draw, *(np.full(stories, share) for share in shares))
        parts.append((np.full(stories, entity), at, stance, reposts))
    return parts


def _planted(draw: np.random.Generator, made: Made, hours: int) -> list[Surge]:
    """Surges, as many of each class; no two of one company within five days."""
    found: list[Surge] = []
    last: dict[int, float] = {}
    count = draw.poisson(made.surges_a_day * made.entities * hours / 24)
    for onset in np.sort(draw.uniform(0, hours, count)).tolist():
        entity, kind = int(draw.integers(made.entities)), int(draw.integers(3))
        end = onset + draw.uniform(*CLASSES[kind])
        if onset - last.get(entity, -1e9) > 120 and end < hours:
            last[entity] = end
            found.append(Surge(entity, onset, end, kind))
    return found


def _surge_stories(draw: np.random.Generator, one: Surge, usual: float, made: Made) -> Part:
    rate = made.surge_rate * (1 + usual) * np.exp(0.5 * draw.standard_normal())
    stories = 1 + draw.poisson(rate * (one.end - one.onset))
    # The first story is the onset; a surge is densest at its beginning.
    at = one.onset + (one.end - one.onset) * np.concatenate([[0.0], draw.beta(1.0, 1.5, stories - 1)])
    misread = (1 - made.read_rightly) / 5
    stance = _stances(draw, np.full(stories, made.read_rightly), np.full(stories, misread))
    return np.full(stories, one.entity), np.sort(at), stance, _reposts(draw, stories, made)


def _disputes(draw: np.random.Generator, made: Made, hours: int, surges: list[Surge]) -> list[Surge]:
    """Disputes, none within two weeks of anything else that is planted on its company."""
    found: list[Surge] = []
    for onset in draw.uniform(0, hours, draw.poisson(made.disputes_a_day * made.entities * hours / 24)).tolist():
        one = Surge(int(draw.integers(made.entities)), onset, onset + draw.uniform(*DISPUTE), SIMMER)
        near = (o for o in surges + found if o.entity == one.entity and o.onset < one.end + 336 and o.end > onset - 336)
        if one.end < hours and next(near, None) is None:
            found.append(one)
    return found


def _dispute_stories(draw: np.random.Generator, one: Surge, made: Made) -> Part:
    a_day = draw.uniform(*made.dispute_stories)
    at = one.onset + (one.end - one.onset) * draw.random(draw.poisson(a_day * (one.end - one.onset) / 24 / 0.75))
    at = at[(at % 24 >= 7) | (draw.random(len(at)) < 0.15)]
    at = np.sort(np.append(at, one.onset))  # the first story is the onset
    stance = _stances(draw, np.full(len(at), made.dispute_negative), np.full(len(at), made.dispute_positive))
    return np.full(len(at), one.entity), at, stance, _reposts(draw, len(at), made)


def _mentions(draw: np.random.Generator, entity: Ints, at: Floats, reposts: Ints, shape: tuple[int, int]) -> Ints:
    counted = np.zeros(shape, dtype=np.int64)
    np.add.at(counted, (entity, at.astype(int)), 1)
    by, when = np.repeat(entity, reposts), np.repeat(at, reposts) + draw.exponential(1.5, int(reposts.sum()))
    inside = when < shape[1]
    np.add.at(counted, (by[inside], when[inside].astype(int)), 1)
    return counted

"""Slides on simulated streams: calm ones raise few, planted ones are found, and no day reads a later one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from voxpop.signals.slide import Rule, slides, usual_share

Counts = NDArray[np.int64]
LIKENESS = 0.05
BEGIN, DAYS = 60, 12
"""Day on which planted slides begin, and how long they last."""


class Simulated(NamedTuple):
    """Entities with 0.5 to 80 stories a day, fewer at weekends, whose usual negative share is 0.125 in the mean; the
    stories of a day resemble each other.
    """

    negative: Counts
    read: Counts
    usual: NDArray[np.float64]
    """Share of each entity, of shape (entities,)."""


def simulated(seed: int, entities: int, days: int, odds: float = 1.0) -> Simulated:
    """Calm, but for ``DAYS`` days from ``BEGIN`` on: then the odds of a negative story are ``odds`` times the usual."""
    draw = np.random.default_rng(seed)
    rate = np.clip(draw.lognormal(np.log(6), 1.0, entities), 0.5, 80)
    usual = draw.beta(2, 14, entities)
    weekday = 0.6 + 0.4 * (np.arange(days) % 7 < 5)
    read = draw.poisson(rate[:, None] * draw.gamma(4, 1 / 4, (entities, days)) * weekday)
    share = np.repeat(usual[:, None], days, axis=1)
    slid = odds * usual / (1 - usual)
    share[:, BEGIN : BEGIN + DAYS] = (slid / (1 + slid))[:, None]
    like = 1 / LIKENESS - 1
    of_day = draw.beta(share * like, (1 - share) * like)
    return Simulated(draw.binomial(read, of_day), read, usual)


@pytest.mark.parametrize("seed", [11, 12])
def test_on_calm_streams_there_is_less_than_one_in_ten_thousand_entity_days(seed: int) -> None:
    calm = simulated(seed, 1000, 200)
    assert len(slides(calm.negative, calm.read)) < 1000 * 200 / 10_000


@pytest.mark.parametrize(("odds", "least", "days"), [(4.0, 0.5, 8), (6.0, 0.7, 7)])
def test_planted_slides_are_found_within_days(odds: float, least: float, days: int) -> None:
    planted = simulated(21, 600, 80, odds)
    told_of = np.flatnonzero(planted.read[:, :BEGIN].mean(axis=1) >= 4)
    found = {one.entity: one for one in slides(planted.negative, planted.read) if one.fired >= BEGIN}
    hit = [found[entity] for entity in told_of.tolist() if entity in found]
    assert len(hit) / len(told_of) >= least
    assert np.median([one.fired - BEGIN + 1 for one in hit]) <= days
    assert all(one.negative / one.read > one.share for one in hit)


def test_each_slide_is_one_alert() -> None:
    planted = simulated(22, 600, 80, 6.0)
    entities = [one.entity for one in slides(planted.negative, planted.read) if one.fired >= BEGIN]
    assert len(entities) > 100
    assert len(entities) == len(set(entities))


def flat(days: int, read: int = 10, negative: int = 1) -> tuple[Counts, Counts]:
    shape = (2, days)
    return np.full(shape, negative), np.full(shape, read)


def test_one_dreadful_day_is_no_slide_three_are() -> None:
    for bad, expected in ((1, 0), (2, 0), (3, 1)):
        negative, read = flat(40)
        negative[0, 30 : 30 + bad], read[0, 30 : 30 + bad] = 100, 100
        assert len(slides(negative, read)) == expected


def test_a_slide_says_since_when_against_what_and_ends() -> None:
    negative, read = flat(60)
    negative[1, 30:36] = 6
    (one,) = slides(negative, read)
    rule = Rule()
    assert (one.entity, one.start) == (1, 30)
    assert 32 <= one.fired <= 35 <= one.last < 50
    assert rule.cut <= one.score <= rule.ceiling * rule.cut
    assert one.read == 10 * (one.last - one.start + 1)
    assert 0.1 <= one.share < 0.2


def test_what_was_always_bad_does_not_slide_and_what_stays_bad_becomes_usual() -> None:
    negative, read = flat(120)
    negative[0] = 6
    assert slides(negative, read) == []
    negative[1, 40:] = 6
    (one,) = slides(negative, read)
    assert one.last < 100


def test_few_stories_and_days_without_any_are_nothing() -> None:
    negative, read = np.zeros((1, 60), dtype=np.int64), np.zeros((1, 60), dtype=np.int64)
    negative[0, 40:44] = read[0, 40:44] = 1
    assert slides(negative, read) == []


def test_nothing_is_said_before_enough_is_known() -> None:
    negative, read = flat(14)
    negative[0, 7:] = 9
    assert slides(negative, read) == []
    assert np.isnan(usual_share(negative, read, Rule())).all()


def test_no_day_reads_a_later_one() -> None:
    planted = simulated(23, 200, 80, 6.0)
    whole = [one for one in slides(planted.negative, planted.read) if one.fired < 66]
    early = slides(planted.negative[:, :66], planted.read[:, :66])
    assert [(one.entity, one.start, one.fired) for one in early] == [(o.entity, o.start, o.fired) for o in whole]

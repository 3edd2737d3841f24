"""Disputes that simmer: found within days, while a burst, praise, a flood by one voice and calm streams are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signals.test_surge import Story, counted, told
from voxpop.signals import simmer, surge
from voxpop.signals.surge import Judgement, Told

DAYS = 40
CUT = 2.5
BEGIN = 25


def calm(seed: int, entities: int, a_day: float = 3.0, negative: float = 0.15) -> list[Story]:
    """Stories by day, of which as many are positive as negative."""
    draw = np.random.default_rng(seed)
    found: list[Story] = []
    for entity in range(entities):
        rate = a_day * draw.lognormal(0, 0.7)
        for at in (np.floor(draw.uniform(0, DAYS * 24, draw.poisson(rate * DAYS)) * 60) / 60).tolist():
            found.append((entity, at, int(draw.choice([-1, 0, 1], p=[negative, 1 - 2 * negative, negative]))))
    return found


def dispute(entity: int, days: int = 6, a_day: int = 7, negative: int = 3, positive: int = 0) -> list[Story]:
    """So many stories a day from ``BEGIN`` on, in working hours."""
    stances = [-1] * negative + [1] * positive + [0] * (a_day - negative - positive)
    return [
        (entity, 24 * (BEGIN + day) + 8 + 12 * n / a_day, stance)
        for day in range(days)
        for n, stance in enumerate(stances)
    ]


def judge(stories: list[Story], entities: int, counts: np.ndarray | None = None) -> tuple[Told, Judgement]:
    of = told(stories)
    if counts is not None:
        of = of._replace(counts=counts)
    return of, simmer.judge(surge.known(counted(of, entities, DAYS * 24)), of)


def fired(of: Told, judged: Judgement, entity: int) -> float | None:
    """When an entity first comes over the cut, in days."""
    over = of.at[(of.entity == entity) & (judged.score >= CUT)]
    return float(over[0] / 24) if len(over) else None


def test_calm_streams_raise_less_than_one_dispute_a_company_and_year() -> None:
    of, judged = judge(calm(1, 300), 300)
    over = {
        (entity, at // 72)
        for entity, at in zip(of.entity[judged.score >= CUT], of.at[judged.score >= CUT], strict=True)
    }
    assert len(over) <= 300 * DAYS / 365


def test_a_few_stories_more_each_day_fire_within_days_and_say_since_when() -> None:
    of, judged = judge(calm(2, 30) + dispute(3), 30)
    at = fired(of, judged, 3)
    assert at is not None
    assert BEGIN + 2 < at < BEGIN + 6
    last = np.flatnonzero((of.entity == 3) & (judged.score >= CUT))[-1]
    began = (of.at[last] - judged.horizon[last]) / 24
    assert began == pytest.approx(BEGIN, abs=1.1)
    assert judged.seen[last] > 2 * judged.expected[last] > 0


@pytest.mark.parametrize(
    "stories",
    [
        dispute(3, days=1, a_day=60, negative=30),  # a burst
        dispute(3, days=2, a_day=30, negative=15),
        dispute(3, a_day=8, negative=2, positive=4),  # praise, of which some is misread
        dispute(3, a_day=6, negative=0),  # plain news
    ],
    ids=["a burst", "two days", "praise", "plain news"],
)
def test_what_is_no_dispute_does_not(stories: list[Story]) -> None:
    of, judged = judge(calm(2, 30) + stories, 30)
    assert fired(of, judged, 3) is None


def test_a_flood_by_one_voice_is_no_dispute() -> None:
    of = told(calm(2, 30) + dispute(3))
    flood = (of.entity == 3) & (of.at >= 24 * BEGIN)
    assert fired(*judge(calm(2, 30) + dispute(3), 30, ~flood), 3) is None


def test_nothing_is_judged_before_enough_is_known() -> None:
    rule = simmer.Rule()
    of, judged = judge([(0, 24 * day + 8.0 + n, -1) for day in range(12) for n in range(6)], 2)
    assert not judged.score[of.at < 24 * (rule.guard + rule.warm_up)].any()


def test_nothing_told_is_nothing_judged() -> None:
    known = surge.known(counted(told(calm(2, 3)), 3, DAYS * 24))
    empty = Told(*(np.zeros(0, dtype=kind) for kind in (np.int64, float, np.int64, bool)))
    assert len(simmer.judge(known, empty).score) == 0


@settings(max_examples=15, deadline=None)
@given(hour=st.integers(24 * 10, DAYS * 24 - 1), seed=st.integers(0, 3))
def test_no_story_reads_a_later_one(hour: int, seed: int) -> None:
    stories = calm(seed, 8) + dispute(3)
    whole, judged = judge(stories, 8)
    early = [story for story in stories if story[1] < hour]
    of, before = judge(early, 8)
    then = judged.score[whole.at < hour]
    assert np.allclose(then, before.score)
    assert len(of.at) == len(then)

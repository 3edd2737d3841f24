"""The surge rule: what it must fire at, what it must not, and that it never looks ahead."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from voxpop.signals import surge
from voxpop.signals.surge import Judgement, Rule, Stories, Told, first_of_voice
from voxpop.signals.tails import MOST, share_surprise, surprise
from voxpop.signals.usual import Prior, usual

DAYS = 21
CUT = 6.0
Story = tuple[int, float, int]
"""Entity, hours, stance."""


def told(stories: list[Story]) -> Told:
    ordered = sorted(stories)
    entity, at, stance = (np.array([one[n] for one in ordered]) for n in range(3))
    return Told(entity.astype(np.int64), at.astype(float), stance.astype(np.int64), np.ones(len(ordered), dtype=bool))


def counted(of: Told, entities: int, hours: int = DAYS * 24) -> Stories:
    kinds = [np.zeros((entities, hours), dtype=np.int64) for _ in range(3)]
    for kind, stance in zip(kinds, (-1, 1, 0), strict=True):
        chosen = of.stance == stance
        np.add.at(kind, (of.entity[chosen], of.at[chosen].astype(int)), 1)
    return Stories(*kinds)


def judge(stories: list[Story], entities: int = 10) -> tuple[Told, Judgement]:
    of = told(stories)
    return of, surge.judge(counted(of, entities), of)


def quiet(seed: int = 3, entities: int = 10, rate: float = 0.2, negative: float = 0.2) -> list[Story]:
    draw = np.random.default_rng(seed)
    found: list[Story] = []
    for entity in range(entities):
        for at in np.sort(draw.uniform(0, DAYS * 24, draw.poisson(rate * DAYS * 24))).tolist():
            stance = draw.choice([-1, 0, 1], p=[negative, 0.8 - negative, 0.2])
            found.append((entity, math.ceil(at * 60 - 60) / 60 if at > 1 else 0.0, int(stance)))
    return found


def burst(entity: int, hour: float, stance: int, count: int = 6, minutes: int = 10) -> list[Story]:
    return [(entity, hour + n * minutes / 60, stance) for n in range(count)]


def over(of: Told, judged: Judgement) -> set[int]:
    return set(of.entity[judged.score > CUT].tolist())


def test_an_outburst_fires_within_its_first_stories() -> None:
    of, judged = judge([*quiet(), *burst(3, 400.5, -1)])
    assert over(of, judged) == {3}
    first = of.at[judged.score > CUT][0]
    assert 400.5 < first <= 400.5 + 50 / 60


def test_good_news_and_news_of_the_usual_kind_do_not() -> None:
    assert over(*judge([*quiet(), *burst(3, 400.5, 1, 20)])) == set()
    mixed = [(3, 400.5 + n / 10, (-1, 0, 0, 1, 0)[n % 5]) for n in range(20)]
    assert over(*judge([*quiet(), *mixed])) == set()


def test_a_slow_burn_fires_though_no_hour_of_it_is_remarkable() -> None:
    burn = [(5, 360.0 + 2.5 * n, -1) for n in range(20)]
    of, judged = judge([*quiet(rate=0.03), *burn])
    mine = of.entity == 5
    assert judged.score[mine].max() > 4
    assert judged.horizon[mine][judged.score[mine].argmax()] == 24


def test_a_dispute_told_in_plain_words_fires_when_opinion_is_against_the_company() -> None:
    plain = [(4, 300.0 + 2 * n, 0) for n in range(12)]
    against, for_it = [(4, 301.0, -1), (4, 309.0, -1)], [(4, 303.0 + n, 1) for n in range(9)]
    quietly = quiet(rate=0.03)
    assert judge([*quietly, *plain, *against])[1].score.max() > 3
    assert judge([*quietly, *plain])[1].score.max() < 3
    assert judge([*quietly, *plain, *against, *for_it])[1].score.max() < 3


def test_what_is_usual_for_an_entity_is_no_surge() -> None:
    loud = [(0, at, stance) for _, at, stance in quiet(seed=1, entities=1, rate=3.0, negative=0.6)]
    assert over(*judge([*quiet(rate=0.05), *loud])) == set()


def test_an_entity_told_of_often_is_judged_by_its_own_tail() -> None:
    loud = [(0, at, stance) for _, at, stance in quiet(seed=1, entities=1, rate=14.0, negative=0.5)]
    of, judged = judge([*quiet(rate=0.05), *loud, *burst(0, 440.2, -1, 60, 1)])
    assert over(of, judged) == {0}
    assert of.at[judged.score > CUT].min() > 440.2


def test_too_few_stories_are_no_surge_however_rare() -> None:
    few = burst(0, 400.2, -1, Rule().least_stories - 1)
    assert judge(few)[1].score.max() == 0


def test_the_rule_does_not_judge_before_it_knows_anything() -> None:
    assert judge(burst(0, 10.0, -1, 50, 1))[1].score.max() == 0


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9 * 1440), st.sampled_from([-1, 0, 1])), min_size=5),
    st.integers(4 * 1440, 9 * 1440),
)
def test_no_story_reads_a_later_one(given_: list[tuple[int, int, int]], now: int) -> None:
    stories = [(entity, minute / 60, stance) for entity, minute, stance in given_]
    later = [(entity, now / 60 + 0.5 + n / 10, -1) for n in range(30) for entity in range(3)]
    past = [one for one in stories if one[1] <= now / 60]
    before, after = told(past), told([*past, *later])
    hours = 12 * 24
    first = surge.judge(counted(before, 3, hours), before)
    second = surge.judge(counted(after, 3, hours), after)
    kept = after.at <= now / 60
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b[kept])


@settings(deadline=None, max_examples=15)
@given(st.integers(3, 12), st.integers(0, 20))
def test_more_adverse_stories_never_lower_the_score_and_friendly_ones_never_raise_it(count: int, good: int) -> None:
    base = quiet(seed=4, entities=3)
    bad = burst(1, 400.0, -1, count, 2)
    at = bad[-1][1]

    def last(stories: list[Story]) -> float:
        of, judged = judge(stories, entities=3)
        return float(judged.score[(of.entity == 1) & (of.at == at)].max())

    usual_score = last([*base, *bad])
    assert last([*base, *bad, (1, 400.0, -1)]) >= usual_score
    assert last([*base, *bad, *((1, 400.0, 1) for _ in range(good))]) <= usual_score + 1e-9


def test_a_flood_by_one_voice_counts_as_one_story() -> None:
    entity, at = np.zeros(40, dtype=np.int64), 400 + np.arange(40) / 40
    assert first_of_voice(entity, at, np.full(40, 7)).tolist() == [True] + [False] * 39
    assert first_of_voice(entity, at, np.arange(40)).all()
    assert first_of_voice(entity, at, np.full(40, -1)).all(), "of nobody known each counts"
    assert first_of_voice(entity[:2], np.array([1.0, 26.0]), np.array([7, 7])).all(), "a day later it counts again"
    of = told([*quiet(), *burst(3, 400.5, -1, 40, 1)])
    bot = np.where((of.entity == 3) & (of.at >= 400.5) & (of.at < 401.5), 1, -1)
    flooded = of._replace(counts=first_of_voice(of.entity, of.at, bot))
    assert over(of, surge.judge(counted(of, 10), of)) == {3}
    assert over(flooded, surge.judge(counted(of, 10), flooded)) == set()


def test_the_surprise_is_the_tail_of_the_negative_binomial() -> None:
    """Against the sum of its probabilities, written out by the gamma function."""
    mean, k, n = 1.7, 0.35, 9
    size = 1 / k
    p = size / (size + mean)
    below = sum(
        math.exp(math.lgamma(i + size) - math.lgamma(size) - math.lgamma(i + 1)) * p**size * (1 - p) ** i
        for i in range(n)
    )
    got = surprise(np.array([n]), np.array([mean]), k)[0]
    assert got == pytest.approx(-math.log10(1 - below), rel=1e-9)


def test_the_surprise_of_a_share_is_the_exact_tail_and_never_certain() -> None:
    got = share_surprise(np.array([1, 5, 5]), np.array([1, 5, 50]), np.array([0.2, 0.2, 0.2]))
    assert got[:2] == pytest.approx([-math.log10(0.2), -5 * math.log10(0.2)])
    assert got[2] == pytest.approx(-math.log10(float(binom.sf(4, 50, 0.2))))
    assert surprise(np.array([10**6]), np.array([0.02]), 0.1)[0] <= MOST


def test_the_surprise_grows_with_what_is_seen_and_falls_with_what_is_expected() -> None:
    seen = np.arange(1, 50)
    assert np.all(np.diff(surprise(seen, np.full(49, 2.0), 0.35)) > 0)
    assert np.all(np.diff(surprise(np.full(49, 20), np.linspace(0.1, 10, 49), 0.35)) < 0)


def test_what_is_expected_follows_the_hour_of_the_week_and_forgets_a_spike() -> None:
    draw = np.random.default_rng(0)
    hours = 28 * 24
    busy = ((np.arange(hours) % 24 >= 8) & (np.arange(hours) % 24 < 20)).astype(float)
    counts = draw.poisson(0.05 + 2.0 * busy, size=(20, hours)).astype(np.int64)
    spiked = counts.copy()
    spiked[3, 400:412] += 60
    day = np.array([27, 27])
    for seen, of in ((counts, 0), (spiked, 3)):
        known = usual(seen, 0, (1, 3))
        noon, night = known.expected(np.array([of, of]), np.array([27 * 24 + 13.0, 27 * 24 + 4.0]), 1, day)
        assert 1.6 < noon < 3.0
        assert night < 0.3
    whole = usual(counts, 0, (1, 3)).expected(np.array([0]), np.array([27 * 24.0]), 168, day[:1])[0]
    assert whole == pytest.approx(usual(counts, 0, (1, 3)).level[0, 27] * 168)


def test_scatter_is_learned_from_the_entities() -> None:
    draw = np.random.default_rng(0)
    even = draw.poisson(2.0, size=(30, 28 * 24)).astype(np.int64)
    wild = draw.negative_binomial(0.7, 0.7 / 2.7, size=(30, 28 * 24)).astype(np.int64)
    rough, smooth = (usual(counts, 0, (1,)).dispersion[0, :, -1].mean() for counts in (wild, even))
    assert smooth == pytest.approx(Prior().least_dispersion)
    assert rough > 2 * smooth

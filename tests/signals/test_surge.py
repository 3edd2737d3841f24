"""The surge rule: what it must fire at, what it must not, and that it never looks ahead."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voxpop.signals import surge
from voxpop.signals.surge import Judgement, Rule, Stories, calibrate, episodes, surprise

DAYS = 14
CUT = 5.0


def judge(adverse: surge.Counts) -> Judgement:
    """Judges adverse stories alone."""
    nothing = np.zeros_like(adverse)
    return surge.judge(Stories(adverse, nothing, nothing))


def quiet(seed: int = 0, entities: int = 10, rate: float = 0.03) -> surge.Counts:
    return np.random.default_rng(seed).poisson(rate, size=(entities, DAYS * 24)).astype(np.int64)


def test_an_outburst_fires_within_its_first_hours() -> None:
    adverse = quiet()
    adverse[3, 200:206] += 6
    score = judge(adverse).score
    assert score[3, 200:203].max() > CUT
    assert [row for row in range(10) if score[row].max() > CUT] == [3]


def test_a_slow_burn_fires_though_no_hour_of_it_is_remarkable() -> None:
    adverse = quiet(rate=0.01)
    adverse[5, 200:320:4] += 1
    judged = judge(adverse)
    assert adverse[5, 200:320].max() <= 2
    assert judged.score[5, 200:260].max() > 4
    assert judged.horizon[5, int(judged.score[5].argmax())] in (24, 72)


def test_a_slow_burn_does_not_become_its_own_baseline_at_once() -> None:
    adverse = quiet(rate=0.01)
    adverse[5, 200:320:4] += 1
    assert judge(adverse).score[5, 240:260].min() > 3


def test_what_is_usual_for_an_entity_is_no_surge() -> None:
    adverse = quiet(rate=0.01)
    adverse[0] = np.random.default_rng(1).poisson(1.5, DAYS * 24)
    assert judge(adverse).score[0, 7 * 24 :].max() < CUT


def test_too_few_stories_are_no_surge_however_rare() -> None:
    adverse = np.zeros((10, DAYS * 24), dtype=np.int64)
    adverse[0, 250] = Rule().least_stories - 1
    assert judge(adverse).score.max() == 0


def test_the_rule_does_not_judge_before_it_knows_anything() -> None:
    adverse = np.zeros((2, DAYS * 24), dtype=np.int64)
    adverse[0, 10] = 50
    assert judge(adverse).score[:, : Rule().warm_up].max() == 0


@given(hnp.arrays(np.int64, (3, 24 * 5), elements=st.integers(0, 6)), st.integers(50, 24 * 5 - 2))
def test_no_hour_reads_a_later_one(adverse: surge.Counts, now: int) -> None:
    changed = adverse.copy()
    changed[:, now + 1 :] = 99
    for a, b in zip(judge(adverse), judge(changed), strict=True):
        assert np.array_equal(a[:, : now + 1], b[:, : now + 1])


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


def test_the_surprise_grows_with_what_is_seen_and_falls_with_what_is_expected() -> None:
    seen = np.arange(1, 50)
    assert np.all(np.diff(surprise(seen, np.full(49, 2.0), 0.35)) > 0)
    assert np.all(np.diff(surprise(np.full(49, 20), np.linspace(0.1, 10, 49), 0.35)) < 0)


def test_stretches_that_lie_close_are_one_episode() -> None:
    score = np.zeros(100)
    score[[10, 11, 20, 60]] = [6, 9, 7, 6]
    assert [tuple(e) for e in episodes(score, 5.0, quiet=24)] == [(10, 11, 21), (60, 60, 61)]


def test_the_cut_spends_no_more_than_the_budget_where_it_was_set() -> None:
    score = judge(quiet(seed=2, entities=50, rate=0.3)).score
    for budget in (0.5, 1.0, 3.0):
        cut = calibrate(score, budget, margin=0.0, least=0.1)
        fired = sum(len(episodes(row, cut)) for row in score)
        assert fired <= budget * DAYS
        lower = sum(len(episodes(row, cut - 0.3)) for row in score)
        assert lower > fired or cut == pytest.approx(0.1)


def test_without_history_the_cut_is_the_least() -> None:
    assert calibrate(np.zeros((3, 0)), 1.0, least=3.0) == 3.0


def with_plain_dispute(adverse_a_day: int, positive_a_day: int) -> Judgement:
    """A company that is told of once a day; then for four days eight times a day, mostly in plain words."""
    nothing = np.zeros((10, DAYS * 24), dtype=np.int64)
    stories = Stories(nothing.copy(), nothing.copy(), nothing.copy())
    stories.other[:, 12::24] = 1
    for day in range(9, 13):
        stories.other[4, day * 24 : day * 24 + 24 : 4] += 1
        stories.adverse[4, day * 24 + 1 : day * 24 + 1 + adverse_a_day] += 1
        stories.positive[4, day * 24 + 1 : day * 24 + 1 + positive_a_day] += 1
    return surge.judge(stories)


def test_a_dispute_told_in_plain_words_fires_when_opinion_is_against_the_company() -> None:
    assert with_plain_dispute(adverse_a_day=2, positive_a_day=0).score[4].max() > 3


def test_much_plain_news_or_a_burst_of_good_news_does_not() -> None:
    assert with_plain_dispute(adverse_a_day=0, positive_a_day=0).score.max() == 0
    assert with_plain_dispute(adverse_a_day=2, positive_a_day=9).score.max() == 0

"""Episodes over a cut, and the cut that spends a budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxpop.signals.episodes import ENOUGH, Moments, alarms, cut_for, episodes


def moments(*of: tuple[int, float, float]) -> Moments:
    """Of (entity, hours, score), in order."""
    entity, at, score = zip(*of, strict=True)
    return Moments(np.array(entity), np.array(at, dtype=float), np.array(score, dtype=float))


def drawn(seed: int, days: int, entities: int = 40) -> Moments:
    draw = np.random.default_rng(seed)
    entity = np.repeat(np.arange(entities), 4 * days)
    at = np.tile(np.arange(4 * days) * 6.0, entities)
    return Moments(entity, at, draw.exponential(1.0, len(at)))


def test_stretches_that_lie_close_are_one_episode() -> None:
    seen = moments((0, 10, 6), (0, 11, 9), (0, 20, 7), (0, 60, 6), (1, 61, 8))
    assert [tuple(e) for e in episodes(seen, 5.0)] == [(0, 1, 2), (3, 3, 3), (4, 4, 4)]


def test_each_moment_is_held_against_the_cut_of_its_time() -> None:
    seen = moments((0, 10, 6), (0, 50, 6), (0, 90, 6))
    assert [e.start for e in episodes(seen, np.array([np.inf, 7.0, 5.0]))] == [2]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300), st.floats(0.1, 9)), min_size=1), st.floats(0.1, 9))
def test_alarms_are_the_episodes_counted(of: list[tuple[int, int, float]], cut: float) -> None:
    seen = moments(*sorted(of))
    found = episodes(seen, cut)
    assert alarms(seen, cut) == len(found)
    assert sum(seen.score >= cut) >= len(found)
    assert all(seen.score[e.peak] >= max(cut, seen.score[e.start]) for e in found)


@pytest.mark.parametrize("budget", [0.5, 2.0, 5.0])
def test_the_cut_spends_the_budget_and_a_lower_one_would_spend_more(budget: float) -> None:
    seen = drawn(1, 60)
    cut = cut_for(seen, 60 * 24, budget, margin=0.0, least=0.0)
    lower = np.nextafter(float(seen.score[seen.score < cut].max()), 0)
    assert alarms(seen, cut) <= budget * 60 < alarms(seen, lower)


def test_a_cut_that_rests_on_few_alerts_has_a_margin() -> None:
    seen = drawn(2, 60)
    few, many = (cut_for(seen, 60 * 24, budget, least=0.0) for budget in (0.1, ENOUGH / 60))
    assert few == pytest.approx(cut_for(seen, 60 * 24, 0.1, margin=0.0, least=0.0) + 0.8)
    assert many == cut_for(seen, 60 * 24, ENOUGH / 60, margin=0.0, least=0.0)


def test_a_higher_budget_never_raises_the_cut() -> None:
    seen = drawn(3, 30)
    cuts = [cut_for(seen, 30 * 24, budget, least=0.0) for budget in (0.1, 0.5, 1, 2, 4, 8)]
    assert cuts == sorted(cuts, reverse=True)


def test_without_history_the_cut_is_the_least() -> None:
    nothing = Moments(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    assert cut_for(nothing, 0.0, 1.0, least=3.0) == 3.0

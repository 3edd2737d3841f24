"""Surges in series: found where they are, silent where there is none, and never by looking ahead."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxpop.signals import series
from voxpop.signals.series import DAY, HOUR, Numbers, Rule, Window, alerts, probation, score

STEP = 600.0
DAYS = 21
PER_DAY = int(DAY / STEP)


def times(count: int, step: float, start: float = 0.0) -> Numbers:
    return (start + step * np.arange(count)).astype(np.float64)


def seasonal(seed: int, level: float = 60.0, days: int = DAYS) -> tuple[Numbers, Numbers]:
    """Counts of ten minutes with a daily swing of one to five and noise twice that of Poisson."""
    draw = np.random.default_rng(seed)
    at = times(days * PER_DAY, STEP, 1.7e9 // DAY * DAY)
    rate = level * np.exp(0.8 * np.sin(2 * np.pi * at / DAY))
    return at, draw.negative_binomial(rate, 0.5).astype(float)


def raised(at: Numbers, value: Numbers) -> list[int]:
    return np.flatnonzero(alerts(at, score(at, value), probation=probation(len(at)))).tolist()


def plain_z(value: Numbers, row: int) -> float:
    past = value[max(0, row - 14 * PER_DAY) : row]
    return float((value[row] - past.mean()) / past.std())


@pytest.mark.parametrize("seed", range(4))
def test_planted_spikes_are_found_at_once_with_few_false_alarms(seed: int) -> None:
    at, value = seasonal(seed)
    onsets = [8 * PER_DAY + 70, 13 * PER_DAY + 20, 18 * PER_DAY + 100]
    for onset in onsets:
        value[onset : onset + 12] *= 4
    found = raised(at, value)
    assert [any(onset <= row < onset + 3 for row in found) for onset in onsets] == [True] * 3
    assert len(found) <= 3 + DAYS // 4


def test_a_surge_at_night_is_found_that_a_plain_z_takes_for_daytime() -> None:
    at, value = seasonal(7)
    onset = 15 * PER_DAY + int(18 * HOUR / STEP)  # the trough
    value[onset : onset + 6] *= 3.5
    assert plain_z(value, onset) < 2 < max(plain_z(value, row) for row in range(14 * PER_DAY, onset))
    assert any(onset <= row < onset + 6 for row in raised(at, value))


def test_counts_near_nothing_surge_by_a_few_in_a_row() -> None:
    at, _ = seasonal(0)
    value = np.random.default_rng(3).poisson(0.1, len(at)).astype(float)
    onset = 12 * PER_DAY
    value[onset : onset + 3] = [3, 4, 3]
    found = raised(at, value)
    assert any(onset <= row < onset + 3 for row in found)
    assert len(found) <= 4


def test_one_burst_raises_one_alert_and_a_later_one_another() -> None:
    at, value = seasonal(5)
    for onset in (10 * PER_DAY, 16 * PER_DAY):
        value[onset : onset + 30] *= 6
    found = raised(at, value)
    for onset in (10 * PER_DAY, 16 * PER_DAY):
        assert sum(onset <= row < onset + 36 for row in found) == 1


@pytest.mark.parametrize("level", [0.0, 1.0, 250.0, -3.5, 1e300])
def test_a_flat_series_is_silent_and_a_jump_from_it_is_not(level: float) -> None:
    at, _ = seasonal(0)
    value = np.full(len(at), level)
    assert raised(at, value) == []
    value[15 * PER_DAY] += abs(level) + 10
    assert raised(at, value) == [15 * PER_DAY]


def test_missing_values_leave_no_trace() -> None:
    at, value = seasonal(2)
    gaps = np.random.default_rng(1).random(len(at)) < 0.1
    with_gaps = np.where(gaps, np.nan, value)
    found = score(at, with_gaps)
    assert (found[gaps] == 0).all()
    assert np.array_equal(found[~gaps], score(at[~gaps], value[~gaps]))
    assert (score(at, np.full(len(at), np.nan)) == 0).all()
    assert len(score(at[:0], value[:0])) == 0


@pytest.mark.parametrize(
    ("at", "value"), [([2.0, 1.0], [0.0, 0.0]), ([1.0, np.nan], [0.0, 0.0]), ([1.0, 2.0], [0.0, np.inf])]
)
def test_what_cannot_be_scored_is_refused(at: list[float], value: list[float]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        score(np.array(at), np.array(value))


# Steps from nothing (a repeated timestamp) to a gap of five days; values of either kind.
ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 60.0, 600.0, 3600.0, 40_000.0, 5 * DAY]),
        st.one_of(st.integers(0, 12).map(float), st.floats(-1e3, 1e6), st.just(float("nan"))),
    ),
    min_size=25,
    max_size=120,
)


@settings(deadline=None, max_examples=60)
@given(ROWS, st.data())
def test_the_score_of_a_prefix_is_the_prefix_of_the_scores(
    rows: list[tuple[float, float]], data: st.DataObject
) -> None:
    at, value = 1.7e9 + np.cumsum([step for step, _ in rows]), np.array([x for _, x in rows])
    cut = data.draw(st.integers(0, len(rows)))
    rule = Rule(least_rows=5)
    whole = score(at, value, rule)
    assert ((whole >= 0) & (whole <= 1)).all()
    assert np.allclose(score(at[:cut], value[:cut], rule), whole[:cut], rtol=0, atol=1e-9)
    assert np.array_equal(alerts(at[:cut], whole[:cut], rule, probation=5), alerts(at, whole, rule, probation=5)[:cut])


def test_a_seasonal_series_is_scored_causally() -> None:
    at, value = seasonal(4, days=8)
    value[6 * PER_DAY :] *= 5
    cut = 6 * PER_DAY + 3
    assert np.allclose(score(at[:cut], value[:cut]), score(at, value)[:cut], rtol=0, atol=1e-12)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.floats(-50, 50)), min_size=1, max_size=60))
def test_the_window_knows_median_and_mad(rows: list[tuple[int, float]]) -> None:
    window, now = Window(memory=30.0), 0.0
    for step, value in rows:
        now += step
        window.add(now, value)
    window.move(now)
    times = np.cumsum([step for step, _ in rows])
    held = np.array([value for _, value in rows])[times >= now - 30]
    median, mad = window.median_and_mad()
    assert median == np.sort(held)[len(held) // 2]
    assert mad == np.sort(np.abs(held - median))[len(held) // 2]
    assert window.total == pytest.approx(held.sum(), abs=1e-9)


def test_no_alert_in_the_probation_nor_for_a_burst_that_began_in_it() -> None:
    at, found = times(100, STEP), np.zeros(100)
    found[8:12] = 0.99
    assert np.flatnonzero(alerts(at, found)).tolist() == [8]
    assert not alerts(at, found, probation=10).any()
    assert (probation(100), probation(100_000)) == (15, 750)


def test_an_alert_waits_until_all_was_calm_for_long_enough() -> None:
    at, found = times(40, HOUR), np.zeros(40)
    found[[5, 9, 20]] = 0.95
    found[14] = 0.8  # stirs, though it raises nothing
    rule = Rule(refractory=5 * HOUR)
    assert np.flatnonzero(alerts(at, found, rule)).tolist() == [5, 20]
    daily = times(40, DAY)
    assert np.flatnonzero(alerts(daily, np.where(found > 0, 0.95, 0.0), rule)).tolist() == [5, 9, 14, 20]
    assert np.flatnonzero(alerts(daily, np.full(40, 0.95), rule)).tolist() == [0]


def test_a_hundred_thousand_rows_take_less_than_twenty_seconds() -> None:
    draw = np.random.default_rng(0)
    at, value = times(100_000, 60.0, 1.7e9), draw.poisson(40, 100_000).astype(float)
    begun = time.process_time()
    found = series.score(at, value)
    assert time.process_time() - begun < 20
    assert found.shape == at.shape

"""Calibration, against data whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from voxpop.training.calibrate import calibration_error, platt, scaled, temperature
from voxpop.training.judge import best_threshold


def drawn(divisor: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Overconfident probabilities, and labels drawn from what they are once divided by ``divisor``."""
    random = np.random.default_rng(3)
    logits = random.normal(size=(count, 3)) * 4
    true = softmax(logits / divisor, axis=1)
    gold = (true.cumsum(axis=1) < random.random((count, 1))).sum(axis=1)
    return softmax(logits, axis=1).astype(np.float32), gold


def test_the_temperature_that_made_the_labels_is_found() -> None:
    probabilities, gold = drawn(2.5)
    assert temperature(probabilities, gold) == pytest.approx(2.5, rel=0.05)


def test_scaling_mends_the_error_and_keeps_the_label() -> None:
    probabilities, gold = drawn(2.5)
    right = probabilities.argmax(axis=1) == gold
    after = scaled(probabilities, 2.5)
    assert calibration_error(probabilities.max(axis=1).astype(np.float64), right) > 0.1
    assert calibration_error(after.max(axis=1), right) < 0.02
    assert (after.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert after.sum(axis=1) == pytest.approx(np.ones(len(after)))


def test_platt_finds_the_logistic_that_made_the_answers() -> None:
    random = np.random.default_rng(5)
    margins = random.normal(size=20_000) * 3
    right = random.random(20_000) < expit(0.7 * margins - 1.2)
    slope, offset = platt(margins, right)
    assert slope == pytest.approx(0.7, abs=0.05)
    assert offset == pytest.approx(-1.2, abs=0.1)


def test_platt_stays_finite_where_the_margins_separate() -> None:
    slope, offset = platt(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([False, False, True, True]))
    assert 0 < slope < 50
    assert abs(offset) < 50


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.6, 0.6, 0.9, 0.9])
    right = np.array([True, False, True, True])
    assert calibration_error(confidence, right, bins=2) == pytest.approx((0.1 + 0.1) / 2)
    assert calibration_error(np.array([]), np.array([], dtype=bool)) == 0


@pytest.mark.parametrize("without", [1, 3])
def test_the_threshold_of_answers_does_not_follow_the_share_of_questions_without_one(without: int) -> None:
    margins = np.array([5.0, 4.0, 3.0, *[2.0] * without, 1.0, *[0.0] * without])
    overlaps = np.array([1.0, 1.0, 0.5, *[0.0] * without, 0.5, *[0.0] * without])
    unanswerable = np.array([False, False, False, *[True] * without, False, *[True] * without])
    assert best_threshold(margins, overlaps, unanswerable) == 2.5
    overlaps[3 + without] = 1.0  # worth more than the half of those without an answer that it lets through
    assert best_threshold(margins, overlaps, unanswerable) == 0.5


def test_a_span_is_given_to_every_question_where_all_have_an_answer() -> None:
    assert best_threshold(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([False, False])) < 0

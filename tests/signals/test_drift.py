"""Drift: shares of a week against those of the weeks before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from voxpop.signals import drift

UNTIL = datetime(2026, 4, 6, tzinfo=UTC)
USUAL = {"negative": 100, "neutral": 700, "positive": 200}


def test_the_week_and_the_four_before_it_meet() -> None:
    recent, usual = drift.spans(UNTIL)
    assert (recent.end, recent.start - usual.start) == (UNTIL, timedelta(days=28))
    assert usual.end == recent.start == UNTIL - timedelta(days=7)


def test_equal_shares_are_no_drift_however_many_there_are() -> None:
    tenth = {kind: count // 10 for kind, count in USUAL.items()}
    assert drift.index(USUAL, USUAL) == 0.0
    assert drift.index(tenth, USUAL) < 0.001


def test_the_index_is_the_one_of_the_books() -> None:
    p, q = np.array([30_000, 50_000, 20_000]) + 0.5, np.array([10_000, 70_000, 20_000]) + 0.5
    p, q = p / p.sum(), q / q.sum()
    counts = ({"a": 30_000, "b": 50_000, "c": 20_000}, {"a": 10_000, "b": 70_000, "c": 20_000})
    assert drift.index(*counts) == pytest.approx(float(((p - q) * np.log(p / q)).sum()))
    assert drift.index(*counts) == pytest.approx(0.2 * np.log(3) + 0.2 * np.log(1.4), rel=1e-3)
    assert drift.index(*counts) == pytest.approx(drift.index(*reversed(counts)))


def test_what_is_seen_on_one_side_alone_is_much_and_not_infinite() -> None:
    assert drift.LARGE < drift.index({"en": 100, "zh": 100}, {"en": 800}) < 10


def test_a_share_that_doubles_is_not_yet_large_and_one_that_trebles_is() -> None:
    doubled, trebled = ({"negative": n, "neutral": 80 - n, "positive": 20} for n in (20, 30))
    assert 0.05 < drift.index(doubled, USUAL) < drift.LARGE < drift.index(trebled, USUAL)


def test_too_little_is_not_judged() -> None:
    other = {"negative": drift.LEAST_RECENT}
    assert drift.judge(other, USUAL) is not None
    assert drift.judge({"negative": drift.LEAST_RECENT - 1}, USUAL) is None
    assert drift.judge(other, {"neutral": drift.LEAST_USUAL - 1}) is None


def test_chance_alone_is_hardly_ever_large_at_the_least_counts() -> None:
    order, shares = np.random.default_rng(7), [0.1, 0.7, 0.2]
    drawn = [order.multinomial(n, shares, size=5000) for n in (drift.LEAST_RECENT, drift.LEAST_USUAL)]
    found = [
        drift.index(*({str(kind): int(n) for kind, n in enumerate(row)} for row in rows))
        for rows in zip(*drawn, strict=True)
    ]
    assert sum(one >= drift.LARGE for one in found) <= 1


def test_it_says_what_moved_most_first() -> None:
    recent = {"negative": 30, "neutral": 50, "positive": 20}
    said = "negative 30% where 10% was usual, neutral 50% where 70% was usual, positive 20% where 20% was usual"
    assert drift.moved(recent, USUAL) == said

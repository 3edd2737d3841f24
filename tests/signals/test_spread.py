"""Spreading: what one story must do to be noticed, and that nobody makes it spread by repeating it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxpop.signals.spread import Judgement, Reach, Rule, Voices, judge

NOW = 15 * 24.0
Sight = tuple[float, float, int]
"""Hours, reach gained, teller (-1: a later figure of one who told it)."""


def stream(*stories: list[Sight], seed: int = 0, opener: int = 1) -> tuple[Reach, Voices]:
    """Two weeks of ordinary stories, passed on by nobody or a few; then the given ones by author ``opener``."""
    draw = np.random.default_rng(seed)
    found: list[list[Sight]] = []
    for opened in np.sort(draw.uniform(0, NOW - 1, 400)).tolist():
        first = (opened, float(np.exp(draw.normal(6, 1.2))), int(draw.integers(2, 60)))
        passed = [(opened + 0.3 * n, 100.0, 100 + n) for n in range(1, draw.integers(0, 3) + 1)]
        found.append([first, *passed])
    authors = [story[0][2] for story in found] + [opener] * len(stories)
    found += [sorted(story) for story in stories]
    columns = [(n, *sight) for n, story in enumerate(found) for sight in story]
    story, at, gain, teller = (np.array(column) for column in zip(*columns, strict=True))
    return Reach(story, at.astype(float), gain.astype(float), teller), Voices(np.array(authors), np.zeros_like(authors))


def last(*stories: list[Sight]) -> float:
    reach, voices = stream(*stories)
    return float(judge(reach, voices).score[reach.story == len(voices.author) - 1].max())


def cascade(count: int, each: float = 400.0, minutes: float = 0.6) -> list[Sight]:
    return [(NOW, 200.0, 1), *((NOW + minutes * n / 60, each, 1000 + n) for n in range(1, count))]


def test_a_single_story_that_runs_away_is_noticed_at_once() -> None:
    reach, voices = stream(cascade(100))
    judged = judge(reach, voices)
    own = reach.story == reach.story.max()
    assert judged.score[own].max() > 4
    assert judged.score[~own].max() < 3
    first = reach.at[own][judged.score[own] > 3][0]
    assert first - NOW < 1
    peak = judged.score[own].argmax()
    assert judged.gained[own][peak] > 20 * judged.usual[own][peak] > 0


def test_the_sources_own_figure_may_show_it_too() -> None:
    assert last([(NOW, 200.0, 1), (NOW + 0.2, 30_000.0, -1)]) > 3


def test_few_tellers_or_little_reach_are_no_evidence() -> None:
    assert (
        last([(NOW, 200.0, 1), *((NOW + n / 60, 90_000.0, 1000 + n) for n in range(1, Rule().least_tellers - 1))]) == 0
    )
    assert last(cascade(40, each=2.0)) == 0


def test_one_who_always_reaches_many_is_not_spreading() -> None:
    loud = [[(24.0 * day, 60_000.0, 1)] for day in range(1, 14)]
    reach, voices = stream(*loud, cascade(100))
    assert judge(reach, voices).score[reach.story == reach.story.max()].max() < last(cascade(100)) - 1


def test_what_the_opener_had_at_first_sight_is_no_growth() -> None:
    assert last([(NOW, 5e6, 1)]) == 0


@settings(deadline=None, max_examples=20)
@given(st.integers(5, 80), st.floats(50, 2000), st.floats(1.0, 3.0))
def test_more_reach_never_lowers_the_score(count: int, each: float, factor: float) -> None:
    assert last(cascade(count, each * factor)) >= last(cascade(count, each)) - 1e-9


@settings(deadline=None, max_examples=20)
@given(st.floats(24 * 3, NOW + 1), st.integers(0, 1000))
def test_no_sight_reads_a_later_one(now: float, seed: int) -> None:
    reach, voices = stream(cascade(60), seed=seed)
    whole = judge(reach, voices)
    past = reach.at <= now
    story = reach.story[past]
    stories, story = np.unique(story, return_inverse=True)
    early = Reach(story, reach.at[past], reach.gain[past], reach.teller[past])
    part = judge(early, Voices(voices.author[stories], voices.source[stories]))
    for name in Judgement._fields:
        assert getattr(part, name) == pytest.approx(getattr(whole, name)[past])


def test_nothing_seen_is_nothing_judged() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert judge(Reach(nothing, np.zeros(0), np.zeros(0), nothing), Voices(nothing, nothing)).score.shape == (0,)

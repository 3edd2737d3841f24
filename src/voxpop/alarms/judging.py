"""What the rules with a cut say of the stored stream: surges, disputes that simmer for days, and spreading."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.alarms import past
from voxpop.alarms.past import Past, Window
from voxpop.records import Alert
from voxpop.signals import simmer, spread, surge
from voxpop.signals.episodes import Episode, Moments
from voxpop.signals.meaning import SIMMER, SPREAD, SURGE, Rule
from voxpop.signals.windows import HOUR
from voxpop.store.told import Sight, ToldStory


@dataclass(frozen=True, kw_only=True)
class Judged(ABC):
    """What one rule says."""

    rule: Rule
    model: str
    seen: Past
    moments: Moments

    @abstractmethod
    def alert(self, of: Episode) -> Alert:
        """The figures of an episode; id and cut are still open."""

    @abstractmethod
    def is_news(self, of: Episode) -> bool:
        """Whether something of an episode is new."""


def judge(seen: Past, model: str, news: Collection[Window] | None = None) -> tuple[Judged, ...]:
    """What each rule says of all that was seen.

    Args:
        news: judge only episodes in which one of these windows lies (None: all).
    """
    return _surges(seen, model, news), _spreading(seen, model, news), _simmering(seen, model, news)


def _surges(seen: Past, model: str, news: Collection[Window] | None) -> Judged:
    rows = seen.rows(None if news is None else _swelling(seen, news))
    told = seen.told(rows)
    return _by_stories(SURGE, seen, rows, told, surge.judge_by(seen.known, told), model, news)


def _simmering(seen: Past, model: str, news: Collection[Window] | None) -> Judged:
    rows = seen.rows(None if news is None else _smouldering(seen, news))
    told = seen.told(rows)
    return _by_stories(SIMMER, seen, rows, told, simmer.judge(seen.known, told), model, news)


@dataclass(frozen=True, kw_only=True)
class _ByStories(Judged):
    """What a rule says of which each story has a score."""

    rows: Sequence[ToldStory]
    """The story at each moment."""
    scores: surge.Judgement
    news: Mapping[str, Sequence[datetime]] | None
    """Hours in which something is new, by entity; None: in all."""

    def alert(self, of: Episode) -> Alert:
        """Of what was told since the window of the first story opened."""
        moments, seen, scores = self.moments, self.seen, self.scores
        opened = self._opened(of)
        since = (moments.entity == moments.entity[of.start]) & (moments.at > opened)
        labels = [self.rows[n].label for n in np.flatnonzero(since).tolist() if n <= of.end]
        return Alert(
            id="",
            entity=self.rows[of.start].entity,
            rule=self.rule,
            fired_at=seen.time(moments.at[of.start]),
            window_start=seen.time(opened),
            score=float(scores.score[of.peak]),
            cut=0.0,
            hours=int(scores.horizon[of.peak]),
            stories=int(scores.seen[of.peak]),
            expected=float(scores.expected[of.peak]),
            negative_stories=labels.count("negative"),
            unread_stories=0 if seen.of.by_volume else labels.count(None),
            model=self.model,
        )

    def is_news(self, of: Episode) -> bool:
        """Whether something was told of the entity in its hours."""
        if self.news is None:
            return True
        opened, end = self.seen.time(self._opened(of)), self.seen.time(float(self.moments.at[of.end]))
        return any(opened < at + HOUR and at <= end for at in self.news[self.rows[of.start].entity])

    def _opened(self, of: Episode) -> float:
        return float(self.moments.at[of.start]) - float(self.scores.horizon[of.start])


def _by_stories(
    rule: Rule,
    seen: Past,
    rows: Sequence[ToldStory],
    told: surge.Told,
    scores: surge.Judgement,
    model: str,
    news: Collection[Window] | None,
) -> Judged:
    moments, hours = Moments(told.entity, told.at, scores.score), None if news is None else _by_entity(news)
    return _ByStories(rule=rule, model=model, seen=seen, moments=moments, rows=rows, scores=scores, news=hours)


def _by_entity(news: Iterable[Window]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {}
    for entity, at in news:
        found.setdefault(entity, []).append(at)
    return found


def _swelling(seen: Past, news: Iterable[Window]) -> list[str]:
    """The entities of which enough was told around a window of theirs for the rule to judge it."""
    rule = surge.Rule()
    reach = timedelta(hours=max(rule.horizons))
    found = []
    for entity, hours in _by_entity(news).items():
        against = [row.at for row in seen.rows([entity]) if row.label != "positive"]
        if any(
            bisect_left(against, at + HOUR + reach) - bisect_left(against, at - reach) >= rule.least_stories
            for at in hours
        ):
            found.append(entity)
    return found


_LONG = timedelta(days=28)
"""The stories of a dispute lie closer to each other than this."""


def _smouldering(seen: Past, news: Iterable[Window]) -> list[str]:
    """The entities of which enough was told, within weeks of a window of theirs, for the rule of disputes to judge."""
    least, found = simmer.Rule().least_adverse, []
    for entity, hours in _by_entity(news).items():
        adverse = [row.at for row in seen.rows([entity]) if row.label in ("negative", None)]
        if any(
            bisect_left(adverse, at + _LONG) - bisect_left(adverse, at - _LONG) >= least
            and bisect_left(adverse, at.replace(hour=0)) < len(adverse)
            for at in hours
        ):
            found.append(entity)
    return found


@dataclass(frozen=True, kw_only=True)
class _Spreading(Judged):
    """What the rule of spreading says, at each sight at which a negative story had grown."""

    rows: Sequence[ToldStory]
    """The story at each moment."""
    sights: NDArray[np.int64]
    """The sight at each moment, by its place in ``scores``."""
    scores: spread.Judgement
    growing: Collection[str] | None
    """Stories whose growth is new; None: all."""

    def alert(self, of: Episode) -> Alert:
        """Of the stories that grew in the episode."""
        first, peak, rows = self.rows[of.start], self.sights[of.peak], self._told(of)
        began, seen, stories = self.seen.time(self.moments.at[of.start]), self.seen, len({row.story for row in rows})
        return Alert(
            id="",
            entity=first.entity,
            rule=self.rule,
            fired_at=began,
            window_start=min(seen.time(seen.hours(first.at)), began),
            score=float(self.scores.score[peak]),
            cut=0.0,
            hours=1,
            stories=stories,
            expected=float(self.scores.usual[peak]),
            negative_stories=stories,
            unread_stories=0,
            model=self.model,
            reach=int(self.scores.gained[peak]),
            evidence=tuple(dict.fromkeys(row.document for row in rows)),
        )

    def is_news(self, of: Episode) -> bool:
        """Whether one of its stories grew."""
        return self.growing is None or any(self.seen.story_of(row) in self.growing for row in self._told(of))

    def _told(self, of: Episode) -> Sequence[ToldStory]:
        return self.rows[of.start : of.end + 1]


class _Grown(NamedTuple):
    """A sight at which a story had grown, for one entity that it speaks of; sorts by entity and time."""

    entity: int
    at: float
    sight: int
    row: int


def _spreading(seen: Past, model: str, news: Collection[Window] | None) -> Judged:
    """Of each entity the growth of the stories that speak of it negatively."""
    growing = None if news is None else {s for s in seen.stories_of(news) if past.may_spread(seen.sights_of(s))}
    rows = _negative(seen, growing)
    shown = seen.sights() if rows else []
    reach, voices = past.reach_of(seen, shown)
    scores = spread.judge(reach, voices)
    grown = _grown(seen, rows, shown, reach.at, scores.score)
    sights = np.array([one.sight for one in grown], dtype=np.int64)
    entity, at = np.array([one.entity for one in grown], dtype=np.int64), np.array([one.at for one in grown])
    return _Spreading(
        rule=SPREAD,
        model=model,
        seen=seen,
        moments=Moments(entity, at, scores.score[sights]),
        rows=[rows[one.row] for one in grown],
        sights=sights,
        scores=scores,
        growing=growing,
    )


def _negative(seen: Past, growing: Collection[str] | None) -> list[ToldStory]:
    """What the stories say negatively of entities, of those that one of ``growing`` speaks of (None: of all)."""
    if growing is not None and not growing:
        return []
    rows = [row for row in seen.rows() if row.label == "negative"]
    if growing is None:
        return rows
    entities = {row.entity for row in rows if seen.story_of(row) in growing}
    return [row for row in rows if row.entity in entities]


def _grown(
    seen: Past,
    rows: Sequence[ToldStory],
    shown: Sequence[Sight],
    at: NDArray[np.float64],
    score: NDArray[np.float64],
) -> list[_Grown]:
    """The sights with a score of the stories of ``rows``, once these had been told."""
    sights: dict[str, list[int]] = {}
    for n in np.flatnonzero(score > 0).tolist():
        sights.setdefault(shown[n].story, []).append(n)
    place = {entity: number for number, entity in enumerate(seen.entities)}
    return sorted(
        _Grown(place[row.entity], float(at[n]), n, number)
        for number, row in enumerate(rows)
        for n in sights.get(seen.story_of(row), [])
        if at[n] >= seen.hours(row.at)
    )

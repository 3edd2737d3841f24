"""The stored stream, laid out as the arrays that the rules of ``voxpop.signals`` read."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from voxpop.alarms import history
from voxpop.alarms.history import History
from voxpop.records import TrendPoint
from voxpop.signals import spread, surge
from voxpop.signals.tails import Counts
from voxpop.signals.windows import HOUR, hour_of
from voxpop.store import told, trends
from voxpop.store.told import Sight, ToldStory

MINUTE = timedelta(minutes=1)
T = TypeVar("T")
Window = tuple[str, datetime]
"""An entity and an hour."""


class Past:
    """What is stored. Times in arrays are hours since ``start``, rounded up to the minute.

    Attributes:
        start: a midnight.
        end: the watermark: the last publication.
        entities: those spoken of; their places are the numbers in arrays.
        known: what is usual.
        known_to: up to when changes of the store were seen.
        of: what the version is judged on.
    """

    def __init__(self, start: datetime, of: History, memory: Memory, known: surge.Known) -> None:
        self.start, self.end, self.of, self.known = start, of.last, of, known
        self.entities, self.known_to = memory.entities, memory.known_to
        self._memory = memory

    def rows(self, entities: Collection[str] | None = None) -> list[ToldStory]:
        """The stories about these entities (None: all), by entity and time."""
        if entities is None:
            return self._every_row
        return [row for entity in sorted(entities) for row in self._memory.told_of(entity)]

    @cached_property
    def _every_row(self) -> list[ToldStory]:
        return [row for entity in self.entities for row in self._memory.told_of(entity)]

    def told(self, rows: Sequence[ToldStory]) -> surge.Told:
        """The stories of ``rows``, which are all of their entities."""
        if rows is self.__dict__.get("_every_row"):  # asked for, it would be made
            return self._all_told
        return _told(rows, self.entities, self.start)

    @cached_property
    def _all_told(self) -> surge.Told:
        """As arrays, made once for the rules that read them."""
        return _told(self._every_row, self.entities, self.start)

    def stories_of(self, windows: Iterable[Window]) -> set[str]:
        """The stories of which a document was published in the hour of one of the windows."""
        return self._memory.stories_in({start for _, start in windows})

    def sights_of(self, story: str) -> list[Sight]:
        """What was seen of the reach of one story."""
        return self._memory.sights_of([story])

    def sights(self) -> list[Sight]:
        """What was seen of the reach of all stories, by story and time."""
        return self._memory.sights_of(None)

    def story_of(self, row: ToldStory) -> str:
        """The story whose reach is that of the row: the one that its document belongs to."""
        return self._memory.story_of(row.document)

    def hours(self, at: datetime) -> float:
        """Up to the end of the minute that ``at`` lies in."""
        return _hours(at - self.start)

    def time(self, hours: float) -> datetime:
        return self.start + round(hours * 60) * MINUTE


def _hours(since: timedelta) -> float:
    return float(-(-since // MINUTE)) / 60


def _hours_of(times: Sequence[datetime], start: datetime) -> NDArray[np.float64]:
    """The same of many times."""
    seconds = np.array([at.timestamp() for at in times]) - start.timestamp()
    microseconds = np.rint(seconds * 1e6).astype(np.int64)
    return np.asarray(-(-microseconds // 60_000_000) / 60)


def read(connection: Connection, model: str, back: timedelta | None = None) -> Past | None:
    """The stored stream, or its last ``back`` from midnight on; None while it names nobody."""
    return Memory().read(connection, model, back)


class Memory:
    """What was read of the stream, kept from one look to the next, so that the next reads only what has changed.

    Trend points tell what has changed. So what changes none of them (a figure of reach below an earlier one, a story
    that falls apart within one hour) is seen only once something else of its hour changes. It may be thrown away at
    any time.
    """

    def __init__(self) -> None:
        self._forget_all("")

    def _forget_all(self, name: str) -> None:
        self._name = name
        self.known_to: datetime | None = None
        """Up to when the changes of the stream are known."""
        self.entities: tuple[str, ...] = ()
        self._points: dict[str, dict[datetime, TrendPoint]] = {}
        self._told: dict[str, dict[datetime, list[ToldStory]]] = {}
        self._sights: dict[str, list[Sight]] = {}
        """By document."""
        self._published: dict[datetime, set[str]] = {}
        """Documents by the hour of publication."""
        self._members: dict[str, set[str]] = {}
        """Documents by story."""
        self._known: tuple[Hashable, surge.Known] | None = None

    def read(self, connection: Connection, model: str, back: timedelta | None = None) -> Past | None:
        """The stream as it is stored now; see ``read``."""
        of = history.of(connection, model)
        if of is None:
            return None
        if of.name != self._name:
            self._forget_all(of.name)
        since = of.first if back is None else max(of.first, of.last - back)
        start = since.replace(hour=0, minute=0, second=0, microsecond=0)
        self._forget_before(start)
        changes = trends.changes(connection, of.name, start, self.known_to)
        windows = None if self.known_to is None else [(p.entity, p.start) for p in changes.points]
        if windows is None or windows:
            self._take_stories(told.stories(connection, of.name, start, windows), windows or ())
            hours = None if windows is None else {at for _, at in windows}
            self._take_sights(told.sights(connection, start, hours), hours or ())
        known_days = surge.days_read(_hours(of.last - start))
        self._take_points(changes.points, start + known_days * 24 * HOUR)
        self.known_to = changes.known_to
        self.entities = tuple(sorted(self._points.keys() | self._told.keys()))
        return Past(start, of, self, self._usual(start, of.last, known_days))

    def told_of(self, entity: str) -> list[ToldStory]:
        """The stories about the entity, by time."""
        by_hour = self._told.get(entity, {})
        return [row for hour in sorted(by_hour) for row in by_hour[hour]]

    def stories_in(self, hours: Iterable[datetime]) -> set[str]:
        """The stories of which a document was published in these hours."""
        return {self.story_of(document) for hour in hours for document in self._published.get(hour, ())}

    def story_of(self, document: str) -> str:
        """The story that a document belongs to; its own, where its reach is not known."""
        return self._sights[document][0].story if document in self._sights else document

    def sights_of(self, stories: Iterable[str] | None) -> list[Sight]:
        """What was seen of the reach of these stories (None: all), by story and time."""
        wanted = self._members if stories is None else stories
        found = [s for story in wanted for document in self._members.get(story, ()) for s in self._sights[document]]
        return sorted(found, key=lambda s: (s.story, s.at, s.document, s.reach))

    def _forget_before(self, start: datetime) -> None:
        _forget_hours(self._points, start)
        _forget_hours(self._told, start)
        for hour in [hour for hour in self._published if hour < start]:
            self._forget_documents(self._published.pop(hour))

    def _forget_documents(self, documents: Iterable[str]) -> None:
        for document in documents:
            if sights := self._sights.pop(document, None):
                members = self._members[sights[0].story]
                members.discard(document)
                if not members:
                    del self._members[sights[0].story]

    def _take_stories(self, rows: Iterable[ToldStory], windows: Iterable[Window]) -> None:
        """Replaces what was told first in these windows."""
        for entity, hour in windows:
            self._told.get(entity, {}).pop(hour, None)
        for row in rows:
            self._told.setdefault(row.entity, {}).setdefault(hour_of(row.at), []).append(row)

    def _take_sights(self, sights: Iterable[Sight], hours: Iterable[datetime]) -> None:
        """Replaces what was seen of the documents published in these hours, and of the stories that they belong to."""
        for hour in hours:
            self._forget_documents(self._published.pop(hour, set()))
        found: dict[str, list[Sight]] = {}
        for sight in sights:
            found.setdefault(sight.document, []).append(sight)
        self._forget_documents(found)
        for document, of_one in found.items():
            self._sights[document] = of_one
            self._members.setdefault(of_one[0].story, set()).add(document)
            self._published.setdefault(hour_of(of_one[0].published_at), set()).add(document)

    def _take_points(self, points: Iterable[TrendPoint], usual_to: datetime) -> None:
        """Replaces points; where one changes what is usual, that is to be computed anew."""
        for point in points:
            of_entity = self._points.setdefault(point.entity, {})
            before, of_entity[point.start] = of_entity.get(point.start), point
            if point.start < usual_to and (before is None or _counted(before) != _counted(point)):
                self._known = None

    def _usual(self, start: datetime, end: datetime, days: int) -> surge.Known:
        key = (start, self.entities, days)
        if self._known is None or self._known[0] != key:
            hours = min(days * 24, (end - start) // HOUR + 1)
            points = [p for by_hour in self._points.values() for p in by_hour.values()]
            stories = _hourly(points, self.entities, start, hours)
            self._known = key, surge.known(stories, start.weekday() * 24)
        return self._known[1]


def _forget_hours(table: dict[str, dict[datetime, T]], start: datetime) -> None:
    """Drops the hours before ``start``, and entities that have no other."""
    for by_hour in table.values():
        for hour in [hour for hour in by_hour if hour < start]:
            del by_hour[hour]
    for entity in [entity for entity, by_hour in table.items() if not by_hour]:
        del table[entity]


def _counted(point: TrendPoint) -> tuple[int, ...]:
    return point.stories, point.negative_stories, point.positive_stories, point.unread_stories


def _hourly(points: Iterable[TrendPoint], entities: Sequence[str], start: datetime, hours: int) -> surge.Stories:
    row = {entity: number for number, entity in enumerate(entities)}
    stories = surge.Stories(*(np.zeros((len(entities), hours), dtype=np.int64) for _ in range(3)))
    for p in points:
        cell = row[p.entity], (p.start - start) // HOUR
        if cell[1] < hours:
            stories.adverse[cell] = p.negative_stories + p.unread_stories
            stories.positive[cell] = p.positive_stories
            stories.other[cell] = p.stories - p.positive_stories - p.negative_stories - p.unread_stories
    return stories


_STANCES = {"negative": -1, None: -1, "other": 0, "positive": 1}


def _told(rows: Sequence[ToldStory], entities: Sequence[str], start: datetime) -> surge.Told:
    row = {entity: number for number, entity in enumerate(entities)}
    entity = np.array([row[r.entity] for r in rows], dtype=np.int64)
    at = _hours_of([r.at for r in rows], start)
    stance = np.array([_STANCES[r.label] for r in rows], dtype=np.int64)
    voice = _numbered([(r.source, r.author) for r in rows])
    # A paper's stories are its editors', and each counts; a post by nobody known is one of its forum's.
    voice[np.array([r.author is None and r.channel == "news" for r in rows], dtype=bool)] = -1
    return surge.Told(entity, at, stance, surge.first_of_voice(entity, at, voice))


def _numbered(names: Sequence[Hashable]) -> Counts:
    """Equal names have equal numbers, from 0 on in the order in which they come."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def may_spread(sights: Sequence[Sight], rule: spread.Rule | None = None) -> bool:
    """Whether a story with this reach may have grown enough, in all its time, for the rule to judge it."""
    rule = rule or spread.Rule()
    first: dict[str, int] = {}
    most: dict[str, int] = {}
    for sight in sights:
        first.setdefault(sight.document, sight.reach)
        most[sight.document] = max(sight.reach, most.get(sight.document, 0))
    rose = sum(most[document] - first[document] for document in first)
    gained = sum(most.values()) - first[sights[0].document] if sights else 0
    tellers = len({(sight.source, sight.author) for sight in sights})
    return gained >= rule.least_reach and (tellers >= rule.least_tellers or rose >= rule.least_reach)


def reach_of(past: Past, sights: Sequence[Sight]) -> tuple[spread.Reach, spread.Voices]:
    """How far each story was seen to reach, and who opened it; ``sights`` by story and time."""
    story = _numbered([s.story for s in sights])
    teller = _numbered([(s.source, s.author) for s in sights])
    source = _numbered([s.source for s in sights])
    opens = np.flatnonzero(np.diff(story, prepend=-1))
    voices = spread.Voices(teller[opens], source[opens])
    gain, first = [0] * len(sights), [False] * len(sights)
    tells: dict[tuple[int, int], str] = {}
    figure: dict[str, int] = {}
    for n, (sight, *key) in enumerate(zip(sights, story.tolist(), teller.tolist(), strict=True)):
        before = figure.get(sight.document)
        # One who tells a story again is no new teller and makes it no larger.
        if tells.setdefault((key[0], key[1]), sight.document) == sight.document:
            first[n], gain[n] = before is None, max(0, sight.reach - (before or 0))
        figure[sight.document] = max(sight.reach, before or 0)
    at = _hours_of([s.at for s in sights], past.start)
    return spread.Reach(story, at, np.array(gain, dtype=np.float64), np.where(first, teller, -1)), voices

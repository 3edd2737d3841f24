"""The stored stream, laid out as the arrays that the rules of ``voxpop.signals`` read."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, text

from voxpop.signals import spread, surge
from voxpop.signals.tails import Counts
from voxpop.signals.windows import HOUR
from voxpop.store import alerts, told, trends
from voxpop.store.told import Sight, ToldStory
from voxpop.store.trends import Hourly

MINUTE = timedelta(minutes=1)
_WORK_MEMORY = "128MB"
"""What PostgreSQL may sort in, until the transaction ends: with its usual 4 MB it sorts weeks of stories on disk."""


class Past(NamedTuple):
    """What is stored. Times in arrays are hours since ``start``, rounded up to the minute."""

    start: datetime
    """A midnight."""
    end: datetime
    """The watermark: the last publication."""
    entities: tuple[str, ...]
    stories: surge.Stories
    """By hour, for what is usual."""
    rows: list[ToldStory]
    """By entity and time."""
    told: surge.Told
    """The stories of ``rows``."""
    sights: list[Sight]
    """By story and time."""

    def hours(self, at: datetime) -> float:
        """Up to the end of the minute that ``at`` lies in."""
        return _hours(at - self.start)

    def time(self, hours: float) -> datetime:
        return self.start + round(hours * 60) * MINUTE


def _hours(since: timedelta) -> float:
    return float(-(-since // MINUTE)) / 60


def read(connection: Connection, model: str, back: timedelta | None = None) -> Past | None:
    """The stored stream, or its last ``back`` from midnight on; None while it names nobody."""
    span = alerts.span(connection)
    if span is None:
        return None
    since = span[0] if back is None else max(span[0], span[1] - back)
    start = since.replace(hour=0, minute=0, second=0, microsecond=0)
    connection.execute(text(f"SET LOCAL work_mem = '{_WORK_MEMORY}'"))
    points = trends.hourly(connection, model, start)
    rows = sorted(told.stories(connection, model, start), key=lambda row: (row.entity, row.at, row.story))
    entities = tuple(sorted({p.entity for p in points} | {r.entity for r in rows}))
    hourly = _hourly(points, entities, start, span[1])
    sights = sorted(told.sights(connection, start), key=lambda s: (s.story, s.at, s.document, s.reach))
    return Past(start, span[1], entities, hourly, rows, _told(rows, entities, start), sights)


def _hourly(points: Sequence[Hourly], entities: Sequence[str], start: datetime, end: datetime) -> surge.Stories:
    row = {entity: number for number, entity in enumerate(entities)}
    shape = (len(entities), (end - start) // HOUR + 1)
    stories = surge.Stories(*(np.zeros(shape, dtype=np.int64) for _ in range(3)))
    cells = (
        np.array([row[p.entity] for p in points], dtype=np.int64),
        np.array([p.hour for p in points], dtype=np.int64),
    )
    told, negative, positive, unread = np.array([p[2:] for p in points], dtype=np.int64).reshape(-1, 4).T
    stories.adverse[cells] = negative + unread
    stories.positive[cells] = positive
    stories.other[cells] = told - positive - negative - unread
    return stories


_STANCES = {"negative": -1, None: -1, "other": 0, "positive": 1}


def _told(rows: Sequence[ToldStory], entities: Sequence[str], start: datetime) -> surge.Told:
    row = {entity: number for number, entity in enumerate(entities)}
    entity = np.array([row[r.entity] for r in rows], dtype=np.int64)
    at = np.array([_hours(r.at - start) for r in rows])
    stance = np.array([_STANCES[r.label] for r in rows], dtype=np.int64)
    voice = _numbered([(r.source, r.author) for r in rows])
    # A paper's stories are its editors', and each counts; a post by nobody known is one of its forum's.
    voice[np.array([r.author is None and r.channel == "news" for r in rows], dtype=bool)] = -1
    return surge.Told(entity, at, stance, surge.first_of_voice(entity, at, voice))


def _numbered(names: Sequence[Hashable]) -> Counts:
    """Equal names have equal numbers, from 0 on in the order in which they come."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def reach_of(past: Past) -> tuple[spread.Reach, spread.Voices]:
    """How far each story was seen to reach, and who opened it."""
    story = _numbered([s.story for s in past.sights])
    teller = _numbered([(s.source, s.author) for s in past.sights])
    source = _numbered([s.source for s in past.sights])
    opens = np.flatnonzero(np.diff(story, prepend=-1))
    voices = spread.Voices(teller[opens], source[opens])
    gain, first = np.zeros(len(story)), np.zeros(len(story), dtype=bool)
    tells: dict[tuple[int, int], str] = {}
    figure: dict[str, int] = {}
    for n, sight in enumerate(past.sights):
        first[n] = sight.document not in figure
        if tells.setdefault((int(story[n]), int(teller[n])), sight.document) == sight.document:
            gain[n] = max(0, sight.reach - figure.get(sight.document, 0))
        else:
            first[n] = False  # one who tells a story again is no new teller and makes it no larger
        figure[sight.document] = max(sight.reach, figure.get(sight.document, 0))
    at = np.array([past.hours(s.at) for s in past.sights])
    return spread.Reach(story, at, gain, np.where(first, teller, -1)), voices

"""An entity's stories over time, and how many adverse ones are usual, from trend points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from voxpop.records import TrendPoint
from voxpop.reports.content import Chart
from voxpop.signals.usual import DAY, Usual, usual
from voxpop.signals.windows import HOUR, hour_of

MEMORY = timedelta(days=42)
"""Trend points that what is usual is taken from, charts included."""
_GUARD = DAY
_KNOWN = 2
"""Days that must be known."""


class Levels:
    """What was told and what is usual, by hour."""

    def __init__(self, points: Sequence[TrendPoint], end: datetime) -> None:
        """Of ``points`` by entity and start, up to ``end``."""
        first = min((p.start for p in points), default=end)
        self.start = first.replace(hour=0, minute=0, second=0, microsecond=0)
        self.rows = {entity: n for n, entity in enumerate(dict.fromkeys(p.entity for p in points))}
        self.hours = max(DAY, -(-(end - self.start) // HOUR))
        kinds = ("stories", "negative_stories", "unread_stories")
        self.counts = {kind: np.zeros((len(self.rows), self.hours), dtype=np.int64) for kind in kinds}
        for p in points:
            hour = (p.start - self.start) // HOUR
            if hour < self.hours:
                for kind, counts in self.counts.items():
                    counts[self.rows[p.entity], hour] = getattr(p, kind)
        self._usual = self._learned() if self.rows else None

    def _learned(self) -> Usual:
        adverse = self.counts["negative_stories"] + self.counts["unread_stories"]
        return usual(adverse, self.start.weekday() * DAY, (1,))

    def expected(self, entity: str, start: datetime, end: datetime) -> float | None:
        """Adverse stories that are usual in [start, end), by what was told a day and more before; None: unknown."""
        day = int((start - self.start) / HOUR - _GUARD) // DAY
        if self._usual is None or day < _KNOWN:
            return None
        if entity not in self.rows:
            return 0.0
        until, row = np.array([(end - self.start) / HOUR]), np.array([self.rows[entity]])
        return float(self._usual.expected(row, until, (end - start) / HOUR, np.array([day]))[0])

    def chart(self, entity: str, end: datetime, width: timedelta, bins: int, marks: Iterable[datetime]) -> Chart | None:
        """The last ``bins`` stretches of ``width`` up to the hour of ``end``; None where nothing is known."""
        if entity not in self.rows:
            return None
        until = end if end == hour_of(end) else hour_of(end) + HOUR
        starts = [until - n * width for n in range(bins, 0, -1)]
        stories, negative, unread = (self._sums(entity, kind, starts, width) for kind in self.counts)
        shown = [at for at in marks if at >= starts[0]]
        expected = [self.expected(entity, at, at + width) for at in starts]
        other = (stories - negative - unread).tolist()
        return Chart(starts, other, unread.tolist(), negative.tolist(), expected, shown)

    def _sums(self, entity: str, kind: str, starts: Sequence[datetime], width: timedelta) -> NDArray[np.int64]:
        total = np.concatenate([[0], np.cumsum(self.counts[kind][self.rows[entity]])])
        edges = [(at - self.start) // HOUR for at in (*starts, starts[-1] + width)]
        return np.asarray(np.diff(total[np.clip(edges, 0, self.hours)]), dtype=np.int64)

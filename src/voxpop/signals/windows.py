"""Windows of event time, and whether a source was heard in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

HOUR = timedelta(hours=1)


def hour_of(at: datetime) -> datetime:
    """The start of the UTC hour that ``at`` lies in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hours(start: datetime, end: datetime) -> Iterator[datetime]:
    """The starts of the hours in [start, end), both on the hour."""
    while start < end:
        yield start
        start += HOUR


def silences(
    heard: Sequence[datetime], until: datetime, *, factor: float = 2.5, least: timedelta = timedelta(hours=20)
) -> list[tuple[datetime, datetime]]:
    """Spans in which a source that usually speaks said nothing, so that there is no data rather than calm.

    A gap is a silence if it is longer than ``least`` and than ``factor`` times the source's 90th percentile of gaps.

    Args:
        heard: when the source published, in order.
        until: the watermark: the last gap runs up to it.
    """
    if len(heard) < 10:
        return []  # too little is known of the source's habit
    edges = [*heard, until]
    gaps = [(b - a, a, b) for a, b in pairwise(edges)]
    usual = sorted(gap for gap, _, _ in gaps[:-1])[int(0.9 * (len(gaps) - 1))]
    limit = max(least, factor * usual)
    return [(start, end) for gap, start, end in gaps if gap > limit]

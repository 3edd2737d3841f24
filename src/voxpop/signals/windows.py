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
    heard: Sequence[datetime], until: datetime, *, factor: float = 1.5, least: timedelta = timedelta(hours=24)
) -> list[tuple[datetime, datetime]]:
    """Spans in which a source that usually speaks said nothing, so that there is no data rather than calm.

    A gap is a silence if it is longer than ``least`` and than ``factor`` times any earlier gap that was none. So nights
    are never silences, a weekend is one until the source has shown that it keeps them, and an outage does not hide the
    next one.

    Args:
        heard: when the source published, in order.
        until: the watermark: the last gap runs up to it.
    """
    found, usual = [], timedelta(0)
    for number, (start, end) in enumerate(pairwise([*heard, until])):
        gap = end - start
        if number >= _KNOWN and gap > max(least, factor * usual):
            found.append((start, end))
        else:
            usual = max(usual, gap)
    return found


_KNOWN = 10
"""Gaps that must be known before a source is judged."""

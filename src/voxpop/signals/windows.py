"""Windows of event time: which one a run of a scheduler is for, and whether a source was heard in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from voxpop.errors import SettingError

HOUR = timedelta(hours=1)


class Window(NamedTuple):
    """The times in [start, end), in UTC."""

    start: datetime
    end: datetime


_KEYS = (("%Y-%m-%d", timedelta(days=1)), ("%Y-%m-%dT%H", HOUR), ("%Y-%m-%dT%H:%M", timedelta(minutes=1)))
"""How partition keys are written, which are UTC, and how long a window each names."""


def window_of(
    partition_key: str | None, interval: tuple[datetime | None, datetime | None], conf: Mapping[str, Any] | None
) -> Window | None:
    """The window that a run is for: that of its partition key, else its data interval, else what its conf names.

    Args:
        partition_key: a day, hour or minute, as in 2026-03-02, 2026-03-02T14 and 2026-03-02T14:05.
        interval: start and end; None where the run has none, as when an asset set it off.
        conf: ``start`` and ``end`` in ISO 8601 with their zone, where a person asked for a window; may hold more.

    Returns:
        None where nothing names a window: the run is for the time at which it runs.

    Raises:
        SettingError: the window cannot be read or is empty, or the conf names another than the run has.
    """
    asked = _asked(conf or {})
    if partition_key is not None:
        own: Window | None = _partition(partition_key)
    else:
        start, end = interval
        own = None if start is None or end is None else _checked(start, end, "the run's data interval")
    if own is not None and asked is not None and own != asked:
        other = f"the conf asks for {_written(asked)}, but the run is for {_written(own)}"
        raise SettingError(f"{other}: trigger it without a logical date")
    return own or asked


def _partition(key: str) -> Window:
    for form, length in _KEYS:
        try:
            start = datetime.strptime(key, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return Window(start, start + length)
    raise SettingError(f"the partition key {key!r} is none of a day, hour or minute, as in 2026-03-02T14:05")


def _asked(conf: Mapping[str, Any]) -> Window | None:
    given = {name: conf[name] for name in ("start", "end") if conf.get(name)}
    if not given:
        return None
    if len(given) == 1:
        raise SettingError("a conf that names a window has both start and end")
    try:
        start, end = (datetime.fromisoformat(str(at)) for at in given.values())
    except ValueError as error:
        raise SettingError(f"the conf's window cannot be read: {error}") from error
    return _checked(start, end, "the conf's window")


def _checked(start: datetime, end: datetime, what: str) -> Window:
    if start.tzinfo is None or end.tzinfo is None:
        raise SettingError(f"{what} has no zone: write 2026-03-02T14:00Z")
    window = Window(start.astimezone(UTC), end.astimezone(UTC))
    if window.start >= window.end:  # as of a bare cron string, whose data interval is empty
        raise SettingError(f"{what} is empty: it goes from {_written(window)}")
    return window


def _written(window: Window) -> str:
    return f"{window.start.isoformat()} to {window.end.isoformat()}"


def hour_of(at: datetime) -> datetime:
    """The start of the UTC hour that ``at`` lies in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hours(start: datetime, end: datetime) -> Iterator[datetime]:
    """The starts of the hours in [start, end), both on the hour."""
    while start < end:
        yield start
        start += HOUR


class Gap(NamedTuple):
    """A time in which a source said nothing; of its gaps it is the one of this number, from 0 on."""

    number: int
    start: datetime
    end: datetime


_FACTOR, _LEAST, _KNOWN = 1.5, timedelta(hours=24), 10
LONG = _LEAST / _FACTOR
"""A gap that is no longer has no say in what is a silence."""


def silences(heard: Sequence[datetime], until: datetime) -> list[tuple[datetime, datetime]]:
    """Spans in which a source that usually speaks said nothing, so that there is no data rather than calm.

    A gap is a silence if it is longer than a day and than one and a half times any earlier gap that was none, and if
    ten were known before it. So nights are never silences, a weekend is one until the source has shown that it keeps
    them, and an outage does not hide the next one.

    Args:
        heard: when the source published, in order.
        until: the watermark: the last gap runs up to it.
    """
    return silences_of(Gap(n, *gap) for n, gap in enumerate(pairwise([*heard, until])))


def silences_of(gaps: Iterable[Gap]) -> list[tuple[datetime, datetime]]:
    """The silences among the gaps of a source, as ``silences``; those that are not ``LONG`` may be left out."""
    found, usual = [], timedelta(0)
    for number, start, end in gaps:
        if number >= _KNOWN and end - start > max(_LEAST, _FACTOR * usual):
            found.append((start, end))
        else:
            usual = max(usual, end - start)
    return found

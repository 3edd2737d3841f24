"""Windows, the one that a scheduled run is for, and sources that fell silent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxpop.errors import SettingError
from voxpop.signals.windows import LONG, Gap, Window, hour_of, hours, silences, silences_of, window_of

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_hour_is_that_of_utc() -> None:
    beijing = timezone(timedelta(hours=8, minutes=30))
    assert hour_of(datetime(2026, 3, 2, 9, 10, tzinfo=beijing)) == START


def test_hours_are_half_open() -> None:
    assert list(hours(START, START + 2 * HOUR)) == [START, START + HOUR]


def test_a_day_without_a_word_is_no_data_and_a_night_is_not() -> None:
    days = [START + timedelta(days=d, hours=h) for d in range(14) if d != 10 for h in (8, 11, 14, 17, 20)]
    found = silences(days, days[-1])
    assert found == [(START + timedelta(days=9, hours=20), START + timedelta(days=11, hours=8))]


def test_a_silence_that_goes_on_is_seen_at_the_watermark() -> None:
    often = [START + n * HOUR for n in range(100)]
    assert silences(often, often[-1] + timedelta(days=2)) == [(often[-1], often[-1] + timedelta(days=2))]
    assert silences(often, often[-1] + HOUR) == []


def test_a_source_of_which_little_is_known_is_not_judged() -> None:
    assert silences([START, START + timedelta(days=5)], START + timedelta(days=30)) == []


@given(st.lists(st.integers(1, 80), min_size=1, max_size=60))
def test_short_gaps_have_no_say_in_what_is_a_silence(hours: list[int]) -> None:
    times = [START + sum(hours[:n]) * HOUR for n in range(len(hours) + 1)]
    gaps = [Gap(n, *pair) for n, pair in enumerate(pairwise(times))]
    assert silences_of([gap for gap in gaps if gap.end - gap.start > LONG]) == silences(times[:-1], times[-1])


NONE = (None, None)
MINUTE = (START, START + timedelta(minutes=1))
CONF = {"start": "2026-03-01T00:00Z", "end": "2026-03-01T08:00+08:00", "by": "somebody"}


@pytest.mark.parametrize(
    ("key", "length"),
    [("2026-03-02", 24 * HOUR), ("2026-03-02T00", HOUR), ("2026-03-02T00:00", timedelta(minutes=1))],
)
def test_a_partition_key_names_a_day_an_hour_or_a_minute(key: str, length: timedelta) -> None:
    assert window_of(key, NONE, {}) == Window(START, START + length)


def test_the_key_goes_before_the_interval_and_that_before_the_conf() -> None:
    asked = {"start": "2026-03-02T00:00Z", "end": "2026-03-02T00:01Z"}
    assert window_of("2026-03-01", MINUTE, None) == Window(START - 24 * HOUR, START)
    assert window_of(None, MINUTE, {}) == Window(*MINUTE)
    assert window_of(None, MINUTE, asked) == Window(*MINUTE)
    assert window_of(None, NONE, asked) == Window(*MINUTE)
    assert window_of(None, NONE, {"by": "somebody"}) is None
    assert window_of(None, NONE, None) is None


def test_a_window_is_told_in_utc() -> None:
    beijing = timezone(timedelta(hours=8))
    window = window_of(None, (START.astimezone(beijing), (START + HOUR).astimezone(beijing)), {})
    assert window == Window(START, START + HOUR)
    assert window.start.tzinfo is UTC


@pytest.mark.parametrize(
    ("key", "interval", "conf", "said"),
    [
        ("2026-W10", NONE, {}, "none of a day, hour or minute"),
        (None, (START, START), {}, "data interval is empty"),
        (None, NONE, {"start": "2026-03-02T00:00Z"}, "both start and end"),
        (None, NONE, {"start": "monday", "end": "2026-03-02T00:00Z"}, "cannot be read"),
        (None, NONE, {"start": "2026-03-01T00:00", "end": "2026-03-02T00:00"}, "no zone"),
        (None, NONE, CONF, "conf's window is empty"),
        (None, MINUTE, CONF | {"end": "2026-03-02T00:00Z"}, "trigger it without a logical date"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(
    key: str | None, interval: tuple[datetime | None, datetime | None], conf: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(SettingError, match=said):
        window_of(key, interval, conf)

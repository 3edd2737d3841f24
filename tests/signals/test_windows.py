"""Windows, and sources that fell silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from voxpop.signals.windows import hour_of, hours, silences

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

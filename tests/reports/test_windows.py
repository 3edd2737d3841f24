"""When reports are due, by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest

from voxpop.reports.windows import last_due, start_of

SEVEN = time(7)


def utc(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-10T06:00", "2026-03-10T06:00"),
        ("2026-03-10T05:59", "2026-03-09T06:00"),
        ("2026-03-29T04:59", "2026-03-28T06:00"),  # clocks went forward in the night
        ("2026-03-29T05:00", "2026-03-29T05:00"),
    ],
)
def test_a_morning_report_keeps_its_hour_on_the_wall(now: str, due: str) -> None:
    assert last_due("morning", "Europe/Zurich", SEVEN, "monday", utc(now)) == utc(due)


def test_a_weekly_report_is_due_on_its_day() -> None:
    assert last_due("weekly", "Asia/Shanghai", SEVEN, "monday", utc("2026-03-10T00:00")) == utc("2026-03-08T23:00")
    assert last_due("weekly", "UTC", SEVEN, "friday", utc("2026-03-10T00:00")) == utc("2026-03-06T07:00")
    assert last_due("weekly", "UTC", SEVEN, "tuesday", utc("2026-03-10T06:59")) == utc("2026-03-03T07:00")


def test_windows_join_without_gap_or_overlap_when_clocks_change() -> None:
    now, ends = utc("2026-04-02T12:00"), []
    while now > utc("2026-03-25T00:00"):
        ends.append(last_due("morning", "Europe/Zurich", SEVEN, "monday", now))
        now = ends[-1] - timedelta(seconds=1)
    assert [start_of("morning", "Europe/Zurich", end) for end in ends[:-1]] == ends[1:]
    assert {a - b for a, b in pairwise(ends)} == {timedelta(hours=24), timedelta(hours=23)}

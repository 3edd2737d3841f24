"""When a report is due, and the stretch of time that it tells of."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from voxpop.reports.content import Kind

SPANS: dict[Kind, timedelta] = {"morning": timedelta(days=1), "weekly": timedelta(days=7)}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def last_due(kind: Kind, zone: str, at: time, weekday: str, now: datetime) -> datetime:
    """The last time at or before ``now`` at which such a report was due.

    A report keeps its hour on the wall when clocks are put forward or back.

    Args:
        zone: name of a time zone.
        at: time of day there.
        weekday: day of a weekly report.
    """
    local = now.astimezone(ZoneInfo(zone))
    for back in range(9):
        day = local.date() - timedelta(days=back)
        due = datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)
        if due <= now and (kind == "morning" or DAYS[day.weekday()] == weekday):
            return due
    raise AssertionError("a week has each of its days")


def start_of(kind: Kind, zone: str, end: datetime) -> datetime:
    """Where the window that ends at ``end`` begins: so many days earlier at the same hour on the wall."""
    local = end.astimezone(ZoneInfo(zone))
    return datetime.combine(local.date() - SPANS[kind], local.time(), ZoneInfo(zone)).astimezone(UTC)

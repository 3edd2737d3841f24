"""The jobs of the reports. Nothing is written yet: this holds their place in the table of jobs."""

from __future__ import annotations

from datetime import datetime


def morning(around: object, now: datetime) -> int:
    """The report of the day that ends at ``now``; 0, as none is written yet."""
    return 0


def weekly(around: object, now: datetime) -> int:
    """The report of the week that ends at ``now``; 0, as none is written yet."""
    return 0

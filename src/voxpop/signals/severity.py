"""How grave an alert can be."""

from __future__ import annotations

from typing import Literal

Severity = Literal["watch", "serious", "critical"]
SEVERITIES: tuple[Severity, ...] = ("watch", "serious", "critical")


def at_least(severity: Severity, least: Severity) -> bool:
    """Whether ``severity`` is as grave as ``least`` or graver."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)

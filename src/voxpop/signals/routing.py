"""Who is told of an alert, and when not: routes, silences, quiet hours and inhibition.

Everything here is a function of an alert's ``Subject`` and of a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from voxpop.signals.lifecycle import Policy
from voxpop.signals.meaning import Rule
from voxpop.signals.severity import SEVERITIES as SEVERITIES
from voxpop.signals.severity import Severity as Severity
from voxpop.signals.severity import at_least

Grouping = Literal["entity", "rule", "sector", "watchlist"]

_CRITICAL_TIMES = 2.0
_SERIOUS_TIMES = 1.25


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What routes, silences and inhibition look at in an alert."""

    alert: str
    entity: str
    rule: str
    severity: Severity
    sector: str = ""
    own: bool = False
    """Whether it is about the desk's own firm."""

    def group(self, by: Grouping) -> str:
        """The group that its messages go with."""
        watchlist = "own" if self.own else "all"
        value = {"entity": self.entity, "rule": self.rule, "sector": self.sector, "watchlist": watchlist}[by]
        return f"{by}={value}"


class Quiet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours of the day in which people are not told; what happens in them is told when they end."""

    zone: str
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    unless: Severity = "critical"
    """Alerts at least so grave are told all the same."""

    def holds(self, at: datetime) -> bool:
        """Whether ``at`` lies in them; hours that cross midnight are meant where they end before they begin."""
        local = at.astimezone(ZoneInfo(self.zone)).time()
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        return start <= local < end if start <= end else (local >= start or local < end)


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts go to whom. An empty condition is met by all."""

    receivers: tuple[str, ...]
    watchlist: Literal["all", "own"] = "all"
    sectors: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    severity: Severity = "watch"
    """The least."""
    group_by: Grouping = "entity"
    wait_seconds: float = 10.0
    """A new alert waits so long for others of its group."""
    interval_minutes: float = 5.0
    """After a message of a group its next new alerts wait so long."""
    repeat_hours: float = 4.0
    """0: never."""
    escalate_minutes: float = 0.0
    """0: never."""
    escalate_to: tuple[str, ...] = ()
    """Who else is told from then on."""
    oldest_hours: float = 24.0
    """An alert that fired longer ago when it is first seen is history: nobody is told."""
    quiet: Quiet | None = None

    def takes(self, subject: Subject) -> bool:
        """Whether the alert goes this way."""
        return (
            (self.watchlist == "all" or subject.own)
            and (not self.sectors or subject.sector in self.sectors)
            and (not self.rules or subject.rule in self.rules)
            and at_least(subject.severity, self.severity)
        )

    def quiet_at(self, subject: Subject, at: datetime) -> bool:
        """Whether people are not told of this alert at this hour."""
        quiet = self.quiet
        return quiet is not None and not at_least(subject.severity, quiet.unless) and quiet.holds(at)

    @property
    def policy(self) -> Policy:
        """When its people are told."""
        return Policy(
            wait=timedelta(seconds=self.wait_seconds),
            repeat=timedelta(hours=self.repeat_hours),
            escalate=timedelta(minutes=self.escalate_minutes),
        )


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that nobody wants to hear of for a while. An empty condition is met by all."""

    id: str
    starts_at: datetime
    until: datetime
    who: str
    reason: str = ""
    entity: str = ""
    rule: str = ""
    sector: str = ""
    severity: Severity = "critical"
    """The most: a silence of serious alerts lets critical ones through."""

    def covers(self, subject: Subject, at: datetime) -> bool:
        """Whether it silences the alert at ``at``."""
        named = ((self.entity, subject.entity), (self.rule, subject.rule), (self.sector, subject.sector))
        met = all(not wanted or wanted == found for wanted, found in named)
        return met and self.starts_at <= at < self.until and at_least(self.severity, subject.severity)


def severity_of(score: float, cut: float, worst_event: int) -> Severity:
    """How grave an alert is: by the gravest risk event that its evidence reports, or by how far it is over its cut.

    Args:
        score: -log10 of a probability, so twice the cut is a probability squared.
        cut: what it had to cross.
        worst_event: severity of that event, 1 to 3; 0 without any.
    """
    by_score = next(
        (n for n, times in ((3, _CRITICAL_TIMES), (2, _SERIOUS_TIMES)) if cut > 0 and score >= times * cut), 1
    )
    return SEVERITIES[max(by_score, worst_event) - 1]


def route_of(routes: Sequence[Route], subject: Subject) -> Route | None:
    """The first route that takes the alert."""
    return next((route for route in routes if route.takes(subject)), None)


def silenced(subject: Subject, at: datetime, silences: Iterable[Silence]) -> str:
    """The silence that covers the alert, in words; empty without any."""
    for silence in silences:
        if silence.covers(subject, at):
            return f"silence {silence.id} by {silence.who}" + (f": {silence.reason}" if silence.reason else "")
    return ""


def inhibited(subject: Subject, live: Iterable[Subject]) -> str:
    """Why the alert is not worth telling beside others; empty where it is.

    Args:
        live: the alerts that people are told of; a critical one covers the lesser ones about its entity.
    """
    if subject.severity == "critical":
        return ""
    graver = (o for o in live if o.entity == subject.entity and o.severity == "critical" and o.alert != subject.alert)
    return next((f"the critical alert {other.alert} is about the same" for other in graver), "")

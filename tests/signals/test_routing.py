"""Who is told, and when not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from voxpop.signals import routing
from voxpop.signals.routing import Quiet, Route, Silence, Subject

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BANK = Subject(alert="a", entity="osten", rule="surge", severity="serious", sector="banks", own=True)


@pytest.mark.parametrize(
    ("conditions", "taken"),
    [
        ({}, True),
        ({"watchlist": "own"}, True),
        ({"sectors": ("energy", "banks")}, True),
        ({"sectors": ("energy",)}, False),
        ({"rules": ("risk",)}, False),
        ({"severity": "serious"}, True),
        ({"severity": "critical"}, False),
    ],
)
def test_a_route_takes_what_meets_all_of_its_conditions(conditions: dict[str, Any], taken: bool) -> None:
    assert Route(receivers=("desk",), **conditions).takes(BANK) is taken


def test_the_first_route_wins_and_there_may_be_none() -> None:
    foreign = msgspec.structs.replace(BANK, own=False)
    own, grave = Route(receivers=("a",), watchlist="own"), Route(receivers=("b",), severity="serious")
    assert routing.route_of([own, grave], BANK) is own
    assert routing.route_of([own, grave], foreign) is grave
    assert routing.route_of([own], foreign) is None


@pytest.mark.parametrize(
    ("hour", "minute", "quiet"),
    [(20, 59, False), (21, 0, True), (23, 30, True), (5, 59, True), (6, 0, False)],
)
def test_quiet_hours_are_those_of_the_zone_and_cross_midnight(hour: int, minute: int, quiet: bool) -> None:
    zurich = Quiet(zone="Europe/Zurich", start="22:00", end="07:00")
    assert zurich.holds(NOW.replace(hour=hour, minute=minute)) is quiet


def test_quiet_hours_follow_the_clocks_of_summer() -> None:
    zurich = Quiet(zone="Europe/Zurich", start="22:00", end="07:00")
    assert zurich.holds(datetime(2026, 7, 1, 5, 30, tzinfo=UTC)) is False
    assert zurich.holds(datetime(2026, 1, 5, 5, 30, tzinfo=UTC)) is True


def test_what_is_grave_enough_wakes_people() -> None:
    route = Route(receivers=("desk",), quiet=Quiet(zone="UTC", start="00:00", end="23:59", unless="critical"))
    assert route.quiet_at(BANK, NOW)
    assert not route.quiet_at(msgspec.structs.replace(BANK, severity="critical"), NOW)


@pytest.mark.parametrize(
    ("conditions", "covered"),
    [
        ({"entity": "osten"}, True),
        ({"entity": "calder"}, False),
        ({"entity": "osten", "rule": "risk"}, False),
        ({"sector": "banks", "severity": "watch"}, False),
        ({"sector": "banks", "until": NOW}, False),
        ({"sector": "banks", "starts_at": NOW + timedelta(minutes=1)}, False),
    ],
)
def test_a_silence_covers_what_meets_it_while_it_lasts(conditions: dict[str, Any], covered: bool) -> None:
    fields = {"id": "s", "who": "jane", "starts_at": NOW, "until": NOW + timedelta(hours=1), "reason": "known"}
    silence = Silence(**{**fields, **conditions})
    said = routing.silenced(BANK, NOW, [silence])
    assert said == ("silence s by jane: known" if covered else "")


def test_a_critical_alert_speaks_for_the_lesser_ones_about_the_same() -> None:
    grave = msgspec.structs.replace(BANK, alert="b", severity="critical")
    assert "alert b" in routing.inhibited(BANK, [BANK, grave])
    assert routing.inhibited(grave, [BANK, grave]) == ""
    assert routing.inhibited(BANK, [BANK, msgspec.structs.replace(grave, entity="calder")]) == ""
    assert routing.inhibited(BANK, [BANK, msgspec.structs.replace(grave, severity="serious")]) == ""


@pytest.mark.parametrize(
    ("score", "event", "severity"),
    [
        (5, 0, "watch"),
        (6, 0, "watch"),
        (6.25, 0, "serious"),
        (10, 0, "critical"),
        (5, 3, "critical"),
        (10, 1, "critical"),
    ],
)
def test_an_alert_is_as_grave_as_its_score_or_its_worst_event(score: float, event: int, severity: str) -> None:
    assert routing.severity_of(score, 5, event) == severity


def test_groups_are_named_by_what_they_group() -> None:
    assert BANK.group("entity") == "entity=osten"
    assert BANK.group("watchlist") == "watchlist=own"

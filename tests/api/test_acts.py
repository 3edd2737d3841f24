"""What an analyst's program does about alerts: once however often it is sent, in its own name, or refused."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx
import pytest

from tests.api.conftest import Desk
from voxpop.api import silencing
from voxpop.api.server import serving
from voxpop.api.silencing import Wanted
from voxpop.api.who import Caller
from voxpop.app import App
from voxpop.signals.severity import Severity
from voxpop.store import access, moves

JANE = Caller("user:1", "jane", "analyst", "session")
THEN = datetime(2026, 2, 3, 9, 30, tzinfo=UTC)
"""A full minute that is over, as are the silences from it."""


class Team(NamedTuple):
    """Programs of several roles at one API."""

    robot: httpx.Client
    other: httpx.Client
    """An analyst too, of the same name."""
    viewer: httpx.Client
    ids: tuple[str, str]
    """Of the two analysts."""


@pytest.fixture(scope="module")
def team(desk: Desk) -> Iterator[Team]:
    with desk.engine.begin() as connection:
        made = [
            access.create_token(connection, name, role, "test", datetime.now(UTC))
            for name, role in (("robot", "analyst"), ("robot", "analyst"), ("reader", "viewer"))
        ]
    settings = dataclasses.replace(desk.app.settings, admin_token="x" * 40, requests_per_minute=0)
    with App(settings) as app, serving(app) as url:
        clients = [
            httpx.Client(base_url=f"{url}v1/", headers={"authorization": f"Bearer {secret}"}, trust_env=False)
            for _, secret in made
        ]
        yield Team(clients[0], clients[1], clients[2], (f"token:{made[0][0]}", f"token:{made[1][0]}"))
        for client in clients:
            client.close()


def trail(desk: Desk, about: str) -> list[tuple[str, str | None]]:
    with desk.engine.connect() as connection:
        return [(row.what, row.person) for row in access.audited(connection) if row.about == about]


def refused(answer: httpx.Response, status: int) -> str:
    """Why, as a problem says it."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    detail: str = answer.json()["detail"]
    return detail


@pytest.mark.parametrize(("verb", "kind"), [("acknowledge", "acknowledged"), ("resolve", "resolved")])
def test_an_alert_is_moved_once_however_often_it_is_asked(desk: Desk, team: Team, verb: str, kind: str) -> None:
    alert = desk.alert(f"by a program: {verb}")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: team.robot.post(f"alerts/{alert}/{verb}"), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    move = answers[0].json()["moves"][-1]
    assert (move["kind"], move["who"], move["person"]) == (kind, "robot", team.ids[0])
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert team.robot.get(f"alerts/{alert}").json() == answers[0].json()
    assert f"is {kind} already" in refused(team.other.post(f"alerts/{alert}/{verb}"), 409), "another of the name"
    assert trail(desk, alert) == [(f"alert {kind}", team.ids[0])]


def test_what_cannot_be_moved_is_said(desk: Desk, team: Team) -> None:
    alert = desk.alert("just seen by a program", fired=False)
    assert "not fired yet" in refused(team.robot.post(f"alerts/{alert}/acknowledge"), 409)
    assert "no such alert" in refused(team.robot.post("alerts/none/acknowledge"), 404)
    assert "role analyst" in refused(team.viewer.post(f"alerts/{alert}/acknowledge"), 403)
    assert "is no parameter" in refused(team.robot.post(f"alerts/{alert}/resolve?force=1"), 422)
    assert trail(desk, alert) == []


def test_an_alert_that_was_resolved_is_not_taken_on_after_that(desk: Desk, team: Team) -> None:
    alert = desk.alert("taken on, then resolved")
    assert team.robot.post(f"alerts/{alert}/acknowledge").status_code == 200
    assert team.other.post(f"alerts/{alert}/resolve").status_code == 200
    assert "is resolved already" in refused(team.robot.post(f"alerts/{alert}/acknowledge"), 409)
    page = httpx.get(f"{desk.url}alerts/{alert}", trust_env=False).text
    assert f'title="{team.ids[0]}">robot' in page
    assert f'title="{team.ids[1]}">robot' in page


def test_a_comment_is_kept_once_under_its_key_and_read_by_all(desk: Desk, team: Team) -> None:
    alert, key = desk.alert("commented by a program"), {"Idempotency-Key": "case-17"}
    first = team.robot.post(f"alerts/{alert}/comments", json={"note": " <b>on it</b> "}, headers=key)
    again = team.robot.post(f"alerts/{alert}/comments", json={"note": "<b>on it</b>"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["note"], first.json()["person"]) == ("<b>on it</b>", team.ids[0])
    assert "another comment" in refused(
        team.robot.post(f"alerts/{alert}/comments", json={"note": "off it"}, headers=key), 422
    )
    assert team.other.post(f"alerts/{alert}/comments", json={"note": "me too"}, headers=key).status_code == 201
    assert team.robot.post(f"alerts/{alert}/comments", json={"note": "more"}).status_code == 201
    assert team.robot.post(f"alerts/{alert}/comments", json={"note": "more"}).status_code == 200
    whole = team.viewer.get(f"alerts/{alert}/comments").json()
    assert [said["note"] for said in whole["items"]] == ["<b>on it</b>", "me too", "more"]
    page = team.viewer.get(f"alerts/{alert}/comments", params={"limit": 2}).json()
    rest = team.viewer.get(f"alerts/{alert}/comments", params={"limit": 2, "cursor": page["next"]}).json()
    assert page["items"] + rest["items"] == whole["items"]
    then = team.viewer.get(f"alerts/{alert}/comments", params={"as_of": first.json()["at"]}).json()
    assert then["items"] == [first.json()], "what was written by then"
    assert [what for what, _ in trail(desk, alert)] == ["commented"] * 3


def test_a_comment_that_is_none_is_refused(desk: Desk, team: Team) -> None:
    alert = desk.alert("commented wrongly")
    for body in ({"note": "  "}, {"note": "x" * 4001}, {"note": "a\0b"}, {}, {"note": "a", "by": "me"}):
        refused(team.robot.post(f"alerts/{alert}/comments", json=body), 422)
    refused(team.robot.post("alerts/none/comments", json={"note": "a"}), 404)
    refused(team.viewer.post(f"alerts/{alert}/comments", json={"note": "a"}), 403)
    refused(team.viewer.get("alerts/none/comments"), 404)
    assert trail(desk, alert) == []


def test_a_silence_is_made_once_listed_and_ended(desk: Desk, team: Team) -> None:
    alert, key = desk.alert("silenced by a program"), {"Idempotency-Key": "sale"}
    wish = {"hours": 8, "scope": "rule", "reason": "The sale is known."}
    first = team.robot.post(f"alerts/{alert}/silence", json=wish, headers=key)
    again = team.robot.post(f"alerts/{alert}/silence", json=wish, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    made = first.json()
    assert again.json() == made
    assert (made["entity"], made["rule"], made["severity"], made["who"]) == ("acme", "surge", "serious", "robot")
    assert made["person"] == team.ids[0], "not the other of the name"
    span = datetime.fromisoformat(made["until"]) - datetime.fromisoformat(made["starts_at"])
    assert span.total_seconds() == 8 * 3600
    assert made in team.viewer.get("silences").json()["items"]
    assert team.viewer.get("silences", params={"as_of": "2026-01-01T00:00:00Z"}).json()["items"] == []
    page = httpx.get(f"{desk.url}alerts", trust_env=False).text
    assert "The sale is known." in page
    assert f'title="{team.ids[0]}">robot</span>' in page
    assert [team.robot.delete(f"silences/{made['id']}").status_code for _ in range(2)] == [204, 204]
    assert made["id"] not in str(team.viewer.get("silences").json())
    assert trail(desk, made["id"]) == [("silence ended", team.ids[0])]
    assert trail(desk, "acme")[0] == ("silenced", team.ids[0])


def test_a_key_that_was_used_for_another_silence_is_refused(desk: Desk, team: Team) -> None:
    alert, key = desk.alert("silenced under a key"), {"Idempotency-Key": "night"}
    wish: dict[str, str | float] = {"hours": 8, "scope": "rule", "severity": "serious"}
    made = team.robot.post(f"alerts/{alert}/silence", json=wish, headers=key).json()
    others: list[dict[str, str | float]] = [{"hours": 1}, {"hours": 24}, {"scope": "entity"}, {"severity": "watch"}]
    for other in others:
        answer = team.robot.post(f"alerts/{alert}/silence", json=wish | other, headers=key)
        assert "used for another silence" in refused(answer, 422)
    theirs = team.other.post(f"alerts/{alert}/silence", json=wish, headers=key)
    assert (theirs.status_code, theirs.json()["id"] == made["id"]) == (201, False), "a key is its caller's"
    for one in (made, theirs.json()):
        team.robot.delete(f"silences/{one['id']}")
    again = team.robot.post(f"alerts/{alert}/silence", json=wish, headers=key)
    assert (again.status_code, again.json()["id"]) == (200, made["id"]), "what was ended is not made again by a repeat"
    assert "another silence" in refused(
        team.robot.post(f"alerts/{alert}/silence", json=wish | {"scope": "entity"}, headers=key), 422
    )


def test_what_is_sent_at_once_is_one_silence_under_a_key_and_without(desk: Desk, team: Team) -> None:
    alert, key = desk.alert("silenced at once"), {"Idempotency-Key": "at-once"}
    wish = Wanted(alert, "rule", timedelta(hours=3), "watch", "")

    def make(_: int) -> tuple[str, bool]:
        with desk.engine.begin() as connection:
            made, new = silencing.silence(connection, JANE, wish, THEN)
            time.sleep(0.2)  # the others come before this is committed
        return made.id, new

    with ThreadPoolExecutor(4) as pool:
        body = {"hours": 3}
        answers = list(pool.map(lambda _: team.robot.post(f"alerts/{alert}/silence", json=body, headers=key), range(4)))
        made = list(pool.map(make, range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    (one,) = {answer.json()["id"] for answer in answers}
    assert len(one) == 32
    team.robot.delete(f"silences/{one}")
    assert len({name for name, _ in made}) == 1
    assert sorted(new for _, new in made) == [False, False, False, True]


def test_without_a_key_the_same_within_a_minute_is_one_silence_whatever_the_clock_shows(desk: Desk, team: Team) -> None:
    alert = desk.alert("silenced about the full minute")

    def make(seconds: float, severity: Severity = "serious") -> tuple[str, bool]:
        wanted = Wanted(alert, "rule", timedelta(hours=8), severity, "")
        with desk.engine.begin() as connection:
            made, new = silencing.silence(connection, JANE, wanted, THEN + timedelta(hours=1, seconds=seconds))
        return made.id, new

    first, new = make(50)
    assert new
    assert make(59) == make(61) == make(109) == (first, False)
    assert make(62, "critical")[1], "another is another"
    second, new = make(111)
    assert (second != first, new) == (True, True)
    with desk.engine.begin() as connection:
        assert moves.end_silence(connection, second, THEN + timedelta(hours=1, seconds=112))
    third, new = make(113)
    assert (third != second, new) == (True, True), "it was ended, and is wanted again"
    assert make(114) == make(125) == (third, False)


def test_a_silence_that_was_ended_may_be_made_again_within_the_minute(desk: Desk, team: Team) -> None:
    alert, wish = desk.alert("silenced twice"), {"hours": 1.5}
    first = team.robot.post(f"alerts/{alert}/silence", json=wish).json()
    team.robot.delete(f"silences/{first['id']}")
    second = team.robot.post(f"alerts/{alert}/silence", json=wish)
    assert second.status_code == 201
    assert second.json()["id"] != first["id"]
    assert second.json()["id"] in str(team.viewer.get("silences").json())
    team.robot.delete(f"silences/{second.json()['id']}")


def test_a_silence_that_is_none_is_refused(desk: Desk, team: Team) -> None:
    alert = desk.alert("silenced wrongly")
    for body in ({}, {"hours": 0}, {"hours": 10_000}, {"hours": "8"}, {"hours": 8, "scope": "all"}):
        refused(team.robot.post(f"alerts/{alert}/silence", json=body), 422)
    refused(team.robot.post("alerts/none/silence", json={"hours": 8}), 404)
    refused(team.robot.delete("silences/none"), 404)
    refused(team.viewer.post(f"alerts/{alert}/silence", json={"hours": 8}), 403)


def test_what_is_done_is_described_with_examples(team: Team) -> None:
    described = team.viewer.get("../openapi.json").json()
    schemas = described["components"]["schemas"]
    for path in ("/v1/alerts/{alert}/acknowledge", "/v1/alerts/{alert}/resolve", "/v1/alerts/{alert}/comments"):
        operation = described["paths"][path]["post"]
        (place,) = (one for one in operation["parameters"] if one["in"] == "path")
        assert place["schema"].get("examples") or place.get("examples"), path
        for status in ("401", "403", "404", "409", "422"):
            assert "application/problem+json" in operation["responses"][status]["content"], path
    for shape, field in (("ToSay", "note"), ("ToSilence", "hours"), ("Comment", "note"), ("Move", "person")):
        assert schemas[shape]["properties"][field]["examples"], shape

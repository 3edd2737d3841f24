"""What people do at the desk, as their browser sends it: each answer, each row, each line of the trail."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tests.api.conftest import Desk
from tests.store.samples import MODEL, document, reading, write
from voxpop import alerting, jobs
from voxpop.alertsfile import Rules
from voxpop.api.live import Bell
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.cli import app as commands
from voxpop.cli import review as review
from voxpop.jobs import Job
from voxpop.store import access, runs
from voxpop.training import datasets

QUIET = {"x-fragment": "1", "accept": "application/json"}


def get(desk: Desk, path: str, **headers: str) -> httpx.Response:
    return httpx.get(desk.url + path, headers=headers, trust_env=False)


def post(desk: Desk, path: str, **fields: str) -> httpx.Response:
    return httpx.post(desk.url + path, data=fields, headers=QUIET, trust_env=False)


def trail(desk: Desk, about: str) -> list[str]:
    with desk.engine.connect() as connection:
        return [row.what for row in access.audited(connection) if row.about == about]


def test_an_alert_is_taken_on_once_and_the_second_hears_of_it(desk: Desk) -> None:
    alert = desk.alert("taken on")
    assert post(desk, f"alerts/{alert}/ack").status_code == 204
    again = post(desk, f"alerts/{alert}/ack")
    assert again.status_code == 409
    assert "acknowledged already" in again.json()["detail"]
    said = httpx.post(
        f"{desk.url}alerts/{alert}/ack", headers={**QUIET, "accept-language": "zh"}, trust_env=False
    ).json()["detail"]
    assert said == "该预警已有人确认。"
    assert trail(desk, alert) == ["alert acknowledged"]
    page = get(desk, f"alerts/{alert}").text
    assert "acknowledged · local operator" in page
    assert "已确认 · 本机操作者" in get(desk, f"alerts/{alert}", **{"accept-language": "zh"}).text
    assert post(desk, f"alerts/{alert}/resolve").status_code == 204
    assert post(desk, f"alerts/{alert}/resolve").status_code == 409
    assert post(desk, f"alerts/{alert}/burn").status_code == 404
    assert post(desk, "alerts/none/ack").status_code == 404


def test_an_alert_that_was_just_seen_cannot_be_taken_on_and_shows_no_button(desk: Desk) -> None:
    alert = desk.alert("just seen", fired=False)
    assert f"/alerts/{alert}/ack" not in get(desk, "alerts").text
    answer = post(desk, f"alerts/{alert}/ack")
    assert answer.status_code == 409
    assert "not fired yet" in answer.json()["detail"]
    page = get(desk, f"alerts/{alert}").text
    assert "just seen, not fired yet" in page
    assert "This alert has not fired yet." in page
    assert "刚发现，尚未触发" in get(desk, f"alerts/{alert}", **{"accept-language": "zh"}).text


def test_today_and_the_inbox_count_the_same_and_call_what_has_not_fired_by_its_name(desk: Desk) -> None:
    waits, seen = desk.alert("counted"), desk.alert("not counted yet", fired=False)
    inbox = get(desk, "alerts").text
    section = {part: inbox.split(f'<section id="{part}"')[1].split("</section>")[0] for part in ("waits", "seen")}
    count = re.search(r'Waits for someone <span class="soft">(\d+)</span>', section["waits"])
    assert count
    assert f"<b>{count[1]}</b><span>alert" in get(desk, "").text
    assert waits in section["waits"]
    assert seen not in section["waits"]
    assert seen in section["seen"]
    post(desk, f"alerts/{waits}/resolve")


def test_whoever_has_the_name_of_an_office_does_not_hold_it(desk: Desk) -> None:
    alert = desk.alert("taken on by a namesake")
    with desk.engine.begin() as connection:
        namesake = access.Person("user:7", access.ADMINISTRATOR.name)
        alerting.by_person(connection, Rules(), alert, "acknowledged", namesake, datetime.now(UTC))
        alerting.by_person(connection, Rules(), alert, "resolved", access.ADMINISTRATOR, datetime.now(UTC))
    page = get(desk, f"alerts/{alert}", **{"accept-language": "zh"}).text
    assert 'title="user:7">administrator</span>' in page
    assert 'title="administrator">管理员</span>' in page


def test_without_script_a_form_leads_back_and_never_to_another_site(desk: Desk) -> None:
    alert = desk.alert("leads back")
    send = {"trust_env": False, "headers": {"accept": "text/html"}}
    answer = httpx.post(f"{desk.url}alerts/{alert}/comment", data={"note": "a", "next": "/alerts"}, **send)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
    answer = httpx.post(f"{desk.url}alerts/{alert}/comment", data={"note": "b", "next": "//evil.example"}, **send)  # type: ignore[arg-type]
    assert answer.headers["location"] == "/"


def test_a_comment_is_kept_once_shown_as_text_and_refused_where_empty_or_endless(desk: Desk) -> None:
    alert = desk.alert("commented")
    said = "<b>called</b> them"
    assert post(desk, f"alerts/{alert}/comment", note=said).status_code == 204
    assert post(desk, f"alerts/{alert}/comment", note=said).status_code == 204
    rows = desk.execute("SELECT who, note FROM alert_comments WHERE alert_id = :alert", alert=alert)
    assert [tuple(row) for row in rows] == [("local operator", said)]
    assert trail(desk, alert) == ["commented"]
    assert "&lt;b&gt;called&lt;/b&gt; them" in get(desk, f"alerts/{alert}").text
    assert post(desk, f"alerts/{alert}/comment", note="  ").status_code == 400
    assert post(desk, f"alerts/{alert}/comment", note="x" * 5000).status_code == 400
    assert post(desk, "alerts/none/comment", note="x").status_code == 404


def test_a_silence_is_made_from_an_alert_and_ended(desk: Desk) -> None:
    alert = desk.alert("silenced")
    fields = {"span": "8h", "severity": "serious", "scope": "rule", "reason": "a <known> sale"}
    assert post(desk, f"alerts/{alert}/silence", **fields).status_code == 204
    assert post(desk, f"alerts/{alert}/silence", **fields).status_code == 204
    (row,) = desk.execute("SELECT silence_id, entity, rule, severity, who FROM silences WHERE until > now()")
    assert tuple(row[1:]) == ("acme", "surge", "serious", "local operator")
    page = get(desk, "alerts").text
    assert "a &lt;known&gt; sale" in page
    assert "<strong>Acmetron</strong>" in page.split('id="silences"')[1], "by its name"
    assert post(desk, f"silences/{row[0]}/end").status_code == 204
    assert post(desk, f"silences/{row[0]}/end").status_code == 409
    assert post(desk, f"alerts/{alert}/silence", **{**fields, "span": "9y"}).status_code == 422


def test_the_form_why_not_walks_the_gates_and_says_what_it_cannot_read(desk: Desk) -> None:
    page = get(desk, "why?entity=Acmetron&at=2026-03-12T14:00Z").text
    assert page.count('class="passed"') >= 8
    assert "never watched" not in page
    assert "Nobody ever watched" in get(desk, "why?entity=%3Cb%3E").text
    assert "<b>" not in get(desk, "why?entity=%3Cb%3E").text.split("<main")[1].replace("<b>VOX", "")
    assert "That is no time" in get(desk, "why?entity=acme&at=soon").text
    assert get(desk, "why?entity=acme&hours=0").status_code == 422


@pytest.mark.parametrize("asked", ["entity=Acmetron&at=2026-03-12T14:00Z", "entity=bolt", "entity=nobody", "at=soon"])
def test_why_not_says_nothing_in_english_to_who_reads_chinese(desk: Desk, asked: str) -> None:
    page = get(desk, f"why?{asked}", **{"accept-language": "zh"}).text
    main = page.split("<main")[1].split("</main>")[0]
    if "Acmetron" in asked:
        assert main.count('class="passed"') >= 8
        assert "正在监测 Acmetron" in main
    shown = re.sub(r"(?s)<[^>]*>", "\n", main)
    assert re.findall(r"[A-Za-z]{2,}[ ,:]+[A-Za-z]{2,}", shown) == []


def test_labels_in_doubt_are_reviewed_and_exported_for_training(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsure = [reading(document(f"u{n}", 330 + n / 10, f"Acmetron moved {n}"), "negative") for n in range(3)]
    write(desk.engine, unsure)
    ids = [one.document.id for one in unsure]
    desk.execute("UPDATE opinions SET label = 'unsure' WHERE document_id = ANY(:ids)", ids=ids)
    page = get(desk, "review?reason=unsure").text
    assert page.count("data-row") == 3
    for one, label in zip(unsure, ("negative", "unclear", "positive"), strict=True):
        fields = {"document": one.document.id, "revision": one.document.revision, "entity": "acme", "model": MODEL}
        assert post(desk, "review", **fields, label=label).status_code == 204
    assert get(desk, "review?reason=unsure").text.count("data-row") == 0
    assert post(desk, "review", **{**fields, "label": "good"}).status_code == 422
    assert post(desk, "review", **{**fields, "document": "none", "label": "neutral"}).status_code == 400

    # A second person disagrees: the label is disputed, asked of whoever has said nothing, and left out of the set.
    desk.execute(
        "INSERT INTO reviews (document_id, revision, entity_id, person, who, model, was, label, received_at)"
        " SELECT document_id, revision, entity_id, 'user:jane', 'jane', model, was, 'neutral', received_at FROM reviews"
        " WHERE document_id = :id",
        id=ids[2],
    )
    assert "1 labels disputed" in get(desk, "review").text
    monkeypatch.setenv("VOXPOP_DATABASE_URL", desk.app.settings.database_url)
    monkeypatch.setenv("VOXPOP_HOME", str(desk.app.settings.home))
    file = tmp_path / "reviewed.jsonl"
    done = CliRunner().invoke(commands, ["review", "export", str(file), "--json"])
    assert json.loads(done.output) == {"file": str(file), "texts": 1, "labels": 1}
    (example,) = datasets.examples("sentiment", [file])
    assert (example.text, example.label) == ("Acmetron moved 0", "negative")
    assert example.spans, "towards the company, where it is named"
    listed = CliRunner().invoke(commands, ["review", "list", "--json"])
    assert json.loads(listed.output)["verdicts"] == 4


def test_what_is_on_a_persons_list_comes_first(desk: Desk) -> None:
    def order() -> bool:
        table = get(desk, "").text.split('id="companies"')[1]
        return table.index("/entities/bolt") < table.index("/entities/acme")

    assert not order()
    assert post(desk, "lists", name="mine", add="博特工业").status_code == 204
    assert order()
    assert get(desk, "?of=mine").text.split('id="companies"')[1].count("/entities/acme") == 0
    assert post(desk, "lists", name="mine", add="acme").status_code == 204
    assert post(desk, "lists/move", name="mine", entity="acme").status_code == 204
    rows = desk.execute("SELECT entities FROM own_lists")
    assert [row[0] for row in rows] == [["acme", "bolt"]]
    assert post(desk, "lists/remove", name="mine", entity="acme").status_code == 204
    assert post(desk, "entities/bolt/star").status_code == 204
    assert [row[0] for row in desk.execute("SELECT entities FROM own_lists")] == [[]]
    assert post(desk, "lists", name="mine", add="nobody").status_code == 404
    assert post(desk, "lists", name=" ").status_code in (400, 422)
    assert post(desk, "lists/drop", name="mine").status_code == 204
    assert desk.execute("SELECT 1 FROM own_lists") == []


def test_a_dead_letter_that_is_still_not_fit_stays_and_one_that_is_goes(desk: Desk) -> None:
    (row,) = desk.execute("SELECT id FROM dead_letters")
    answer = post(desk, "dead-letters/replay", letter=row[0])
    assert answer.status_code == 409
    item = {"source": "wire", "id": "late", "channel": "news", "published_at": "2026-03-10T10:00:00Z", "text": "Hello"}
    desk.execute("UPDATE dead_letters SET payload = :payload", payload=json.dumps(item).encode())
    assert post(desk, "dead-letters/replay", letter=row[0]).status_code == 204
    assert desk.execute("SELECT 1 FROM dead_letters") == []
    assert "dead letters replayed" in trail(desk, row[0])


def test_the_system_says_when_jobs_ran_and_why_one_failed(desk: Desk) -> None:
    def fails(around: jobs.Surroundings, now: datetime) -> int:
        raise OSError("no route to <jane@corp.example>\nand a document")

    around, now = desk.app.surroundings(MODEL), datetime.now(UTC)
    trends = next(job for job in jobs.JOBS if job.name == "trends")
    jobs.run(trends, around, now)
    with pytest.raises(OSError, match="no route"):
        jobs.run(Job(name="alerts", every=trends.every, function=fails), around, now)
    with desk.engine.connect() as connection:
        known = runs.last(connection)
    assert known["trends"].error is None
    assert known["trends"].succeeded_at == known["trends"].ended_at
    assert known["alerts"].done is None
    assert known["alerts"].error == "OSError: no route to <[EMAIL]>"
    page = get(desk, "system").text
    assert "no route to &lt;[EMAIL]&gt;" in page
    assert "and a document" not in page


def test_pages_are_in_the_language_of_the_reader_and_it_can_be_chosen(desk: Desk) -> None:
    assert '<html lang="zh">' in get(desk, "alerts", **{"accept-language": "zh-CN"}).text
    answer = get(desk, "language/zh?next=/alerts")
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
    assert "等待处理" in get(desk, "alerts", cookie=answer.headers["set-cookie"].split(";")[0]).text
    assert get(desk, "language/xx").status_code == 404
    assert get(desk, "language/en?next=//evil.example").headers["location"] == "/"
    assert "此处没有内容" in get(desk, "nowhere", accept="text/html", **{"accept-language": "zh"}).text


def test_every_page_is_there_in_both_languages(desk: Desk) -> None:
    for path in (
        "",
        "?span=14d",
        "alerts",
        "alerts?severity=critical",
        "why",
        "review",
        "ask",
        "lists",
        "system",
        "dead-letters",
        "entities/acme",
    ):
        for lang in ("en", "zh"):
            answer = get(desk, path, accept="text/html", **{"accept-language": lang})
            assert answer.status_code == 200, path
            assert f'<html lang="{lang}">' in answer.text


def test_a_viewer_looks_and_an_analyst_acts(desk: Desk) -> None:
    import dataclasses

    alert = desk.alert("roles")
    with desk.engine.begin() as connection:
        made = {
            role: access.create_token(connection, f"the {role}", role, "test", datetime.now(UTC))[1]
            for role in ("viewer", "analyst")
        }
    settings = dataclasses.replace(desk.app.settings, admin_token="x" * 40)
    with App(settings) as app, serving(app) as url:
        guarded = Desk(url, app, desk.engine)
        assert get(guarded, "events").status_code == 401
        assert httpx.get(url, headers={"accept": "text/html"}, trust_env=False).headers["location"] == "/login?next=/"

        def ack(role: str) -> int:
            bearer = {**QUIET, "authorization": f"Bearer {made[role]}"}
            return httpx.post(f"{url}alerts/{alert}/ack", headers=bearer, trust_env=False).status_code

        looks = get(guarded, "alerts", authorization=f"Bearer {made['viewer']}")
        assert looks.status_code == 200
        assert "/ack" not in looks.text
        assert ack("viewer") == 403
        assert ack("analyst") == 204
    assert desk.execute("SELECT who FROM audit WHERE about = :alert", alert=alert) == [("the analyst",)]


def events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        if line.startswith("data: "):
            yield kind, line.removeprefix("data: ")


@contextmanager
def listening(desk: Desk) -> Iterator[Iterator[tuple[str, str]]]:
    with httpx.stream("GET", f"{desk.url}events", trust_env=False, timeout=30) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        yield events(stream.iter_lines())


def test_every_open_page_hears_of_a_change(desk: Desk) -> None:
    alert = desk.alert("heard of")
    with listening(desk) as one, listening(desk) as other:
        first = [next(one), next(other)]
        assert [kind for kind, _ in first] == ["hello", "hello"]
        post(desk, f"alerts/{alert}/ack")
        for heard in (one, other):
            kind, rung = next(heard)
            assert kind == "changed"
            assert int(rung) > int(first[0][1]) - 1


def test_after_the_database_was_away_pages_hear_again(desk: Desk) -> None:
    alert = desk.alert("heard of after all")
    with listening(desk) as heard:
        next(heard)
        desk.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN voxpop_desk%'")
        assert next(heard)[0] == "changed", "what rang meanwhile was missed, so all are told to look"
        post(desk, f"alerts/{alert}/ack")
        assert next(heard)[0] == "changed"


def test_a_bell_that_is_closed_lets_go_of_its_thread(desk: Desk) -> None:
    bell = Bell(lambda: desk.app.database_url)
    before = threading.active_count()
    first = bell.rung
    assert threading.active_count() == before + 1
    bell.close()
    assert threading.active_count() == before
    assert bell.rung > first

"""Alerts to people over a real database and real receivers: told once, held, silenced, retried, killed and restored."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from tests.notify.loopback import Hook, Post, hook
from tests.store.samples import MODEL, document, reading, write
from voxpop import alerting, alertsfile
from voxpop.alertsfile import Rules
from voxpop.errors import StoreError
from voxpop.notify import Receiver
from voxpop.records import Alert, Entity, Risk
from voxpop.signals.routing import Route
from voxpop.store import alerts, deliveries, epoch, moves, watchlist
from voxpop.store.access import at_the_shell

README = Path(__file__).parents[1] / "README.md"
SECRET = "correct-horse-battery"
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def now_is_now() -> None:
    """The store notes the clock on the wall, and this file may have been imported long ago."""
    global NOW
    NOW = datetime.now(UTC)


@pytest.fixture
def site() -> Iterator[Hook]:
    with hook() as found:
        yield found


def rules(site: Hook, route: str = "") -> Rules:
    receivers = "".join(
        f'[receivers.{name}]\nwebhook = "{site.url}/{name}"\nsecret = "{SECRET}"\n' for name in ("desk", "boss")
    )
    return alertsfile.parse(f'{receivers}[[routes]]\nreceivers = ["desk"]\n{route}', "test", "http://board")


def raised(engine: Engine, name: str, entity: str = "acme", *, score: float = 5.5, **changes: Any) -> str:
    """An alert as the surge rule stores it."""
    fields = {
        "id": name,
        "entity": entity,
        "rule": "surge",
        "fired_at": NOW,
        "window_start": NOW - timedelta(hours=3),
        "score": score,
        "cut": 5.0,
        "hours": 3,
        "stories": 9,
        "expected": 0.4,
        "negative_stories": 8,
        "unread_stories": 0,
        "model": MODEL,
    }
    with engine.begin() as connection:
        alerts.save(connection, Alert(**{**fields, **changes}), "firing")
    return name


def over(engine: Engine, name: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alerts SET state = 'resolved' WHERE alert_id = :id"), {"id": name})


def run(engine: Engine, rules: Rules, home: Path, minutes: float) -> int:
    return alerting.run(engine, rules, home, NOW + timedelta(minutes=minutes))


def told(site: Hook) -> list[tuple[str, str]]:
    """(path, notice) of each post."""
    return [(post.path.rpartition("/")[2], json.loads(post.body)["notice"]) for post in site.posts]


def kinds(engine: Engine, alert: str) -> list[str]:
    with engine.connect() as connection:
        return [row.kind for row in moves.moves_of(connection, [alert]).get(alert, [])]


def test_an_alert_is_told_once_acknowledged_and_told_to_be_over(engine: Engine, site: Hook, tmp_path: Path) -> None:
    r = rules(site)
    raised(engine, "a1")
    for minute in (1, 2, 3):
        run(engine, r, tmp_path, minute)
    assert told(site) == [("desk", "firing")]
    with engine.begin() as connection:
        alerting.by_person(connection, r, "a1", "acknowledged", at_the_shell("jane"), NOW + timedelta(minutes=4))
        with pytest.raises(StoreError, match="acknowledged already"):
            alerting.by_person(connection, r, "a1", "acknowledged", at_the_shell("joe"), NOW + timedelta(minutes=4))
    run(engine, r, tmp_path, 600)
    over(engine, "a1")
    run(engine, r, tmp_path, 601)
    run(engine, r, tmp_path, 900)
    assert told(site) == [("desk", "firing"), ("desk", "resolved")]
    with engine.connect() as connection:
        rows = moves.moves_of(connection, ["a1"])["a1"]
    assert [(row.kind, row.who) for row in rows] == [
        *(("opened", "voxpop"), ("fired", "voxpop"), ("told", "voxpop"), ("acknowledged", "jane")),
        *(("resolved", "voxpop"), ("told", "voxpop")),
    ]


def test_the_message_says_what_happened_with_links(engine: Engine, site: Hook, tmp_path: Path) -> None:
    said = reading(document("d1", 0, "Acmetron misses a payment", url="https://wire.example/1"), "negative")
    write(engine, [said])
    with engine.begin() as connection:
        watchlist.replace(connection, [Entity(id="acme", name="Acmetron", sector="machines", own=True)])
    raised(engine, "a1", evidence=(said.document.id,))
    run(engine, rules(site, 'watchlist = "own"\nsectors = ["machines"]'), tmp_path, 1)
    (post,) = site.posts
    body = json.loads(post.body)
    assert body["subject"] == "[watch] Acmetron: firing"
    (alert,) = body["alerts"]
    assert "“Acmetron misses a payment” (wire)" in alert["line"]
    assert "9 stories in 3 hours where 0.4 are usual" in alert["line"]
    assert alert["link"] == "http://board/alerts/a1"
    assert alert["evidence"] == [
        {"id": said.document.id, "url": "https://wire.example/1", "source": "wire", "corrected": False}
    ]
    assert "https://wire.example/1" in body["text"]


def test_the_readme_names_every_field_of_a_webhook(engine: Engine, site: Hook, tmp_path: Path) -> None:
    said = reading(document("d1", 0, "Acmetron misses a payment"), "negative")
    write(engine, [said])
    raised(engine, "a1", evidence=(said.document.id,))
    run(engine, rules(site), tmp_path, 1)
    body = json.loads(site.posts[0].body)
    table = README.read_text("utf-8").split("A webhook gets JSON:")[1].split("\n\n")[1]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    documented = {name for cell in cells for name in re.findall("`(\\w+)`", cell)}
    (alert,) = body["alerts"]
    assert documented == body.keys() | alert.keys()
    assert all(f"`{name}`" in table for name in alert["evidence"][0])


def test_nobody_answers_so_it_goes_up(engine: Engine, site: Hook, tmp_path: Path) -> None:
    r = rules(site, 'escalate_minutes = 20\nescalate_to = ["boss"]')
    raised(engine, "a1")
    for minute in (1, 10, 21, 22):
        run(engine, r, tmp_path, minute)
    over(engine, "a1")
    run(engine, r, tmp_path, 30)
    assert told(site)[0] == ("desk", "firing")
    assert sorted(told(site)[1:3]) == [("boss", "escalated"), ("desk", "escalated")]
    assert sorted(told(site)[3:]) == [("boss", "resolved"), ("desk", "resolved")]


def test_an_alert_to_which_graver_evidence_comes_is_told_again_once(engine: Engine, site: Hook, tmp_path: Path) -> None:
    r = rules(site)
    mild, grave = (
        reading(document(name, n, f"acme {name}"), "negative") for n, name in enumerate(("falls", "defaults"))
    )
    risk = Risk(entity="acme", event="debt_default", severity=3, sentence="acme has defaulted", score=0.97)
    write(engine, [mild, msgspec.structs.replace(grave, risks=(risk,))])
    raised(engine, "a1", evidence=(mild.document.id,))
    run(engine, r, tmp_path, 1)
    with engine.begin() as connection:
        alerting.by_person(connection, r, "a1", "acknowledged", at_the_shell("jane"), NOW + timedelta(minutes=2))
    raised(engine, "a1", evidence=(mild.document.id, grave.document.id))
    for minute in (3, 4, 600):
        run(engine, r, tmp_path, minute)
    assert told(site) == [("desk", "firing"), ("desk", "graver")]
    assert [json.loads(post.body)["subject"] for post in site.posts] == [
        "[watch] acme: firing",
        "[critical] acme: graver",
    ]


def test_an_event_that_is_as_likely_not_there_makes_no_alert_graver(engine: Engine, site: Hook, tmp_path: Path) -> None:
    r = rules(site)
    told_of = reading(document("story", 1, "acme may default"), "negative")
    risk = Risk(entity="acme", event="debt_default", severity=3, sentence="acme has defaulted", score=0.4)
    write(engine, [msgspec.structs.replace(told_of, risks=(risk,))])
    raised(engine, "a1", evidence=(told_of.document.id,))
    run(engine, r, tmp_path, 1)
    assert [json.loads(post.body)["subject"] for post in site.posts] == ["[watch] acme: firing"]


def test_alerts_of_a_group_go_in_one_message_and_later_ones_wait(engine: Engine, site: Hook, tmp_path: Path) -> None:
    r = rules(site, 'group_by = "rule"\ninterval_minutes = 5')
    raised(engine, "a1")
    raised(engine, "a2", "bolt")
    run(engine, r, tmp_path, 1)
    raised(engine, "a3", "calm")
    run(engine, r, tmp_path, 3)
    assert [len(json.loads(post.body)["alerts"]) for post in site.posts] == [2]
    run(engine, r, tmp_path, 6)
    assert [len(json.loads(post.body)["alerts"]) for post in site.posts] == [2, 1]


def test_a_silence_a_graver_alert_and_old_news_are_told_to_nobody(engine: Engine, site: Hook, tmp_path: Path) -> None:
    r = rules(site)
    with engine.begin() as connection:
        fields = (
            "s1",
            NOW - timedelta(minutes=1),
            NOW + timedelta(hours=1),
            "jane",
            "known",
            "bolt",
            "",
            "",
            "serious",
            "user:jane",
        )
        moves.add_silence(connection, moves.StoredSilence(*fields), NOW)
    raised(engine, "silenced", "bolt")
    raised(engine, "lesser", "acme", score=5.5)
    raised(engine, "graver", "acme", score=11)
    raised(engine, "old", "calm", fired_at=NOW - timedelta(days=3))
    run(engine, r, tmp_path, 1)
    assert [json.loads(post.body)["alerts"][0]["id"] for post in site.posts] == ["graver"]
    with engine.connect() as connection:
        found = moves.moves_of(connection, ["silenced", "lesser", "old"])
    notes = {alert: rows[-1].note for alert, rows in found.items()}
    assert notes["silenced"] == "silence s1 by jane: known"
    assert notes["lesser"] == "the critical alert graver is about the same"
    assert notes["old"].startswith("history")
    run(engine, r, tmp_path, 61)
    assert [json.loads(p.body)["alerts"][0]["id"] for p in site.posts] == ["graver", "silenced"], (
        "it outlasts the silence"
    )


def test_without_receivers_alerts_are_stored_and_shown(engine: Engine, tmp_path: Path) -> None:
    raised(engine, "a1")
    run(engine, Rules(), tmp_path, 1)
    with engine.connect() as connection:
        assert moves.moves_of(connection, ["a1"])["a1"][-1].note == alerting.NO_ROUTE
    assert list(tmp_path.iterdir()) == []


def test_a_receiver_that_is_away_is_tried_again_under_the_same_key(engine: Engine, site: Hook, tmp_path: Path) -> None:
    r = rules(site)
    raised(engine, "a1")
    site.answers = [503, 500]
    run(engine, r, tmp_path, 1)
    run(engine, r, tmp_path, 1.2)
    assert len(site.posts) == 1, "a pause lies between attempts"
    for minute in (1.6, 2, 3, 10):
        run(engine, r, tmp_path, minute)
    assert len(site.posts) == 3
    assert len(set(site.keys())) == 1
    assert len({post.body for post in site.posts}) == 1
    with engine.connect() as connection:
        (outcome,) = deliveries.of_alerts(connection, ["a1"])
        log = connection.execute(text("SELECT number, sent FROM delivery_log ORDER BY number")).all()
    assert (outcome.state, outcome.tries) == ("sent", 3)
    assert [tuple(row) for row in log] == [(1, False), (2, False), (3, True)]


def test_one_receiver_that_is_away_does_not_keep_another_waiting(engine: Engine, site: Hook, tmp_path: Path) -> None:
    r = rules(site).receivers
    away = Receiver(name="desk", url="http://127.0.0.1:1/", secret=SECRET)
    both = Rules(receivers={**r, "desk": away}, routes=(Route(receivers=("desk", "boss")),))
    raised(engine, "a1")
    run(engine, both, tmp_path, 1)
    assert told(site) == [("boss", "firing")]


def test_a_receiver_that_left_the_file_is_no_reason_to_lose_its_message(
    engine: Engine, site: Hook, tmp_path: Path
) -> None:
    r = rules(site)
    raised(engine, "a1")
    site.answers = [503]
    run(engine, r, tmp_path, 1)
    without = Rules(receivers={"boss": r.receivers["boss"]}, routes=r.routes)
    run(engine, without, tmp_path, 5)
    run(engine, r, tmp_path, 60)
    assert told(site) == [("desk", "firing")] * 2


def test_what_waits_for_a_receiver_that_is_gone_for_good_is_given_up(
    engine: Engine, site: Hook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    r = rules(site, "repeat_hours = 0\n")
    raised(engine, "a1")
    site.answers = [503]
    run(engine, r, tmp_path, 1)
    without = Rules(receivers={"boss": r.receivers["boss"]}, routes=r.routes)
    for hours in (1, 26, 28, 30):
        run(engine, without, tmp_path, 60 * hours)
    run(engine, r, tmp_path, 60 * 32)
    assert told(site) == [("desk", "firing")], "a receiver of that name is not told days later"
    with engine.connect() as connection:
        (outcome,) = deliveries.of_alerts(connection, ["a1"])
    assert (outcome.state, outcome.tries) == ("dropped", 2)
    assert outcome.said == "the alerts file names no receiver 'desk' any more"
    assert [one.message for one in caplog.records].count(f"1 messages are given up: {outcome.said}") == 1


def test_after_a_restored_backup_nothing_is_sent_until_it_is_released(
    engine: Engine, site: Hook, tmp_path: Path
) -> None:
    r = rules(site)
    raised(engine, "a1")
    with engine.begin() as connection:
        kept = epoch.advance(connection, tmp_path)
    run(engine, r, tmp_path, 1)
    assert told(site) == [("desk", "firing")]
    with engine.begin() as connection:  # back to what the backup held
        for table in ("alert_moves", "deliveries", "delivery_log"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("UPDATE facts SET value = :mark WHERE key = 'sending_epoch'"), {"mark": str(kept)})
    for minute in (2, 3, 60):
        run(engine, r, tmp_path, minute)
    assert len(site.posts) == 1
    assert kinds(engine, "a1") == ["opened", "fired"], "its life goes on, unheard"
    alerting.release(engine, r, tmp_path, NOW + timedelta(minutes=61), "jane", drop=False)
    run(engine, r, tmp_path, 62)
    assert told(site) == [("desk", "firing")] * 2


def test_what_a_restored_backup_owes_can_be_given_up(engine: Engine, site: Hook, tmp_path: Path) -> None:
    r = rules(site)
    raised(engine, "a1")
    with engine.begin() as connection:
        epoch.advance(connection, tmp_path)
    elsewhere = tmp_path / "another home"  # the database was moved: its new home has no mark
    run(engine, r, elsewhere, 1)
    assert alerting.release(engine, r, elsewhere, NOW + timedelta(minutes=2), "jane", drop=True) == 1
    run(engine, r, elsewhere, 3)
    assert site.posts == []
    raised(engine, "a2", "bolt")
    run(engine, r, elsewhere, 4)
    assert told(site) == [("desk", "firing")]


PROGRAM = """
import sys, time
from datetime import datetime, timedelta
from pathlib import Path
from sqlalchemy import create_engine
from voxpop import alerting, alertsfile
engine, now = create_engine(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
rules = alertsfile.load(sys.argv[3], "http://board")
for minute in (1, 2):
    alerting.run(engine, rules, Path(sys.argv[4]), now + timedelta(minutes=minute))
"""
KILLS = 4


@pytest.mark.slow
def test_killed_at_any_moment_none_is_lost_and_a_repeat_keeps_its_key(
    engine: Engine, database_url: str, site: Hook, tmp_path: Path
) -> None:
    names = [raised(engine, f"a{n}", f"entity{n}") for n in range(8)]
    path = tmp_path / "alerts.toml"
    receiver = f'[receivers.desk]\nwebhook = "{site.url}"\nsecret = "{SECRET}"\n'
    path.write_text(f'{receiver}[[routes]]\nreceivers = ["desk"]\nrepeat_hours = 0\n', "utf-8")
    running: list[subprocess.Popen[bytes]] = []
    deaths: list[str] = []

    def kill(post: Post) -> None:
        """Every other message kills its sender, before it is answered."""
        if len(deaths) < KILLS and len(site.posts) % 2 == 0:
            deaths.append(post.headers["voxpop-key"])
            os.kill(running[-1].pid, signal.SIGKILL)

    site.before = kill
    while not running or running[-1].returncode != 0:
        arguments = [sys.executable, "-c", PROGRAM, database_url, NOW.isoformat(), str(path), str(tmp_path)]
        with subprocess.Popen(arguments) as process:
            running.append(process)
            process.wait(timeout=120)
    assert len(running) == KILLS + 1
    received = [alert["id"] for post in site.posts for alert in json.loads(post.body)["alerts"]]
    assert set(received) == set(names), "none is lost"
    by_key: dict[str, list[bytes]] = {}
    for post in site.posts:
        by_key.setdefault(post.headers["voxpop-key"], []).append(post.body)
    assert len(by_key) == len(names)
    for key, bodies in by_key.items():
        assert len(bodies) == 1 + Counter(deaths)[key], "repeated only where the sender was killed"
        assert len(set(bodies)) == 1

"""The commands about alerts, as a person or a script runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests import commands
from tests.commands import Run
from tests.notify.loopback import hook
from tests.store.samples import MODEL
from tests.test_alerting import now_is_now, raised, run
from voxpop.alertsfile import Rules
from voxpop.cli import alerts as _commands  # noqa: F401 - which registers itself
from voxpop.store import access, models

__all__ = ["now_is_now"]  # a fixture


@pytest.fixture
def voxpop(database_url: str) -> Run:
    return commands.on(database_url)


def test_an_alert_is_listed_shown_taken_on_and_resolved(engine: Engine, voxpop: Run, tmp_path: Path) -> None:
    alert = raised(engine, "a1b2c3d4e5f6")
    run(engine, Rules(), tmp_path, 1)
    with engine.begin() as connection:
        models.activate(connection, MODEL, "test")
    (listed,) = json.loads(voxpop("alerts", "list", "--json").stdout)
    assert (listed["id"], listed["phase"], listed["severity"]) == (alert, "firing", "watch")
    assert "9 stories in 3 hours" in listed["line"]
    assert "a1b2c3d4e5 acknowledged by jane" in voxpop("alerts", "ack", "a1b2", "--by", "jane").stdout
    assert "acknowledged already" in voxpop("alerts", "ack", "a1b2", code=1).stderr
    voxpop("alerts", "resolve", "a1b2", "--by", "joe")
    shown = json.loads(voxpop("alerts", "show", "a1b2", "--json").stdout)
    assert [(move["kind"], move["who"]) for move in shown["moves"]][-2:] == [
        ("acknowledged", "jane"),
        ("resolved", "joe"),
    ]
    with engine.connect() as connection:
        trail = [(row.what, row.about, row.who, row.person) for row in access.audited(connection)]
    assert trail == [
        ("alert resolved", alert, "joe", "shell:joe"),
        ("alert acknowledged", alert, "jane", "shell:jane"),
    ], "and no row of the move that was refused"
    assert "no alert begins with" in voxpop("alerts", "show", "ffff", code=1).stderr


def test_a_silence_is_made_listed_and_ended(engine: Engine, voxpop: Run) -> None:
    made = voxpop("alerts", "silence", "--entity", "acme", "--for", "2d", "--reason", "known", "--by", "jane", "--json")
    (silence,) = json.loads(made.stdout)
    assert (silence["entity"], silence["who"], silence["severity"]) == ("acme", "jane", "serious")
    assert silence["person"] == "shell:jane"
    voxpop("alerts", "silence", "--end", silence["id"], "--by", "joe")
    with engine.connect() as connection:
        trail = [(row.what, row.about, row.person) for row in access.audited(connection)]
    assert trail == [("silence ended", silence["id"], "shell:joe"), ("silenced", "acme", "shell:jane")]
    assert json.loads(voxpop("alerts", "silence", "--json").stdout) == []
    assert "no span of time" in voxpop("alerts", "silence", "--entity", "acme", "--for", "soon", code=1).stderr


def test_a_test_message_says_who_took_it_and_who_did_not(voxpop: Run, tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    with hook() as site:
        site.answers = [204, 500]
        both = (f'[receivers.{name}]\nwebhook = "{site.url}"\nsecret = "s3cret"\n' for name in ("desk", "boss"))
        path.write_text("".join(both), "utf-8")
        done = voxpop("alerts", "test", "--json", code=1, VOXPOP_ALERTS_FILE=str(path))
    results = json.loads(done.stdout)
    assert [(r["receiver"], r["taken"]) for r in results] == [("desk", True), ("boss", False)]
    assert "answered 500" in results[1]["said"]
    assert "Nothing has happened" in site.posts[0].body.decode()
    assert "VOXPOP_ALERTS_FILE" in voxpop("alerts", "test", code=1).stderr

"""``voxpop calibrate``: the budget as it may be written, and the cuts that it sets on a real store."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from tests.store.samples import MODEL, document, reading, write
from voxpop.app import App
from voxpop.cli import app, calibrate, intake
from voxpop.errors import SettingError
from voxpop.log.base import Message
from voxpop.records import TOPICS
from voxpop.settings import Settings
from voxpop.store import alerts, models, trends

assert intake.__doc__, "imported for its commands: an app of one command alone would be that command"


@pytest.mark.parametrize(("text", "a_day"), [("5/day", 5.0), ("5", 5.0), ("14/week", 2.0), ("0.5 / day", 0.5)])
def test_a_budget_is_so_many_a_day_or_a_week(text: str, a_day: float) -> None:
    assert calibrate.budget_of(text) == pytest.approx(a_day)


@pytest.mark.parametrize("text", ["", "many", "0/day", "-1", "5/hour", "nan", "inf/day"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="no budget"):
        calibrate.budget_of(text)


@pytest.fixture
def month(engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Four weeks of one company, on most days with a bad hour."""
    monkeypatch.setenv("VOXPOP_DATABASE_URL", database_url.replace("+psycopg", ""))
    readings = [reading(document(f"q{hour}", hour, f"quiet {hour}")) for hour in range(0, 28 * 24, 6)]
    for day in range(4, 28, 2):
        bad = [document(f"b{day}.{n}", 24 * day + 9 + n / 10, f"bad {day} {n}") for n in range(3 + day % 5)]
        readings += [reading(of, "negative") for of in bad]
    write(engine, readings)
    with engine.begin() as connection:
        models.activate(connection, MODEL, "bundled")
        trends.refresh(connection, MODEL)
    return engine


def test_the_cuts_are_shown_and_kept(month: Engine) -> None:
    done = CliRunner().invoke(app, ["calibrate", "--budget", "2/week", "--json"])
    assert done.exit_code == 0, done.output
    surge, *others = json.loads(done.stdout)
    assert [surge["rule"], *(of["rule"] for of in others)] == ["surge", "spread", "simmer"]
    assert 0 <= surge["in_sample"] <= surge["budget_per_day"] == pytest.approx(0.75 * 2 / 7)
    assert surge["out_of_sample"] >= 0
    with month.connect() as connection:
        assert [cut for _, cut in alerts.cuts(connection, "surge", MODEL)] == [surge["cut"]]


def test_a_dry_run_keeps_the_cuts_in_force(month: Engine) -> None:
    done = CliRunner().invoke(app, ["calibrate", "--budget", "2/week", "--dry-run"])
    assert done.exit_code == 0, done.output
    with month.connect() as connection:
        assert alerts.cuts(connection, "surge", MODEL) == []


def test_what_waits_to_be_read_is_said_where_history_is_missing(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXPOP_DATABASE_URL", database_url.replace("+psycopg", ""))
    with App(Settings(database_url=database_url)) as live:
        live.log.publish(TOPICS["news"], [Message(b"k", b"v")] * 3)
    done = CliRunner().invoke(app, ["calibrate"])
    assert "no document was read yet" in done.output
    assert "3 records wait to be read" in done.output
    write(engine, [reading(document("one", 0, "one")), reading(document("two", 36, "two"))])
    with engine.begin() as connection:
        models.activate(connection, MODEL, "bundled")
    done = CliRunner().invoke(app, ["calibrate"])
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert "calibrating needs 14 days of history" in said
    assert "1.5 are known; the first cut is set by itself once 7 are; 3 records wait to be read" in said


def test_an_empty_store_is_said_to_be_empty(engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXPOP_DATABASE_URL", database_url.replace("+psycopg", ""))
    done = CliRunner().invoke(app, ["calibrate"])
    assert done.exit_code == 1
    assert "no document was read yet" in done.output

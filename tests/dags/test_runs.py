"""Each DAG run by ``dag.test()`` over a real database: by its window, again, late, backfilled, and in vain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.dags.conftest import Driver
from tests.notify.loopback import Hook, hook
from tests.store.samples import MODEL, START, document, reading, write
from tests.test_jobs import fortnight
from voxpop.records import DeadLetter, Entity, TrendPoint
from voxpop.store import alerts, facts, models, trends, watchlist, writer
from voxpop.store import drifts as stored_drifts
from voxpop.text.entities import Linker

pytestmark = pytest.mark.timeout(300)  # the first test of this folder waits for Airflow's tables

ACME = Entity(id="acme", name="Acmetron")
LINKED = Linker([ACME]).version


@pytest.fixture
def store(engine: Engine) -> Engine:
    """A store whose model version is known, and whose watchlist is that of the documents."""
    with engine.begin() as connection:
        models.activate(connection, MODEL, "scripted")
        watchlist.replace(connection, [ACME])
        facts.put(connection, "watchlist", LINKED)
    return engine


@pytest.fixture
def operators(tmp_path: Path) -> Iterator[Hook]:
    """Operators, who are told by a webhook that an alerts file in ``tmp_path`` names."""
    with hook() as web:
        receiver = f'[receivers.duty]\nwebhook = "{web.url}"\nsecret = "a secret"\n'
        route = '[[routes]]\nreceivers = ["duty"]\noldest_hours = 1e9\nwait_seconds = 0\n'
        (tmp_path / "alerts.toml").write_text(f'{receiver}{route}[operators]\nreceivers = ["duty"]\n')
        yield web


def told(engine: Engine, name: str, hours: float) -> None:
    write(engine, [reading(document(name, hours, f"{name} about acme", linked_with=LINKED), "negative")])


def points(engine: Engine) -> list[TrendPoint]:
    with engine.connect() as connection:
        return trends.latest(connection, MODEL)


def revisions(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM trend_points")).scalar_one())


def test_a_late_item_opens_its_window_again_and_a_second_run_of_a_window_adds_nothing(
    store: Engine, run: Driver
) -> None:
    told(store, "first", 1.2)
    done = run("trends", at="2026-03-02T02:00:00+00:00")
    assert (done.state, done.tasks) == ("success", {"relink": "success", "refresh": "success", "heartbeat": "success"})
    assert not done.torch
    assert [point.stories for point in points(store)] == [1]
    told(store, "late", 1.1)
    run("trends", at="2026-03-02T09:00:00+00:00")
    assert [(point.start, point.stories) for point in points(store)] == [(START + timedelta(hours=1), 2)]
    run("trends", at="2026-03-02T09:00:00+00:00")
    assert revisions(store) == 2


def test_a_backfill_by_conf_computes_the_windows_that_are_asked_for_and_no_others(store: Engine, run: Driver) -> None:
    for hour in range(4):
        told(store, f"story {hour}", hour + 0.5)
    run("trends", at="2026-03-02T05:30:00+00:00")
    lost = points(store)
    with store.begin() as connection:
        connection.execute(text("DELETE FROM trend_points"))
    assert run("trends", at="2026-03-02T05:31:00+00:00").state == "success"
    assert points(store) == []
    run("trends", conf={"start": "2026-03-02T01:00Z", "end": "2026-03-02T03:00Z"})
    assert points(store) == lost[1:3]


def test_upkeep_sets_cuts_and_alerts_tell_of_what_crosses_them(
    store: Engine, run: Driver, operators: Hook, tmp_path: Path
) -> None:
    fortnight(store, surge=False)
    for n in range(12):
        told(store, f"bad news {n}", 345.2 + n / 5)
    run("trends")
    kept = run("upkeep")
    assert (kept.state, set(kept.tasks.values())) == ("success", {"success"})
    for _ in range(2):
        raised = run("alerts", alerts_file=str(tmp_path / "alerts.toml"))
        assert raised.tasks == dict.fromkeys(("raise_alerts", "raise_by_rules", "raise_silences", "notify"), "success")
    assert not raised.torch
    with store.connect() as connection:
        surges = [alert for alert in alerts.stored(connection) if alert.rule == "surge"]
    assert [alert.entity for alert in surges] == ["acme"]
    heard = [one["rule"] for post in operators.posts for one in json.loads(post.body)["alerts"]]
    assert heard.count("surge") == 1, "a second run tells nobody again"


def test_upkeep_keeps_by_the_window_and_not_by_the_clock(store: Engine, run: Driver) -> None:
    days = [(day, n) for day in range(36) for n in range(15)]
    write(
        store,
        [
            reading(
                document(f"{d}/{n}", 24 * d + n, f"{n} of {d}", linked_with=LINKED), "negative" if d > 28 else "neutral"
            )
            for d, n in days
        ],
    )
    with store.begin() as connection:
        writer.write_dead_letters(connection, [DeadLetter(stage="s", reason="r", payload=b"p")])
        connection.execute(text("UPDATE dead_letters SET received_at = '2026-03-02T12:00Z'"))
    run("trends")
    assert run("upkeep", at="2026-04-01T12:00:00+00:00").state == "success"
    assert left(store) == 1, "the letter is thirty days old and no older"
    assert run("upkeep", at="2026-04-06T01:00:00+00:00").state == "success"
    assert left(store) == 0
    with store.connect() as connection:
        found = {(d.measure, d.until) for d in stored_drifts.since(connection, MODEL, START)}
        assert ("sentiment labels", START + timedelta(days=35)) in found
        assert [a.entity for a in alerts.stored(connection) if a.rule == "drift"] == ["sentiment labels"]


def left(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM dead_letters")).scalar_one())


def test_a_report_is_sent_once_when_its_hour_has_come(store: Engine, run: Driver, tmp_path: Path) -> None:
    rules = tmp_path / "alerts.toml"
    rules.write_text(
        '[receivers.desk]\nwebhook = "http://127.0.0.1:9/"\nsecret = "a secret"\n'
        + "".join(
            f'[[reports]]\nkind = "{kind}"\nreceivers = ["desk"]\nzone = "Europe/Zurich"\nat = "08:00"\nempty = true\n'
            for kind in ("morning", "weekly")
        )
    )
    told(store, "first", 1.2)

    def reported(at: str) -> list[str]:
        """What is queued after a run of the quarter of an hour that ends at ``at``."""
        done = run("report", at=at, alerts_file=str(rules), home=str(tmp_path))
        assert (done.state, done.tasks) == ("success", {"morning": "success", "weekly": "success"})
        with store.connect() as connection:
            return sorted(connection.execute(text("SELECT alert_group FROM deliveries")).scalars())

    monday = "2026-03-09T07:00:00+00:00"
    assert reported(monday) == ["report=morning", "report=weekly"]
    assert reported(monday) == ["report=morning", "report=weekly"]
    assert reported("2026-03-10T07:00:00+00:00") == ["report=morning", "report=morning", "report=weekly"]


def test_operators_hear_of_a_task_that_fails_and_not_of_each_time(
    store: Engine, run: Driver, operators: Hook, tmp_path: Path
) -> None:
    away = "postgresql://nobody:pa55word@127.0.0.1:1/none?connect_timeout=5"
    rules = str(tmp_path / "alerts.toml")
    for _ in range(2):
        failed = run("trends", once=True, database_url=away, alerts_file=rules, home=str(tmp_path))
        after = dict.fromkeys(("refresh", "heartbeat"), "upstream_failed")
        assert (failed.state, failed.tasks) == ("failed", {"relink": "failed"} | after)
    (post,) = operators.posts
    said = json.loads(post.body)
    assert (said["dag"], said["task"], said["notice"]) == ("trends", "relink", "failure")
    assert said["subject"] == "[failure] trends.relink failed"
    assert b"pa55word" not in post.body
    assert post.headers["voxpop-signature"].startswith("sha256=")


def test_what_waiting_does_not_mend_is_not_tried_again(store: Engine, run: Driver) -> None:
    failed = run("trends", conf={"start": "yesterday", "end": "today"})
    assert (failed.state, failed.tries["relink"]) == ("failed", 1)

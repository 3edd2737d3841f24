"""Why nobody was told: each gate stops what it should, and says so with its figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.notify.loopback import Hook, hook
from tests.store.samples import MODEL, START, document, reading, write
from tests.test_jobs import around, fortnight, judge, log
from voxpop import alerting, alertsfile, jobs
from voxpop.alertsfile import Rules
from voxpop.api.figures import told
from voxpop.errors import SettingError
from voxpop.jobs import Surroundings
from voxpop.records import DeadLetter, Entity, Mention, Name
from voxpop.store import watchlist, writer
from voxpop.why import Answer, why

__all__ = ["around", "log"]  # fixtures

ENGLISH = re.compile(r"[A-Za-z]{2,}[ ,]+[A-Za-z]{2,}")
"""Two English words in a row."""
ACME = Entity(id="acme", name="Acmetron")
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


@pytest.fixture
def watched(engine: Engine) -> Engine:
    with engine.begin() as connection:
        watchlist.replace(connection, [ACME])
    return engine


def asked(engine: Engine, hours: float, rules: Rules | None = None, who: str = "acme") -> Answer:
    at = START + timedelta(hours=hours)
    with engine.connect() as connection:
        answer = why(connection, who, MODEL, rules or Rules(), at, NOW, timedelta(hours=24))
    for gate in answer.gates:
        assert not ENGLISH.search(told("zh", gate)), "said in Chinese, whatever it says"
    return answer


def stopped(answer: Answer) -> tuple[str, str]:
    gate = answer.stopped_by
    assert gate is not None
    assert answer.gates[-1] is gate, "nothing is said of what lies behind the gate that stopped it"
    return gate.name, told("en", gate)


def route(site: Hook, **more: Any) -> Rules:
    text = f'[receivers.desk]\nwebhook = "{site.url}"\nsecret = "s3cret"\n[[routes]]\nreceivers = ["desk"]\n'
    text += "\n".join(f"{name} = {value}" for name, value in more.items())
    return alertsfile.parse(text, "test")


def test_an_entity_that_nobody_ever_watched_is_an_error(watched: Engine) -> None:
    with pytest.raises(SettingError, match="nobody ever watched 'bolt'"):
        asked(watched, 24, who="bolt")


def test_an_entity_is_found_by_id_name_alias_and_ticker(engine: Engine) -> None:
    acme = Entity(
        id="acme", name="Acme-Industries", aliases=(Name(text="艾可美工业"), Name(text="AI")), tickers=("ACM",)
    )
    bolt = Entity(
        id="bolt", name="Boltworks", aliases=(Name(text="Acme-Industries"), Name(text="Two")), tickers=("ai",)
    )
    last = Entity(id="last", name="Last", aliases=(Name(text="two"),), tickers=("LST", "ONE"))
    gone = Entity(id="gone", name="Gone", aliases=(Name(text="two"),), tickers=("ONE",))
    for entities in ([gone], [acme, bolt, last]):
        with engine.begin() as connection:
            watchlist.replace(connection, entities)
    said = ("acme", "ACME", "acme-industries", " 艾可美工业", "acm", "AI", "BOLT", "LST", "one", "GONE")
    found = [asked(engine, 24, who=one).entity for one in said]
    assert found == ["acme", "acme", "acme", "acme", "acme", "acme", "bolt", "last", "last", "gone"]
    with pytest.raises(SettingError, match=r"'two' may mean bolt \(Boltworks\), last \(Last\): name one by its id"):
        asked(engine, 24, who="two")


def test_an_entity_that_left_the_watchlist(watched: Engine) -> None:
    with watched.begin() as connection:
        watchlist.replace(connection, [])
    assert stopped(asked(watched, 24, who="ACMETRON")) == ("watchlist", "Acmetron is no longer watched")


def test_a_stream_that_was_silent(watched: Engine) -> None:
    write(watched, [reading(document("a", 0, "Acmetron falls"), "negative")])
    name, figures = stopped(asked(watched, 100))
    assert name == "feed"
    assert "0 documents of 0 sources" in figures
    assert "known up to 2026-03-02 00:00 only" in figures


def test_what_was_refused(watched: Engine) -> None:
    write(watched, [reading(document("a", 1, "Nothing of interest", entities=("other",)))])
    with watched.begin() as connection:
        letter = DeadLetter(stage="ingest", reason="no zone", payload=b'{"text": "Acmetron falls"}')
        writer.write_dead_letters(connection, [letter])
    assert stopped(asked(watched, 24)) == ("refusal", "dead letters that name it: 1 at ingest")


def test_what_was_not_linked(watched: Engine) -> None:
    write(watched, [reading(document("a", 1, "acmetron, a town in Ohio, floods", entities=("other",)))])
    name, figures = stopped(asked(watched, 24))
    assert name == "link"
    assert "1 more has its name" in figures


def test_what_names_it_in_passing(watched: Engine) -> None:
    span = Mention(entity="acme", start=0, end=8, relevance="passing", confidence=1)
    write(watched, [reading(document("a", 1, "Acmetron among others", mentions=(span,)), "negative")])
    assert stopped(asked(watched, 24)) == ("relevance", "0 of 1 are not only in passing")


def test_what_speaks_well_of_it(watched: Engine) -> None:
    write(watched, [reading(document(f"a{n}", n, f"Acmetron rises {n}"), "positive") for n in range(3)])
    name, figures = stopped(asked(watched, 24))
    assert (name, figures.split(",")[:2]) == ("opinion", ["0 negative", " 3 positive"])


def test_what_is_too_little_to_judge(watched: Engine, around: Surroundings) -> None:
    write(watched, [reading(document("a", 1, "Acmetron falls"), "negative")])
    judge(around)
    name, figures = stopped(asked(watched, 24))
    assert name == "expected count"
    assert "until a week of the stream is known" in figures


def test_what_waits_for_its_first_cut(watched: Engine, around: Surroundings) -> None:
    fortnight(watched, surge=True)
    jobs.refresh_trends(around, NOW)
    name, figures = stopped(asked(watched, 254))
    assert name == "threshold"
    assert "no cut is set yet: a week of the stream is known, so the alerts job sets one" in figures
    write(watched, [reading(document(f"b{n}", 60 + n / 4, f"early {n} of Acmetron"), "negative") for n in range(12)])
    jobs.refresh_trends(around, NOW)
    name, figures = stopped(asked(watched, 72))
    assert "until a week of the stream is known, and 3.0 days were by then" in figures
    assert "no cut is set yet" not in figures


def test_what_stays_below_the_cut(watched: Engine, around: Surroundings) -> None:
    fortnight(watched, surge=True)
    jobs.refresh_trends(around, NOW)
    jobs.calibrate(around, NOW)
    with watched.begin() as connection:
        connection.exec_driver_sql("UPDATE cuts SET cut = 50")
    assert jobs.raise_alerts(around, NOW) == 0
    name, figures = stopped(asked(watched, 254))
    assert name == "threshold"
    assert figures.startswith("score ")
    assert figures.endswith("against a cut of 50.0")


def test_an_alert_without_a_route_is_only_shown(watched: Engine, around: Surroundings) -> None:
    fortnight(watched, surge=True)
    judge(around)
    answer = asked(watched, 254)
    name, figures = stopped(answer)
    assert name == "routing"
    assert "no route takes it" in figures
    passed = {gate.name: told("en", gate) for gate in answer.gates if gate.passed}
    assert "fired at 2026-03-12" in passed["alert"]
    assert passed["story"].endswith("stories")


def test_history_is_withheld_and_an_alert_of_today_is_delivered(
    watched: Engine, around: Surroundings, site: Hook, tmp_path: Path
) -> None:
    fortnight(watched, surge=True)
    judge(around)
    old, fresh = route(site), route(site, oldest_hours=1_000_000)
    assert stopped(asked(watched, 254, old)) == ("hold", "nobody was told yet: it was over when it was first seen")
    with watched.begin() as connection:
        connection.exec_driver_sql("UPDATE alerts SET state = 'firing'")
    alerting.run(watched, old, tmp_path, NOW + timedelta(minutes=1))
    name, figures = stopped(asked(watched, 254, old))
    assert name == "silence"
    assert figures.startswith("history")
    assert site.posts == []
    with watched.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alert_moves")
        connection.exec_driver_sql("UPDATE alerts SET state = 'firing'")
    assert stopped(asked(watched, 254, fresh))[0] == "hold"
    site.answers = [503]
    alerting.run(watched, fresh, tmp_path, NOW + timedelta(minutes=2))
    name, figures = stopped(asked(watched, 254, fresh))
    assert name == "delivery"
    assert "waiting, tries: 1, desk answered 503" in figures
    alerting.run(watched, fresh, tmp_path, NOW + timedelta(minutes=5))
    answer = asked(watched, 254, fresh)
    assert answer.stopped_by is None
    assert told("zh", answer.gates[-1]).startswith("新预警，发至 desk：已发送，尝试 2 次，")

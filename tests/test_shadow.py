"""A second model version beside the first: nobody hears of it until a person promotes it, and then only of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from tests.scripted import Script, reader_of
from tests.store import samples
from voxpop import alarms, promotion, shadow, stages
from voxpop import app as live
from voxpop.app import App
from voxpop.backlog import waiting
from voxpop.cli import app as commands
from voxpop.cli import shadow as shadow_commands
from voxpop.errors import StoreError, Superseded
from voxpop.log.base import Partition, Record
from voxpop.models.reader import Reader
from voxpop.reading import read
from voxpop.records import TOPICS, Document
from voxpop.settings import Settings
from voxpop.store import alerts, models, told, trends

assert shadow_commands.__doc__, "imported for its commands"

OLD, NEW = "old@1", "new@1"


class Hears(Script):
    """Takes every text for negative in which a word stands, and cannot read one that is poison."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def sentiment(self, targets: Any) -> NDArray[np.float32]:
        assert not any("poison" in words for words, _ in targets), "this one ends it"
        return np.array([(1, 0, 0) if self.word in words else (0, 1, 0) for words, _ in targets], dtype=np.float32)


class Two(App):
    """The program over two scripted profiles: what is bad to the old one is not what is worse to the new one."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._scripted = {"old": scripted("bad", OLD), "new": scripted("worse", NEW)}

    def reader_of(self, profile: str) -> Reader:
        return self._scripted[profile]


def scripted(word: str, version: str) -> Reader:
    reader = reader_of(Hears(word), said=False)
    reader.version = version
    return reader


def month() -> list[Document]:
    """Four weeks of a company: quiet, but for an hour that is bad and one that is worse."""
    found = [samples.document(f"q{hour}", hour, f"quiet {hour}") for hour in range(0, 28 * 24, 6)]
    for day, word in ((20, "bad"), (24, "worse")):
        found += [samples.document(f"{word}{n}", 24 * day + 9 + n / 10, f"{word} {n} news") for n in range(9)]
    return found


@pytest.fixture
def two(engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Two]:
    """Both profiles on a store that the old one has read; the commands of this process work on them, too."""
    for name, value in {
        "VOXPOP_DATABASE_URL": database_url.replace("+psycopg", ""),
        "VOXPOP_HOME": str(settings.home),
        "VOXPOP_PROFILE": "old",
        "VOXPOP_SHADOW_PROFILE": "new",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(live, "App", Two)
    app = Two()
    with app:
        app.begin_reading()
        samples.write(engine, read(month(), app.reader()))
        with engine.begin() as connection:
            trends.refresh(connection, OLD)
        alarms.spend(engine, OLD, 1.0)
        yield app


def heard(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All that windows, alarms and pages are made of."""
    with engine.connect() as connection:
        rows = samples.rows(connection)
    return {t: rows[t] for t in ("trend_points", "stale_windows", "cuts", "alerts", "alert_revisions", "facts")}


def points(engine: Engine, model: str) -> tuple[int, int]:
    with engine.connect() as connection:
        found = trends.latest(connection, model)
    return sum(p.negative_stories for p in found), sum(p.unread_stories for p in found)


def command(*arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(commands, ["models", *arguments])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.output


def test_what_the_shadow_reads_changes_no_window_no_cut_and_no_alert(two: Two) -> None:
    with two.engine.connect() as connection:
        before, stories = heard(two.engine), told.stories(connection, OLD, samples.START)
    assert shadow.catch_up(two, "new") == len(month())
    assert heard(two.engine) == before
    with two.engine.begin() as connection:
        trends.reopen(connection, samples.START, samples.START.replace(year=2027))
        trends.refresh(connection, OLD)
        assert told.stories(connection, OLD, samples.START) == stories
        assert {s.label for s in told.stories(connection, NEW, samples.START) if s.document not in bad()} != {None}
    assert heard(two.engine) == before, "a window that is computed anew counts one version alone"
    assert points(two.engine, OLD) == (9, 0)


def bad() -> set[str]:
    return {document.id for document in month() if "bad" in document.text}


def test_it_reads_the_latest_first_and_no_more_at_once_than_it_may(two: Two) -> None:
    assert shadow.turn(two, most=5) == 5
    latest = sorted(month(), key=lambda d: d.published_at)[-5:]
    with two.engine.connect() as connection:
        done = connection.execute(text("SELECT document_id FROM readings WHERE model = :m"), {"m": NEW}).scalars()
        assert set(done) == {d.id for d in latest}


class Rounds(threading.Event):
    """Is set after so many rounds."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self._left = rounds

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self._left < 0


def test_it_stands_aside_while_anything_waits_in_the_stream(two: Two, engine: Engine) -> None:
    late = samples.document("late", 700, "late news")
    two.log.publish(TOPICS["document"], [stages.document_message(late)])
    shadow.follow(two, Rounds(3))
    assert count(engine, NEW) == 0
    worked(two)
    shadow.follow(two, Rounds(3))
    assert count(engine, NEW) == 3 * shadow.AT_ONCE


def count(engine: Engine, model: str) -> int:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM readings WHERE model = :m"), {"m": model})
        return int(found.scalar_one())


def worked(app: Two) -> None:
    """Has the analyst read the stream to its end."""
    stop, worker = threading.Event(), app.worker(app.analyse_step())
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        for _ in range(600):
            if not waiting(app) or worker.fault:
                break
            stop.wait(0.1)
    finally:
        stop.set()
        thread.join()
    assert worker.fault is None and not waiting(app)


def test_a_document_that_ends_it_keeps_no_other_from_being_read(two: Two, engine: Engine) -> None:
    poison = samples.document("p", 1, "poison")
    samples.write(engine, [samples.reading(poison)])
    assert shadow.catch_up(two, "new") == len(month()) + 1
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT document_id FROM readings WHERE model = :m AND NOT read"), {"m": NEW})
        assert list(rows.scalars()) == [poison.id]


def told_of(output: str) -> str:
    """What was said, on one line."""
    return " ".join(output.split())


def promoted() -> None:
    command("shadow", "run")
    command("promote", NEW, "--by", "jane", "--yes")


def test_a_promotion_shows_what_it_would_gain_and_lose_and_needs_a_name(two: Two, engine: Engine) -> None:
    shadow.catch_up(two, "new")
    before = heard(engine)
    assert "--by NAME" in command("promote", NEW, "--yes", code=1)
    found = command("promote", "new@", "--by", "jane", "--dry-run", "--json")
    assert [(a["rule"], a["fired_at"][:10]) for a in found["gained"]] == [("surge", "2026-03-26")]
    assert [(a["rule"], a["fired_at"][:10]) for a in found["lost"]] == [("surge", "2026-03-22")]
    assert found["promoted"] is False
    assert heard(engine) == before, "a look at it writes nothing"
    with engine.connect() as connection:
        assert models.active(connection) == OLD
        assert models.moves(connection) == []


def test_promote_and_undo_are_recorded_and_never_mix_versions(two: Two, engine: Engine) -> None:
    with engine.connect() as connection:
        old_cuts = alerts.cuts(connection, "surge", OLD)
    shadow.turn(two)
    assert "`voxpop models shadow run` reads them" in told_of(command("promote", NEW, "--by", "jane", "--yes", code=1))
    promoted()
    assert points(engine, NEW) == (9, 0)
    with engine.connect() as connection:
        assert models.active(connection) == NEW
        (move,) = models.moves(connection)
        before = move.received_at - timedelta(seconds=1)
        assert models.active(connection, before) == OLD, "who asks what was known before is answered by the one of then"
        assert (move.kind, move.model, move.former, move.who) == ("promoted", NEW, OLD, "jane")
        assert len(move.detail["gained"]) == len(move.detail["lost"]) == 1
        assert alerts.cuts(connection, "surge", OLD) == old_cuts
        assert [cut for _, cut in alerts.cuts(connection, "surge", NEW)] == [move.detail["cuts"]["surge"]]
    assert alarms.raise_alerts(engine, NEW) == 0, "what is past was judged by the one that counted then"

    late = [samples.document(f"late{n}", 680 + n / 10, f"worse {n} late") for n in range(9)]
    two.log.publish(TOPICS["document"], [stages.document_message(d) for d in late])
    worked(two)  # a process that has been reading with the old one
    with engine.begin() as connection:
        trends.refresh(connection, NEW)
        by = connection.execute(
            text("SELECT DISTINCT model FROM opinions WHERE document_id = ANY(:ids)"), {"ids": [d.id for d in late]}
        )
        assert list(by.scalars()) == [NEW]
    assert alarms.raise_alerts(engine, NEW) == 1
    with engine.connect() as connection:
        (alert,) = alerts.stored(connection)
        assert (alert.model, alert.cut) == (NEW, move.detail["cuts"]["surge"])

    assert "--by NAME" in command("undo", code=1)
    command("undo", "--by", "joe")
    with engine.connect() as connection:
        assert models.active(connection) == OLD
        assert [(m.kind, m.who) for m in models.moves(connection)] == [("promoted", "jane"), ("undone", "joe")]
        assert alerts.cuts(connection, "surge", OLD) == old_cuts
    assert points(engine, OLD) == (9, 0), "the old one has read what came in meanwhile"
    assert "no promotion to take back" in command("undo", "--by", "joe", code=1)


def test_an_alert_that_goes_on_bears_the_version_and_the_cut_that_its_words_are_of(two: Two, engine: Engine) -> None:
    now = [samples.document(f"now{n}", 27.9 * 24 + n / 10, f"bad and worse {n}") for n in range(9)]
    samples.write(engine, read(now, two.reader()))
    with engine.begin() as connection:
        trends.refresh(connection, OLD)
        assert alerts.cuts(connection, "surge", OLD)[0][0] < now[0].published_at
    assert alarms.raise_alerts(engine, OLD) == 1
    promoted()
    more = [samples.document(f"more{n}", 27.95 * 24 + n / 10, f"bad and worse and worse {n}") for n in range(9)]
    samples.write(engine, read(more, two.reader_of("new")))
    with engine.begin() as connection:
        trends.refresh(connection, NEW)
    assert alarms.raise_alerts(engine, NEW) == 0, "it is the same alert"
    with engine.connect() as connection:
        (alert,) = alerts.stored(connection)
        (cut,) = (cut for _, cut in alerts.cuts(connection, "surge", NEW))
        said = connection.execute(text("SELECT model, cut FROM alert_revisions ORDER BY revision")).all()
    assert (alert.model, alert.cut) == (NEW, cut)
    assert [row.model for row in said] == [OLD, NEW]
    assert said[1].cut == cut


def test_a_batch_that_the_old_one_read_is_refused_once_the_new_one_counts(two: Two, engine: Engine) -> None:
    message = stages.document_message(samples.document("late", 700, "late news"))
    records = [Record(Partition("documents", "id", 0), 0, *message)]
    result = two.analyse_step().run(records)
    with engine.begin() as connection:
        models.activate(connection, NEW, "new")
    with pytest.raises(Superseded), engine.begin() as connection:
        result.write(connection)
    again = two.analyse_step().run(records)
    with engine.begin() as connection:
        again.write(connection)
    assert count(engine, NEW) == 1


def test_a_promotion_lasts_when_processes_start_again_with_the_same_settings(two: Two, engine: Engine) -> None:
    promoted()
    with Two() as again:
        assert again.begin_reading().version == NEW
        assert again.beside == "old"
    with engine.connect() as connection:
        assert models.active(connection) == NEW


def test_what_cannot_be_promoted_is_said_with_what_to_do(two: Two, engine: Engine) -> None:
    assert "counts already" in command("promote", OLD, "--by", "jane", code=1)
    assert f"known are: {OLD}" in command("promote", "nonsense", "--by", "jane", code=1).replace("\n", "")
    with engine.begin() as connection:
        models.beside(connection, "third@1", "third")
        new, former = promotion.candidate(connection, "third", "jane")
    with pytest.raises(StoreError, match="VOXPOP_SHADOW_PROFILE=third"):
        promotion.carry_out(two, promotion.Change(kind="promoted", new=new, former=former, who="jane"))


def test_status_and_list_say_how_far_each_version_is(two: Two) -> None:
    shadow.turn(two, most=5)
    status = command("shadow", "status", "--json")
    figures = {v["model"]: (v["active"], v["read"], v["left"]) for v in status["versions"]}
    assert figures == {OLD: (True, len(month()), 0), NEW: (False, 5, len(month()) - 5)}
    assert command("shadow", "run", "--json") == {"read": len(month()) - 5}
    assert [v["model"] for v in command("shadow", "list", "--json")["versions"]] == [OLD, NEW]

"""What is erased or has been kept long enough: nothing of it is found in any table, and the rest is as if it had never
been there."""

from __future__ import annotations

import json
import multiprocessing
import signal
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from typer.testing import CliRunner

from tests.scripted import Script, reader_of
from tests.store import filled, samples
from voxpop import app as live
from voxpop import retention, testing
from voxpop.app import App
from voxpop.backlog import waiting
from voxpop.cli import app as commands
from voxpop.cli import erase as erase_commands
from voxpop.cli import intake
from voxpop.errors import SettingError
from voxpop.intake import take
from voxpop.models.reader import Reader
from voxpop.records import Alert, DeadLetter, Document, Entity, Item
from voxpop.settings import Settings
from voxpop.store import alerts, deliveries, erasures, feeds, reports, tables, trends, writer
from voxpop.store import models as model_versions
from voxpop.store.erasures import Subject

assert erase_commands.__doc__ and intake.__doc__, "imported for their commands: one alone would be the program"

MARK = "zxqmark"
AUTHOR = f"Jane {MARK}"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_no_table_is_forgotten() -> None:
    named = {table.name for table in erasures.OF_DOCUMENTS} | erasures.OTHERS.keys() | erasures.FREE
    assert named == set(tables.metadata.tables), "say in store/erasures.py what becomes of it when a document is erased"


class Scripted(App):
    """The program over a scripted reader."""

    def reader_of(self, profile: str) -> Reader:
        return reader_of(Script(neutral={}), said=False)


@pytest.fixture
def place(
    engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[retention.Place]:
    """A stream that was read; the commands of this process work on it, too."""
    monkeypatch.setenv("VOXPOP_DATABASE_URL", database_url.replace("+psycopg", ""))
    monkeypatch.setenv("VOXPOP_HOME", str(tmp_path))
    monkeypatch.setattr(live, "App", Scripted)
    with Scripted() as app:
        app.watch([Entity(id="acme", name="Acmetron")])
        app.begin_reading()
        take([item(n) for n in range(6)] + [item(n, AUTHOR) for n in range(6, 10)], app.log, app.engine)
        read_all(app)
        with engine.begin() as connection:
            trends.refresh(connection, "scripted@1")
        yield retention.Place(engine=engine, log=app.log, settings=app.settings)


def item(number: int, author: str | None = None) -> Item:
    at = samples.START + timedelta(hours=number)
    words = f"Acmetron told {MARK} story {number}" if author else f"Acmetron told plain story {number}"
    fields: dict[str, Any] = {"source": "forum", "id": str(number), "channel": "social", "author": author}
    return Item(**fields, published_at=at, received_at=at, title="", text=words)


def read_all(app: App) -> None:
    stop = threading.Event()
    workers = [app.worker(step) for step in (app.prepare_step("social"), app.analyse_step())]
    threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for _ in range(600):
            if not waiting(app) or any(worker.fault for worker in workers):
                break
            stop.wait(0.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not waiting(app) and not any(worker.fault for worker in workers)


def quoted(engine: Engine) -> None:
    """Has the words stand wherever they may: dead letters, an alert's messages, a report."""
    with engine.begin() as connection:
        _refuse(connection)
        rows = connection.execute(text("SELECT document_id FROM documents WHERE author = :a"), {"a": AUTHOR})
        _alarm(connection, "a", tuple(rows.scalars()), f"“{MARK}” of {AUTHOR}")
        _alarm(connection, "b", (), "of somebody else")
        _report(connection, "r1", f"{MARK} (forum)")
        _report(connection, "r2", "quiet (wire)")


def _refuse(connection: Connection) -> None:
    letters = [
        DeadLetter(stage="door", reason="no date", payload=json.dumps({"author": AUTHOR, "text": MARK}).encode()),
        DeadLetter(stage="door", reason="no date", payload=json.dumps([{"by": AUTHOR}, MARK]).encode()),
        DeadLetter(stage="door", reason="no csv", payload=f"2026-03-02,{AUTHOR},{MARK}".encode()),
        DeadLetter(stage="door", reason="no date", payload=b'{"author": "Jane", "text": "another"}'),
    ]
    writer.write_dead_letters(connection, letters)


def _alarm(connection: Connection, name: str, evidence: tuple[str, ...], words: str) -> None:
    """An alert with this evidence, and a message about it that was sent."""
    plain: dict[str, Any] = dict.fromkeys(("hours", "stories", "negative_stories", "unread_stories"), 1)
    at: dict[str, Any] = {"fired_at": samples.START, "window_start": samples.START}
    figures: dict[str, Any] = {"score": 9, "cut": 5, "expected": 0, **plain, **at}
    alert = Alert(id=name, entity="acme", rule="surge", model="scripted@1", evidence=evidence, **figures)
    alerts.save(connection, alert, "firing")
    _queue(connection, name, "new", [name], "[serious] Acmetron: new", words, "failure", {"alerts": [words]})
    deliveries.attempted(connection, name, NOW, sent=True, said=f"took {words}")


def _report(connection: Connection, name: str, words: str) -> None:
    """A report that was sent, and its message."""
    files = [{"name": "a.pdf", "type": "application/pdf", "content": words}]
    stored = reports.Stored(name, "morning", "", samples.START, NOW, NOW, "en", True, words, files)
    reports.save(connection, stored, NOW)
    data = {"notice": "report", "report_id": name, "report": words}
    _queue(connection, name, "report", [], words, words, "info", data)


def _queue(connection: Connection, key: str, notice: str, *message: Any) -> None:
    deliveries.queue(connection, deliveries.Delivery(key, "desk", "g", notice, *message), NOW)


def found_in(engine: Engine, mark: str = MARK) -> set[str]:
    """The tables in which the mark stands, in any column, as text or as bytes."""
    found = set()
    with engine.connect() as connection:
        for table, kinds in filled.columns(connection).items():
            for name, kind in kinds.items():
                column = f"encode(\"{name}\", 'escape')" if kind == "bytea" else f'CAST("{name}" AS text)'
                where = f"SELECT EXISTS (SELECT FROM \"{table}\" WHERE {column} ILIKE '%' || :mark || '%')"
                if connection.execute(text(where), {"mark": mark}).scalar_one():
                    found.add(table)
    return found


def erase(*arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(commands, ["erase", *arguments])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if "--json" in arguments else " ".join(done.output.split())


TOLD = {"documents", "story_texts", "dead_letters", "log_records", "deliveries", "delivery_log", "reports"}


@pytest.mark.parametrize(
    "whose", [("--author", AUTHOR), ("--source", "forum"), ("--author", AUTHOR, "--source", "forum")]
)
def test_no_table_holds_a_word_of_it_afterwards(place: retention.Place, whose: Sequence[str], tmp_path: Path) -> None:
    quoted(place.engine)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "scripted.sqlite").write_text("what was computed")
    assert found_in(place.engine) == TOLD
    everything = 10 if whose[0] == "--source" else 4
    counted = erase(*whose, "--dry-run", "--json")["rows"]
    assert counted["documents"] == counted["opinions"] == everything
    assert found_in(place.engine) == TOLD, "a dry run writes nothing"

    assert "--by NAME" in erase(*whose, code=1)
    rows = erase(*whose, "--by", "joe", "--json")["rows"]
    # What the door refused names its source nowhere, so it is found by its author alone.
    left = set() if whose[0] == "--author" and len(whose) == 2 else {"dead_letters"}
    assert found_in(place.engine) == left
    assert {t: n for t, n in counted.items() if rows.get(t) != n} == {}
    assert rows["alert_evidence"] == 4 and rows["reports"] == 1
    assert list((tmp_path / "results").iterdir()) == []
    with place.engine.connect() as connection:
        (record,) = erasures.log(connection)
        assert (record["who"], record["kind"], record["counts"]) == ("joe", whose[0][2:], rows)
        assert MARK not in str(record) and "forum" not in str(record)
        kept = connection.execute(text("SELECT key, body FROM deliveries WHERE key IN ('b', 'r2') ORDER BY 1")).all()
        assert [tuple(row) for row in kept] == [("b", "of somebody else"), ("r2", "quiet (wire)")]
    again = erase(*whose, "--by", "joe", "--json")["rows"]
    assert again == {}, "a second run finds nothing"


def test_an_alert_says_that_its_evidence_was_erased(place: retention.Place) -> None:
    from voxpop import alerting

    quoted(place.engine)
    with place.engine.connect() as connection:
        (alert,) = alerts.stored(connection, ["a"])
        assert "erased" not in alerting.line_of(connection, alert, "Acmetron")
    erase("--author", AUTHOR, "--by", "joe")
    with place.engine.connect() as connection:
        (alert,) = alerts.stored(connection, ["a"])
        said = alerting.line_of(connection, alert, "Acmetron")
    assert said.endswith("4 cited documents were erased since")
    assert MARK not in said


def test_the_rest_is_as_if_it_had_never_been_there(engine: Engine, other_database_url: str, tmp_path: Path) -> None:
    other = create_engine(other_database_url)
    mine, theirs = spread(AUTHOR), spread(None)
    for one in (engine, other):
        with one.begin() as connection:
            model_versions.activate(connection, samples.MODEL, "test")
        write(one, theirs if one is other else [*theirs, *mine])
    with engine.begin() as connection:
        trends.refresh(connection, samples.MODEL)
        assert connection.execute(text("SELECT count(DISTINCT story_id) FROM story_members")).scalar_one() == 1
    settings = Settings(home=tmp_path)
    retention._erase_documents(  # the rest of an erasure needs a log
        retention.Place(engine=engine, log=None, settings=settings),  # type: ignore[arg-type]
        begun(engine),
        NOW,
    )
    kept = {}
    for one in (engine, other):
        with one.begin() as connection:
            trends.refresh(connection, samples.MODEL)
            rows = samples.rows(connection)
            latest = [msg for msg in map(str, trends.latest(connection, samples.MODEL)) if "stories=0" not in msg]
        kept[one] = {t: rows[t] for t in rows if t not in ("erasures", "trend_points")} | {"latest": latest}
    assert kept[engine] == kept[other]
    assert len({row[1] for row in kept[engine]["story_members"]}) == 2, "the story fell apart where it was bridged"
    other.dispose()


def spread(author: str | None) -> list[Document]:
    """One text told again and again: without the author it is told twice, too far apart to be one story."""
    hours = (60,) if author else (0, 120)
    told = "acmetron told the same plain story of its many orders and plants to all who would hear it"
    return [samples.document(f"d{h}", h, told, author=author, source="forum") for h in hours]


def begun(engine: Engine) -> Subject:
    subject = Subject("author", AUTHOR)
    with engine.begin() as connection:
        erasures.begin(connection, subject, "joe", NOW)
    return subject


def write(engine: Engine, documents: Sequence[Document]) -> None:
    samples.write(engine, [samples.reading(document) for document in documents])


def test_what_the_log_brings_again_is_not_stored_but_what_is_new_is(engine: Engine) -> None:
    subject = begun(engine)
    old = samples.document("old", 0, "old words", author=AUTHOR)
    again = samples.document("again", 0, "sent again", author=AUTHOR, received_at=NOW + timedelta(days=1))
    later = NOW + timedelta(days=1)
    new = samples.document("new", 0, "new words", author=AUTHOR, published_at=later, received_at=later)
    others = samples.document("other", 0, "other words", author="Jane")
    write(engine, [old, again, new, others])
    with engine.connect() as connection:
        assert erasures.documents_of(connection, subject) == [new.id]
        assert connection.execute(text("SELECT count(*) FROM documents")).scalar_one() == 2


def test_an_erasure_that_is_killed_goes_on_and_counts_all(
    place: retention.Place, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    place.engine.dispose()
    place.log.close()

    def run(fault: str) -> None:
        testing.arm(fault)
        with Scripted() as app:
            whole = retention.Place(engine=app.engine, log=app.log, settings=app.settings)
            retention.erase(whole, Subject("author", AUTHOR), "joe", NOW)

    for fault in ("erasure-begun:kill", "erased:kill:2"):
        process = multiprocessing.get_context("fork").Process(target=run, args=(fault,))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        place.engine.dispose()
    with place.engine.connect() as connection:
        (record,) = erasures.log(connection)
        assert (record["ended_at"], record["counts"]["documents"]) == (None, 2)
    rows = retention.erase(place, Subject("author", AUTHOR), "ann", NOW + timedelta(hours=1))
    assert rows["documents"] == 4
    with place.engine.connect() as connection:
        (record,) = erasures.log(connection)
        assert record["ended_at"] is not None and record["who"] == "ann"
    assert found_in(place.engine) == set()


def test_a_source_that_is_polled_still_is_refused(place: retention.Place) -> None:
    with place.engine.begin() as connection:
        feeds.add(connection, "forum", {"url": "https://example.org"})
    assert "sources remove forum" in erase("--source", "forum", "--by", "joe", code=1)
    assert "say whose documents" in erase("--by", "joe", code=1)


def test_documents_go_when_they_have_been_kept_long_enough_and_figures_stay(engine: Engine, tmp_path: Path) -> None:
    found = [samples.document(f"d{n}", 24 * n, f"words {n}", source=("wire", "forum")[n % 2]) for n in range(10)]
    write(engine, found)
    with engine.begin() as connection:
        trends.refresh(connection, samples.MODEL)
        before = trends.latest(connection, samples.MODEL)
        trends.reopen(connection, samples.START, samples.START + timedelta(hours=1))  # marked before, and stays so
    now = samples.START + timedelta(days=10, hours=5)
    settings = Settings(home=tmp_path, keep_days=7, keep_days_by_source="forum=2, nobody=1")
    assert retention.expire(engine, settings, now) == 6
    assert retention.expire(engine, settings, now) == 0
    with engine.connect() as connection:
        left = connection.execute(text("SELECT document_id FROM documents")).scalars()
        assert set(left) == {found[n].id for n in (4, 6, 8, 9)}
        for table in ("mentions", "readings", "opinions", "story_members", "story_texts"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 4
        assert trends.latest(connection, samples.MODEL) == before
        assert connection.execute(text("SELECT count(*) FROM stale_windows")).scalar_one() == 1
    assert retention.expire(engine, Settings(home=tmp_path), now + timedelta(days=9999)) == 0, "for ever, unless asked"


@pytest.mark.parametrize("written", ["forum", "forum=x", "=3", "a=1,b"])
def test_days_by_source_that_cannot_be_read_are_refused(written: str) -> None:
    with pytest.raises(SettingError, match="SOURCE=DAYS"):
        retention.days_by_source(written)


def test_days_by_source() -> None:
    assert retention.days_by_source(" a=b=3 ,wire=0,") == {"a=b": 3, "wire": 0}

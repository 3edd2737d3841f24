"""A dashboard over a fortnight of stories, with a surge, served as it is for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from sqlalchemy import Engine, create_engine, text

from tests.conftest import new_database
from tests.store.samples import MODEL, document, reading, write
from voxpop import alerting, jobs
from voxpop.alertsfile import Rules
from voxpop.api.server import serving
from voxpop.app import App
from voxpop.records import Claim, DeadLetter, Entity, Factuality, Mention, Question, Reading, Risk, digest
from voxpop.settings import Settings
from voxpop.store import alerts, models, writer

HOSTILE = '<script>document.title = "owned"</script><b>Acmetron</b> &amp; "quotes"'


def claim(question: Question, text: str, words: str, how: Factuality) -> Claim:
    at = text.index(words)
    return Claim(
        entity="acme", question=question, start=at, end=at + len(words), score=0.75, entailment=0.75, factuality=how
    )


def says(of: Reading, claims: list[Claim], event: str, sentence: str) -> Reading:
    """The reading, in which the document claims something and reports a risk event."""
    risk = Risk(entity="acme", event=event, severity=3, sentence=sentence, score=0.75)
    return msgspec.structs.replace(of, claims=tuple(claims), risks=(risk,))


def fill(app: App, engine: Engine) -> None:
    """Acmetron has a bad week after a calm one; Boltworks is written about in Chinese; one text is hostile, and
    so is what is claimed in it.
    """
    app.watch([Entity(id="acme", name="Acmetron", sector="machines"), Entity(id="bolt", name="博特工业")])
    readings = [
        reading(document(f"a{hour}", hour, f"Acmetron at {hour}"), "negative" if hour % 48 == 0 else "neutral")
        for hour in range(0, 14 * 24, 4)
    ]
    bad = [reading(document(f"s{n}", 250.5 + n / 4, f"Acmetron bad news {n}"), "negative") for n in range(12)]
    text = bad[0].document.text
    claims = [claim("what", text, "bad news 0", "denied"), claim("source", text, "Acmetron", "asserted")]
    readings += [says(bad[0], claims, "debt_default", "Acmetron has failed to repay a debt."), *bad[1:]]
    readings += [reading(document(f"r{n}", 251, "Acmetron bad news 0", author="@echo"), "negative") for n in range(3)]
    span = Mention(entity="bolt", start=3, end=7, relevance="subject", confidence=0.9)
    readings.append(reading(document("zh", 300, "今天，博特工业停产。", lang="zh", mentions=(span,)), None))
    mark = Mention(
        entity="acme", start=HOSTILE.index("Acme"), end=HOSTILE.index("Acme") + 8, relevance="subject", confidence=1
    )
    hostile = document("x", 334, HOSTILE, mentions=(mark,), url="javascript:alert(1)", author="<i>me</i>")
    marked_up = [claim("what", HOSTILE, "<b>Acmetron</b>", "reported")]
    readings.append(says(reading(hostile, "negative"), marked_up, "<img src=x>", '</span>" onmouseover="x'))
    write(engine, readings)
    with engine.begin() as connection:
        models.activate(connection, MODEL, "test")
        letter = DeadLetter(
            stage="ingest", reason="no zone", payload=b'{"mail": "jane@corp.example"}', origin="f", position=3
        )
        writer.write_dead_letters(connection, [letter])
    around, now = app.surroundings(MODEL), datetime.now(UTC)
    for job in (jobs.refresh_trends, jobs.calibrate, jobs.raise_alerts):
        job(around, now)


class Desk(NamedTuple):
    """A dashboard that the tests of a file share, and what it shows."""

    url: str
    app: App
    engine: Engine

    def execute(self, statement: str, **values: Any) -> list[Any]:
        """What the statement gives, in a transaction of its own."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def alert(self, name: str, *, fired: bool = True) -> str:
        """The id of a new alert about Acmetron, as grave as the one that was raised; it has fired, or was just seen."""
        (row,) = self.execute("SELECT alert_id FROM alerts WHERE rule = 'surge' ORDER BY available_at LIMIT 1")
        with self.engine.begin() as connection:
            (model,) = alerts.stored(connection, [row[0]])
            new = msgspec.structs.replace(model, id=digest(name), fired_at=model.fired_at + timedelta(minutes=1))
            alerts.save(connection, new, "firing")
        if fired:
            for seconds in (60, 30):
                with self.engine.begin() as connection:
                    alerting.plan(connection, Rules(), datetime.now(UTC) - timedelta(seconds=seconds))
        return new.id


@contextmanager
def shared_desk(server_url: str, home: Path) -> Iterator[Desk]:
    """A filled store, served."""
    with new_database(server_url) as url:
        engine = create_engine(url)
        with App(Settings(database_url=url, home=home, port=0)) as app:
            fill(app, engine)
            with serving(app) as address:
                yield Desk(address, app, engine)
        engine.dispose()


@pytest.fixture(scope="module")
def desk(server_url: str, home: Path) -> Iterator[Desk]:
    """A dashboard for all tests of the file."""
    with shared_desk(server_url, home) as shared:
        yield shared


@pytest.fixture(scope="module")
def store(server_url: str) -> Iterator[Engine]:
    """A database at the newest schema, shared by the tests of a module."""
    with new_database(server_url) as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


def url_of(store: Engine) -> str:
    """Where it is, password and all."""
    return store.url.render_as_string(hide_password=False)


@pytest.fixture
def dashboard(settings: Settings, engine: Engine) -> Iterator[str]:
    """Its address."""
    with App(settings) as app:
        fill(app, engine)
        with serving(app) as url:
            yield url


@pytest.fixture
def bare_dashboard(settings: Settings) -> Iterator[str]:
    """The address of a dashboard with nothing stored."""
    with App(settings) as app, serving(app) as url:
        yield url

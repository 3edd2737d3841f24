"""History on a clock of its own: nothing later is read, two runs are one, and each row says that it is made again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sqlalchemy import text

from tests.conftest import new_database
from tests.replayed import START, WATCHED, CheapApp, admitted, cheap, item, replayed, stream
from tests.scripted import Script
from voxpop.models.reader import Asked
from voxpop.replay import Raised, replay
from voxpop.settings import Settings
from voxpop.signals.windows import HOUR
from voxpop.sources.spool import Spool
from voxpop.store import deadletters

Lines = list[bytes]


@pytest.fixture(scope="module")
def lines(server_url: str, home: Path) -> Lines:
    """What the whole stream raises."""
    return replayed(server_url, home, stream())


def raised(lines: Lines) -> list[Raised]:
    return [msgspec.json.decode(line, type=Raised) for line in lines]


def test_each_alert_has_its_figures_its_evidence_and_what_it_says(lines: Lines) -> None:
    found = {(alert.rule, alert.entity): alert for alert in raised(lines)}
    assert found.keys() >= {("surge", "acme"), ("spread", "bolt"), ("risk", "calm")}
    surge, spread, risk = (found[key] for key in (("surge", "acme"), ("spread", "bolt"), ("risk", "calm")))
    assert surge.score >= surge.cut > 0
    assert len(surge.evidence) >= 3
    assert all("bad" in cited.title for cited in surge.evidence)
    assert surge.headline.startswith("Acmetron")
    assert (spread.fired_at - START) / HOUR == pytest.approx(300 + 1 / 6, abs=1 / 60)
    assert (risk.severity, risk.evidence[0].source) == ("critical", "wire")
    assert risk.evidence[0].published_at == START + timedelta(hours=330.5)


def test_alerts_come_in_the_order_of_raising_and_none_fired_before_it_could_be_known(lines: Lines) -> None:
    found = raised(lines)
    assert [alert.raised_at for alert in found] == sorted(alert.raised_at for alert in found)
    assert all(timedelta(0) <= alert.raised_at - alert.fired_at <= HOUR for alert in found)
    assert all(cited.published_at < alert.raised_at for alert in found for cited in alert.evidence)


def test_two_runs_are_equal_to_the_byte_whatever_the_order_of_the_file(
    lines: Lines, server_url: str, home: Path
) -> None:
    assert replayed(server_url, home, stream()) == lines
    shuffled = stream()
    random.Random(5).shuffle(shuffled)
    assert replayed(server_url, home, shuffled) == lines


def future(hour: int, seed: int) -> list[dict[str, Any]]:
    """Much that is bad of everybody, some of it a correction of what was told before."""
    at, draw = START + timedelta(hours=hour), random.Random(seed)
    found = []
    for n in range(30):
        name = draw.choice(["Acmetron", "Boltworks Holdings", "Calmont Group"])
        hours = hour + draw.random() * 40
        found.append(
            item(9000 + n, hours, f"{name} has defaulted on bad loans {draw.random()}", reach=draw.randrange(9**6))
        )
    for one in draw.sample(stream(), 20):
        if one["published_at"] < at.isoformat():
            later = at + timedelta(hours=draw.random() * 30)
            found.append(one | {"text": one["text"].replace("plain", "bad"), "revised_at": later.isoformat()})
    return found


def known_before(hour: int) -> list[dict[str, Any]]:
    at = (START + timedelta(hours=hour)).isoformat()
    return [one for one in stream() if max(one["published_at"], one.get("revised_at", "")) < at]


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hour=st.integers(24 * 10, 24 * 16), seed=st.none() | st.integers(0, 1000))
def test_what_is_later_than_the_clock_changes_nothing(
    lines: Lines, server_url: str, home: Path, hour: int, seed: int | None
) -> None:
    """The stream ends at an hour, or goes on in another way: until then the alerts are those of the whole."""
    items = known_before(hour) + (future(hour, seed) if seed is not None else [])
    until = START + timedelta(hours=hour)

    def by_then(found: Lines) -> Lines:
        return [line for line, alert in zip(found, raised(found), strict=True) if alert.raised_at <= until]

    assert by_then(replayed(server_url, home, items)) == by_then(lines)


def test_a_span_begins_with_what_was_learned_before_it(lines: Lines, server_url: str, home: Path) -> None:
    start, end = START + timedelta(days=12), START + timedelta(hours=330)
    within = [line for line, alert in zip(lines, raised(lines), strict=True) if start < alert.raised_at <= end]
    assert within
    assert replayed(server_url, home, stream(), start=start, end=end) == within


def test_rows_are_marked_as_reconstructed_and_bear_the_time_of_the_clock(server_url: str, home: Path) -> None:
    tables = ("documents", "mentions", "readings", "opinions", "trend_points")
    with new_database(server_url) as url, Spool() as spool:
        for one in admitted(stream()[:40]):
            spool.add(one)
        settings = Settings(database_url=url, home=home, results_bytes=0)
        with CheapApp(settings) as app:
            app.watch(WATCHED)
            assert list(replay(app, spool, START, START + timedelta(days=3))) == []
            with app.engine.begin() as connection:
                for table in tables:
                    rows = connection.execute(text(f"SELECT reconstructed, available_at FROM {table}")).all()
                    assert {row.reconstructed for row in rows} == {True}
                    assert min(row.available_at for row in rows) > START
                    assert max(row.available_at for row in rows) < START + timedelta(days=4)
                seen = connection.execute(text("SELECT available_at - received_at AS wait FROM documents")).scalars()
                assert all(timedelta(0) < wait <= HOUR for wait in seen)


def test_names_count_only_while_they_were_in_use(server_url: str, home: Path) -> None:
    items = [item(n, 24 * n + 1, f"Lookbook has bad orders {n}") for n in range(10)]
    with new_database(server_url) as url, Spool() as spool:
        for one in admitted(items):
            spool.add(one)
        with CheapApp(Settings(database_url=url, home=home, results_bytes=0)) as app:
            app.watch(WATCHED)
            assert list(replay(app, spool, START, START + timedelta(days=20))) == []
            with app.engine.connect() as connection:
                last = connection.execute(text("SELECT max(published_at) FROM mentions")).scalar_one()
    assert last == START + timedelta(days=4, hours=1)


class Counting(Script):
    """Counts what is asked of it, beside questions and pairs."""

    asked = 0

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += len(texts)
        return super().topics(texts)

    def sentiment(self, targets: Asked) -> NDArray[np.float32]:
        self.asked += len(targets)
        return super().sentiment(targets)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += len(texts)
        return super().embed(texts)


def test_a_second_replay_computes_nothing_again(lines: Lines, server_url: str, tmp_path: Path) -> None:
    kept: dict[str, Any] = {"results_bytes": 10_000_000}
    first, second = cheap(Counting), cheap(Counting)
    assert isinstance(first, Counting)
    assert isinstance(second, Counting)
    assert replayed(server_url, tmp_path, stream(), script=first, **kept) == lines
    assert min(first.asked, len(first.questions), len(first.pairs)) > 0
    other = replayed(server_url, tmp_path, stream(), script=second, alert_budget_per_day=1.0, **kept)
    assert (second.asked, second.questions, second.pairs) == (0, [], [])
    assert {alert.rule for alert in raised(other)} >= {"risk"}


def test_what_cannot_be_read_is_a_dead_letter_and_the_rest_goes_on(server_url: str, home: Path) -> None:
    class Poisoned(Script):
        def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if any("orders" in text for text in texts):
                raise ValueError("poison")
            return super().topics(texts)

    items = [item(1, 1, "<p></p>"), item(2, 1, "Acmetron has orders"), item(3, 2, "Acmetron has plants")]
    with new_database(server_url) as url, Spool() as spool:
        for one in admitted(items):
            spool.add(one)
        with CheapApp(Settings(database_url=url, home=home, results_bytes=0), cheap(Poisoned)) as app:
            app.watch(WATCHED)
            assert list(replay(app, spool, START, START + timedelta(days=1))) == []
            with app.engine.connect() as connection:
                _, dead = deadletters.listed(connection, None, 10)
                texts = connection.execute(text("SELECT text FROM documents")).scalars().all()
    assert sorted(letter.stage for letter in dead) == ["analyse", "prepare"]
    assert texts == ["Acmetron has plants"]

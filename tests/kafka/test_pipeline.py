"""The same items through Kafka and through PostgreSQL as the log leave the same rows.

The analyst is the real one but for the model: a reader that knows no language, so that documents, mentions and stories
are stored and nothing is read in them.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.store.samples import rows
from voxpop import runner, sample
from voxpop.app import App
from voxpop.intake import take
from voxpop.log.base import open_log
from voxpop.log.kafka import KafkaLog
from voxpop.log.sql import SqlLog
from voxpop.records import TOPICS, Item
from voxpop.settings import Settings
from voxpop.sources import files
from voxpop.store import deadletters
from voxpop.text import watchlist

ITEMS = 400


class Illiterate:
    """A reader without a language: what a profile is to documents that it cannot read."""

    version = "none@0"
    tasks: tuple[str, ...] = ()
    languages: frozenset[str] = frozenset()
    topic_labels: tuple[str, ...] = ()

    def topics(self, texts: Any) -> list[Any]:
        assert not texts
        return []

    def sentiment(self, targets: Any) -> list[Any]:
        assert not targets
        return []


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "stream.jsonl"
    path.write_text("".join(islice(sample.stream(), ITEMS)), "utf-8")
    return path


def run(settings: Settings, stream: Path, log: type[KafkaLog] | type[SqlLog]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that comes of the stream. What the log itself keeps, and where in it a record lay, is not compared."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    with App(settings) as app:
        app._readers[settings.profile] = Illiterate()  # type: ignore[assignment]
        app.watch(watchlist.load(Path(str(sample.watchlist_path()))))
        assert isinstance(app.log, log)
        take(files.read(stream, defaults={"source": "s"}, received_at=now, now=now), app.log, app.engine)
        runner.run(app, threading.Event(), until_idle=True)
        with app.engine.connect() as connection:
            found = rows(connection, without={"topic_id", "sequence"})
    return {t: r for t, r in found.items() if t not in {"log_records", "log_heads", "log_topics", "positions"}}


def test_the_log_leaves_no_trace_in_the_results(
    settings: Settings, other_database_url: str, kafka_url: str, stream: Path
) -> None:
    by_sql = run(settings, stream, SqlLog)
    over_kafka = Settings(database_url=other_database_url, log_url=kafka_url, home=settings.home, port=0, partitions=3)
    by_kafka = run(over_kafka, stream, KafkaLog)
    assert len(by_sql["documents"]) > ITEMS * 0.8
    assert by_sql["mentions"]
    assert by_sql["dead_letters"]
    for table, expected in by_sql.items():
        assert by_kafka[table] == expected, table


def test_an_item_that_the_log_refuses_is_a_dead_letter_and_its_neighbours_go_in(engine: Engine, kafka_url: str) -> None:
    log = open_log(kafka_url)
    try:
        for topic in TOPICS.values():
            log.create(topic, 1)
        now = datetime(2030, 1, 1, tzinfo=UTC)
        items = [
            Item(source="s", id=str(n), channel="news", published_at=now, received_at=now, text="x" * size)
            for n, size in enumerate((10, 9 << 20, 10))
        ]
        assert take(items, log, engine) == (2, 1)
        assert log.ends(TOPICS["news"]) == {0: 2}
    finally:
        log.close()
    with engine.connect() as connection:
        total, (letter,) = deadletters.listed(connection, None, 10)
    assert total == 1
    assert letter.stage == "ingest"
    assert "larger than the log takes" in letter.reason

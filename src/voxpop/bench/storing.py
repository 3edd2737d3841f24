"""The way of a document from the log into the store, and the sink alone, over an embedded PostgreSQL of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Float, MetaData, Table, Text, text
from sqlalchemy.orm import Session, registry

from voxpop import stages
from voxpop.app import App
from voxpop.bench.reading import variant
from voxpop.bench.texts import NEWS_SPREAD, NEWS_TOKENS, Writer, lengths
from voxpop.bench.timing import Row, Tell, at_least, at_most, interleaved
from voxpop.log.base import Partition, Record
from voxpop.reading import targets_of
from voxpop.records import TOPICS, Document, Item, encode
from voxpop.settings import Settings
from voxpop.store import bulk
from voxpop.store.embedded import server as servers
from voxpop.text import watchlist
from voxpop.text.entities import Linker

ROWS = 2_000
NOW = datetime(2026, 3, 2, tzinfo=UTC)
PREPARED = 400
TURNED = 4
"""Documents made of each text on the way from the log into the store, for as long a stream as starts and stops of a
member (a third of a second) are little beside."""


@contextmanager
def opened(folder: Path) -> Iterator[App]:
    """An App on a database of its own, with topic and sentiment alone; it is stopped at the end."""
    settings = Settings(home=folder, profile=variant(folder.parent, only=("topic", "sentiment")), partitions=1)
    try:
        with App(settings) as app:
            yield app
    finally:
        servers.stop(folder)


def items(texts: Sequence[str], name: str) -> list[Item]:
    """An item for each text, which names one watched company."""
    return [
        Item(source="bench", id=f"{name}-{n}", channel="news", published_at=NOW, received_at=NOW, text=f"Tesla {text}")
        for n, text in enumerate(texts)
    ]


def preparing(runs: int, tell: Tell) -> Row:
    """Documents a second that one core cleans, masks, links and signs."""
    of_lengths = lengths(PREPARED, NEWS_TOKENS, NEWS_SPREAD, seed=7)
    where, linker = Partition("items.news", "bench", 0), Linker(watchlist.shipped())
    records = [
        Record(where, n, b"", encode(item)) for n, item in enumerate(items(Writer().texts(of_lengths, seed=7), "p"))
    ]
    stages.prepare(records[:50], linker)  # what is loaded on first use is loaded now
    timed = interleaved({"prepare": lambda: stages.prepare(records, linker)}, runs, tell)
    return at_least("preparing, one core", len(records) / timed.median("prepare"), 2000, unit="documents/s")


def log_to_sql(app: App, texts: Sequence[str], runs: int, tell: Tell) -> Row:
    """Documents from the log into the store, everything included, against the model alone on the same texts.

    Each text counts ``TURNED`` times, with its words in another order.
    """
    texts = [_turned(one, times) for times in range(TURNED) for one in texts]
    app.ensure_watchlist()
    reader, linker, turns = app.reader(), app.linker(), count()

    def documents() -> list[Document]:
        name = f"turn{next(turns)}"
        return [stages.document_of(item, n, linker) for n, item in enumerate(items(texts, name))]

    def before(name: str) -> None:
        reader.forget()
        if name == "log to SQL":
            app.log.publish(TOPICS["document"], [stages.document_message(one) for one in documents()])

    alone = documents()
    targets = [target for d in alone for target in targets_of(d.text, d.mentions).values()]
    contenders = {
        "log to SQL": lambda: _drain(app, len(texts)),
        "model": lambda: (reader.topics([d.text for d in alone]), reader.sentiment(targets)),
    }
    interleaved(contenders, 1, lambda _: None, before)  # what is set up on first use is no one's fault
    timed = interleaved(contenders, runs, tell, before)
    return at_least(
        "topic + sentiment: log to SQL / the model alone",
        timed.ratio("model", "log to SQL"),
        0.90,
        note=f"{len(texts)} documents, {len(texts) / timed.median('log to SQL'):.1f} a second",
    )


def _turned(text: str, times: int) -> str:
    words = text.split(" ")
    return " ".join(words[times:] + words[:times])


def _drain(app: App, documents: int) -> None:
    """A worker of the analyst's reads and stores so many documents that wait in the log."""
    worker, stop = app.worker(app.analyse_step()), threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,), daemon=True)
    thread.start()
    while worker.records < documents and thread.is_alive():
        time.sleep(0.002)
    stop.set()
    thread.join()
    if worker.fault is not None:
        raise worker.fault


# --- the sink --------------------------------------------------------------------------------------------------------

_METADATA = MetaData()


def _table(name: str) -> Table:
    """A table with the columns of an opinion."""
    return Table(
        name,
        _METADATA,
        *(Column(key, Text, primary_key=True) for key in ("document_id", "entity_id", "model")),
        Column("label", Text),
        *(Column(label, Float) for label in ("negative", "neutral", "positive")),
    )


UPSERTED, MAPPED, COPIED = _table("bench_upserted"), _table("bench_mapped"), _table("bench_copied")


class Mapped:
    """A row as SQLAlchemy's ORM maps it."""

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)


registry().map_imperatively(Mapped, MAPPED)


def sink(engine: Engine, runs: int, tell: Tell) -> list[Row]:
    """COPY and upsert, as the store writes, against an ORM's row by row, and against COPY into the table itself."""
    _METADATA.create_all(engine)
    rows = [(f"document-{n:06d}", "tesla", "model-1", "neutral", 0.125, 0.75, 0.125) for n in range(ROWS)]
    names = [column.name for column in UPSERTED.columns]

    def upsert() -> None:
        with engine.begin() as connection:
            bulk.upsert(connection, UPSERTED, names, rows, fresh=True)  # as the store writes opinions

    def mapped() -> None:
        with Session(engine) as session:
            for row in rows:
                session.add(Mapped(**dict(zip(names, row, strict=True))))
                session.flush()
            session.commit()

    def copied() -> None:
        with (
            engine.begin() as connection,
            bulk.raw(connection).cursor().copy(f"COPY bench_copied ({', '.join(names)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def emptied(_: str) -> None:
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE bench_upserted, bench_mapped, bench_copied"))

    contenders = {"upsert": upsert, "ORM": mapped, "COPY": copied}
    interleaved(contenders, 1, lambda _: None, emptied)
    timed = interleaved(contenders, runs, lambda said: tell(f"sink: {said}"), emptied)
    rate = f"{ROWS:,} rows; ours {ROWS / timed.median('upsert'):,.0f} rows/s"
    return [
        at_least("sink: ORM row by row / COPY and upsert", timed.ratio("ORM", "upsert"), 20, note=rate),
        at_most("sink: COPY and upsert / plain COPY", timed.ratio("upsert", "COPY"), 1.3, note=rate),
    ]

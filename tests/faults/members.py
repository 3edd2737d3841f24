"""What the processes of the fault tests run: the real stream loop over the real log and store, but for the model.

A member is cheap, so that hundreds can be killed: its reader draws its answers from a hash of what is asked. Beside
its results each member keeps, in the same transaction, the place of every record that it handled in the table
``seen``, which has no key: a record that is handled twice stands there twice, and a lost one does not.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

import voxpop.log.kafka  # noqa: F401 - imported once, before the members are forked
from voxpop import cli, consumer, testing
from voxpop.app import App
from voxpop.log.base import Message, Record, open_log
from voxpop.settings import Settings
from voxpop.worker import Result, Step, Worker

SEEN = 'CREATE TABLE seen (consumer_group text, topic_id text, partition int, "offset" bigint)'
POISON = b"poison"


class Drawn:
    """A reader whose probabilities are drawn from a hash of what it is asked: always the same, and read by nobody."""

    version = "drawn@1"
    tasks = ("topic", "sentiment")
    languages = frozenset({"en"})
    topic_labels = ("Legal / Regulation", "Stock Movement", "Earnings")

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return _drawn(texts)

    def sentiment(self, targets: Sequence[tuple[str, Any]]) -> NDArray[np.float32]:
        return _drawn([f"{words}{spans}" for words, spans in targets])


def _drawn(asked: Sequence[str]) -> NDArray[np.float32]:
    """Probabilities of shape (asked, 3)."""
    raw = [list(blake2b(one.encode(), digest_size=3).digest()) for one in asked]
    weights = np.array(raw, dtype=np.float32).reshape(-1, 3) + 1
    shares: NDArray[np.float32] = weights**4 / (weights**4).sum(axis=1, keepdims=True)
    return shares


class Cheap(App):
    """The live objects of a consumer, without a model and with a book of what it handled."""

    def reader(self) -> Any:
        return Drawn()

    def judge(self) -> None:
        return None

    def worker(self, step: Step) -> Worker:
        return super().worker(booked(step))


def booked(step: Step) -> Step:
    """The step, which also notes in ``seen`` what it handled."""

    def run(records: Sequence[Record]) -> Result:
        result = step.run(records)

        def write(connection: Connection) -> None:
            result.write(connection)
            book(connection, step.group, records)

        return result._replace(write=write)

    return replace(step, run=run)


def book(connection: Connection, group: str, records: Sequence[Record]) -> None:
    rows = [{"g": group, "t": r.partition.topic_id, "p": r.partition.number, "o": r.offset} for r in records]
    connection.execute(text("INSERT INTO seen VALUES (:g, :t, :p, :o)"), rows)


def command(*words: str) -> None:
    """``voxpop`` with these words, model and all."""
    sys.argv = ["voxpop", *words]
    cli.main()


def consume(role: Literal["news", "social", "analyst"]) -> None:
    """A file of ``consumers/``, but for the model."""
    consumer.main(role, kind=Cheap)


def keep(topic: str, records: int, seconds: float) -> None:
    """Books each record of ``topic`` and passes it on to ``topic``-out, so many at a time, so slowly."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def run(batch: Sequence[Record]) -> Result:
        if any(record.value == POISON for record in batch):
            raise ValueError("poison\0 \ud800")
        time.sleep(seconds)
        messages = [Message(r.key, r.value) for r in batch]
        return Result(messages, lambda connection: book(connection, topic, batch), [])

    settings = Settings.load()
    with App(settings) as app:
        log = open_log(settings.log_url or settings.database_url)
        step = Step(group=topic, topics=(topic,), run=run, output=f"{topic}-out")
        Worker(step, log, app.engine, max_records=records).run(stop)
        log.close()


def enter(
    main: Callable[..., None], arguments: Sequence[Any], environ: Mapping[str, str], fault: str, output: Path
) -> None:
    """Runs ``main`` with these settings and this fault; what it says goes to ``output``."""
    os.environ.update(environ)
    testing.arm(fault)
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(handle, standard)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1, closefd=False) for n in (1, 2))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("kafka").setLevel(logging.ERROR)
    main(*arguments)

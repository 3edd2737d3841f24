"""One worker over a topic, in the process that it is called in, and what it stores in the table ``seen``."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, create_engine, text

from voxpop.log.base import Message, Record, open_log
from voxpop.worker import Result, Step, Worker, drain

DEADLY = b"v7"


def work(database_url: str, step: Step, records: int, max_records: int) -> None:
    """Works until so many ``records`` are read, or until the process is dead."""
    engine, log = create_engine(database_url), open_log(database_url)
    worker = Worker(step, log, engine, max_records=max_records)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    drain([worker], lambda: left(engine, records) == 0)
    stop.set()
    thread.join()
    log.close()


def pass_on(database_url: str, records: int) -> None:
    """Works until so many are read; stores each value and publishes it."""

    def run(batch: Sequence[Record]) -> Result:
        return Result([Message(r.key, r.value) for r in batch], stored(batch), [])

    work(database_url, Step(group="g", topics=("in",), run=run, output="out"), records, max_records=10)


def keep_or_die(database_url: str, records: int, max_records: int) -> None:
    """Works until so many are read, or until it is dead: stores each value, and dies of one."""

    def run(batch: Sequence[Record]) -> Result:
        if any(record.value == DEADLY for record in batch):
            os._exit(9)
        return Result([], stored(batch), [])

    work(database_url, Step(group="g", topics=("in",), run=run), records, max_records)


def left(engine: Engine, records: int) -> int:
    """How many of so many ``records`` are not read yet."""
    with engine.connect() as connection:
        read = connection.execute(text("SELECT coalesce(sum(next_offset), 0) FROM positions")).scalar_one()
    return records - int(read)


def stored(records: Sequence[Record]) -> Callable[[Connection], None]:
    """Stores the value of each record."""

    def write(connection: Connection) -> None:
        for record in records:
            connection.execute(text("INSERT INTO seen VALUES (:v)"), {"v": record.value.decode()})

    return write

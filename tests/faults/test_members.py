"""Members that are killed, join and leave at random: nothing is lost, nothing stands twice, the tables are the same."""

from __future__ import annotations

import random
import runpy
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.faults import members
from tests.faults.processes import LONG, Ground, Member, ending, wait_for
from tests.kafka import broker
from tests.store.samples import rows
from voxpop import runner, sample
from voxpop.app import App
from voxpop.intake import take
from voxpop.log.base import Message, open_log
from voxpop.records import TOPICS, DeadLetter, Item
from voxpop.settings import Settings
from voxpop.sources import files
from voxpop.text import watchlist

ROOT = Path(__file__).parents[2]
NOW = sample.FIRST_DAY.replace(year=2030)
ROLES = ("news", "social", "analyst")
UNKNOWN = b'{"record":"item/2","id":"from a later version"}'

Input = Sequence[Item | DeadLetter]


def test_members_that_come_and_go_under_load_share_the_work(ground: Ground) -> None:
    order = random.Random(5)
    for _ in range(40 if LONG else 5):
        ground.publish(60)
        ground.member(seconds=0.01)
        time.sleep(order.uniform(0.1, 1.0))
        if len(ground.members) > 2:
            leaver = ground.members.pop(order.randrange(len(ground.members)))
            code = leaver.end(signal.SIGTERM)
            begun = bool(leaver.said)  # one that has not even opened the store yet, the signal ends at once
            assert code == 0 or (code == -signal.SIGTERM and not begun), leaver.said[-3000:]
    ground.settled()


@pytest.mark.timeout(3600 if LONG else 180)
def test_members_that_are_killed_at_random_store_every_record_once(over_kafka: Ground) -> None:
    ground, order = over_kafka, random.Random(17)
    running = [ground.member(seconds=0.005) for _ in range(3)]
    killed = 0
    for _ in range(200 if LONG else 6):
        ground.publish(80)
        time.sleep(order.uniform(0.0, 1.0))
        # Whoever dies three times of one record has met a deadly one, by chance or not: see test_deadly_record.
        wait_for(lambda: ground.most_tries() < 2, 60, ground.told)
        killed += running.pop(order.randrange(len(running))).end() == -signal.SIGKILL
        running.append(ground.member(seconds=0.005))
    assert killed == (200 if LONG else 6)
    ground.settled(120)
    assert ground.dead() == []


@pytest.fixture
def stream(tmp_path: Path) -> Input:
    """The sample as its file has it, broken lines included."""
    path = tmp_path / "stream.jsonl"
    path.write_text("".join(islice(sample.stream(), 1200 if LONG else 160)), "utf-8")
    return list(files.read(path, defaults={"source": "s"}, received_at=NOW, now=NOW))


def prepared(settings: Settings, kind: type[App]) -> None:
    """Makes the schema, the topics, the watchlist and the books."""
    with kind(settings) as app:
        app.watch(watchlist.load(Path(str(sample.watchlist_path()))))
        app.log.publish(TOPICS["news"], [Message(b"later", UNKNOWN)])
        with app.engine.begin() as connection:
            connection.execute(text(members.SEEN))


def fed(settings: Settings, part: Input) -> None:
    with App(settings) as app:
        take(part, app.log, app.engine)


def finished(settings: Settings, kind: type[App]) -> dict[str, list[tuple[Any, ...]]]:
    """What there is once all is read and the jobs have run, but for the log's own rows and where in it a topic lay."""
    with kind(settings) as app:
        runner.run(app, threading.Event(), until_idle=True)
        with app.engine.connect() as connection:
            found = rows(connection, without={"topic_id"})
    return {name: of_one for name, of_one in found.items() if name not in {"log_records", "log_heads", "positions"}}


def booked_once(settings: Settings) -> None:
    """Every record of every topic was handled once, in its offsets' order without a gap."""
    engine = create_engine(settings.database_url)
    with engine.connect() as connection:
        query = 'SELECT consumer_group, partition, count(*), count(DISTINCT "offset"), max("offset") + 1 FROM seen'
        found = [tuple(row) for row in connection.execute(text(f"{query} GROUP BY 1, 2"))]
    engine.dispose()
    log = open_log(settings.log_url)
    ends = {
        (group, number): end
        for group, topic in (("prepare-news", "news"), ("prepare-social", "social"), ("analyst", "document"))
        for number, end in log.ends(TOPICS[topic]).items()
        if end
    }
    log.close()
    assert {(group, number): counts for group, number, *counts in found} == {key: [n] * 3 for key, n in ends.items()}


def real(role: str) -> None:
    """The file in ``consumers/``, with the real model."""
    runpy.run_path(str(ROOT / "consumers" / f"{role}.py"), run_name="__main__")


def storm(settings: Settings, stream: Input, main: Callable[..., None], kills: int, seconds: float) -> None:
    """Feeds the stream while members of each role are killed at random and replaced."""
    environ = {
        "VOXPOP_DATABASE_URL": settings.database_url,
        "VOXPOP_LOG_URL": settings.log_url,
        "VOXPOP_POLL_RECORDS": str(settings.poll_records),
        "VOXPOP_PARTITIONS": str(settings.partitions),
    }
    order = random.Random(29)
    running = {(role, n): Member(main, role, environ=environ) for role in ROLES for n in range(2)}
    with ending(running):
        for number in range(kills):
            fed(settings, stream[number * len(stream) // kills : (number + 1) * len(stream) // kills])
            time.sleep(order.uniform(0.0, seconds))
            victim = order.choice(sorted(running))
            assert running[victim].end() == -signal.SIGKILL, running[victim].said[-3000:]
            running[victim] = Member(main, victim[0], environ=environ)


@pytest.mark.timeout(3600 if LONG else 180)
@pytest.mark.parametrize(
    ("kind", "main", "kills", "seconds"),
    [
        pytest.param(members.Cheap, members.consume, 200 if LONG else 4, 1.0, id="without a model"),
        pytest.param(
            App, real, 12, 15.0, id="with the model", marks=pytest.mark.skipif(not LONG, reason="by make faults")
        ),
    ],
)
def test_consumers_that_are_killed_at_random_leave_the_tables_of_an_undisturbed_run(
    settings: Settings,
    other_database_url: str,
    kafka_url: str,
    stream: Input,
    kind: type[App],
    main: Callable[..., None],
    kills: int,
    seconds: float,
) -> None:
    calm = replace(settings, log_url=kafka_url, poll_records=8, partitions=3)
    prepared(calm, kind)
    fed(calm, stream)
    expected = finished(calm, kind)
    assert len(expected["documents"]) > 0.8 * len(stream)
    assert expected["opinions"]
    assert expected["trend_points"]
    assert any(UNKNOWN in row for row in expected["dead_letters"])

    broker.shared().forget(TOPICS.values())
    stormy = replace(calm, database_url=other_database_url, log_url=kafka_url.replace("session=6", "session=2"))
    prepared(stormy, kind)
    storm(stormy, stream, main, kills, seconds)
    found = finished(stormy, kind)
    if kind is members.Cheap:
        booked_once(stormy)
    for table, of_calm in expected.items():
        assert found[table] == of_calm, table

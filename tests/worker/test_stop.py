"""A worker that is told to end writes what it computed, leaves the rest, and does not take for ever."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import psycopg
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from tests.worker.scene import SECONDS, Gate, Scene, keep, pass_on, wait_for
from voxpop.errors import SourceUnavailable
from voxpop.log.base import Record
from voxpop.worker import MOST_TRIES, Result, Worker


def test_what_is_computed_is_written_and_what_waits_is_left(scene: Scene) -> None:
    gate = Gate()
    asked: list[int] = []

    def run(records: Sequence[Record]) -> Result:
        asked.append(records[0].offset)
        result = keep(records)

        def write(connection: Connection) -> None:
            gate()
            result.write(connection)

        return result._replace(write=write)

    values = scene.publish(40)
    with scene.running(scene.worker(run, max_records=10)) as stop:
        wait_for(lambda: len(asked) == 4)  # one is being written, two wait for it, and one finds no room
        scene.publish(20, start=40)
        wait_for(lambda: scene.metric("voxpop_queue_records") >= 50)
        stop.set()
        gate.open()
    assert asked == [0, 10, 20, 30]
    assert scene.seen() == values
    assert scene.stored() == 40
    with scene.running(scene.worker()):
        wait_for(lambda: scene.stored() == 60)
    assert len(scene.seen()) == len(set(scene.seen())) == 60


def test_what_is_not_done_by_the_deadline_is_abandoned_and_never_stored(scene: Scene) -> None:
    gate, ended = Gate(), threading.Event()

    def run(records: Sequence[Record]) -> Result:
        gate()
        ended.set()
        return keep(records)

    values = scene.publish(10)
    worker = scene.worker(run, drain=0.3)
    with scene.running(worker) as stop:
        assert gate.reached.wait(SECONDS)
        stop.set()
    assert worker.abandoned
    assert scene.stored() == 0
    assert scene.tries() == 1, "it may be what it hangs on"
    gate.open()
    assert ended.wait(SECONDS)
    with scene.running(scene.worker()):
        wait_for(lambda: scene.stored() == 10)
    assert scene.seen() == values


def test_a_stop_in_an_outage_ends_at_the_deadline_and_the_next_one_does_the_work(scene: Scene) -> None:
    gate = Gate()

    def run(records: Sequence[Record]) -> Result:
        gate()
        return keep(records)

    values = scene.publish(10)
    worker = scene.worker(run, drain=1.0)
    with scene.running(worker) as stop:
        assert gate.reached.wait(SECONDS)
        with scene.outage():
            stop.set()
            gate.open()
            wait_for(lambda: scene.metric("voxpop_partitions") == 0)
    assert scene.stored() == 0
    with scene.running(scene.worker()):
        wait_for(lambda: scene.stored() == 10)
    assert scene.seen() == values


def stop_once_it_waits(scene: Scene, worker: Worker) -> None:
    before = scene.metric("voxpop_unavailable_total")
    with scene.running(worker):
        wait_for(lambda: scene.metric("voxpop_unavailable_total") > before)


def test_restarts_while_a_service_is_away_bury_nothing(scene: Scene) -> None:
    """What the step needs is away."""

    def run(records: Sequence[Record]) -> Result:
        raise SourceUnavailable("away")

    values = scene.publish(10, partitions=2)
    for _ in range(MOST_TRIES + 1):
        stop_once_it_waits(scene, scene.worker(run))
        assert scene.tries() == 0
    with scene.running(scene.worker()):
        wait_for(lambda: scene.stored() == 10)
    assert sorted(scene.seen()) == values
    assert scene.dead() == 0


def test_restarts_while_the_log_is_read_and_takes_no_message_bury_nothing(scene: Scene) -> None:
    """As Kafka where too few replicas are in sync: consumers go on, producers wait."""
    output = f"{scene.topic}-out"
    scene.log().create(output, 1)
    values = scene.publish(10, partitions=2)
    url = make_url(scene.log_url)
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as other:
        other.execute(f"ALTER DATABASE \"{url.database}\" SET lock_timeout = '0.2s'")
        other.commit()
        other.execute("LOCK TABLE log_heads IN EXCLUSIVE MODE")
        for _ in range(MOST_TRIES + 1):
            stop_once_it_waits(scene, scene.worker(pass_on, output=output, drain=0.5))
            assert scene.tries() == 0
    with scene.running(scene.worker(pass_on, output=output)):
        wait_for(lambda: scene.stored() == 10)
    assert sorted(scene.seen()) == values
    assert scene.dead() == 0

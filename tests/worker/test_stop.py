"""A worker that is told to end writes what it computed, leaves the rest, and does not take for ever."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sqlalchemy import Connection

from tests.worker.scene import SECONDS, Gate, Scene, keep, wait_for
from voxpop.log.base import Record
from voxpop.worker import Result


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

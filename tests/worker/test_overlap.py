"""Polling, computing and writing go on at once, within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial

import pytest
from sqlalchemy import Connection

from tests.worker.scene import SECONDS, Gate, Scene, keep, wait_for
from voxpop.log.base import Record
from voxpop.worker import Result


def test_a_batch_is_computed_while_the_one_before_it_is_written(scene: Scene) -> None:
    """The first write ends only once the second batch is computed: a serial loop would never get there."""
    second_is_computed = threading.Event()

    def run(records: Sequence[Record]) -> Result:
        result = keep(records)
        if records[0].offset:
            second_is_computed.set()
            return result

        def write(connection: Connection) -> None:
            result.write(connection)
            assert second_is_computed.wait(SECONDS), "nothing is computed while this is written"

        return result._replace(write=write)

    values = scene.publish(2)
    with scene.running(scene.worker(run, max_records=1)):
        wait_for(lambda: len(scene.seen()) == 2)
    assert scene.seen() == values


def test_records_arrive_while_a_batch_is_computed_and_then_run_as_one(scene: Scene) -> None:
    gate, sizes = Gate(), list[int]()

    def queued(records: int) -> bool:
        return scene.metric("voxpop_queue_records") == records

    def run(records: Sequence[Record]) -> Result:
        sizes.append(len(records))
        if len(sizes) == 1:
            gate()
        return keep(records)

    scene.publish(1)
    with scene.running(scene.worker(run)):
        assert gate.reached.wait(SECONDS)
        for start in (1, 2, 3):
            scene.publish(1, start=start)
            wait_for(partial(queued, start + 1))
        gate.open()
        wait_for(lambda: len(scene.seen()) == 4)
    assert sizes == [1, 3]


def test_stores_keep_the_order_of_each_partition(any_scene: Scene) -> None:
    written: list[Record] = []

    def run(records: Sequence[Record]) -> Result:
        result = keep(records)

        def write(connection: Connection) -> None:
            result.write(connection)
            written.extend(records)

        return result._replace(write=write)

    values = any_scene.publish(600, partitions=3)
    with any_scene.running(any_scene.worker(run, max_records=17)):
        wait_for(lambda: any_scene.stored() == 600)
    assert sorted(any_scene.seen()) == values
    for partition in {record.partition for record in written}:
        offsets = [record.offset for record in written if record.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_full_queues_pause_the_partitions_and_keep_them(any_scene: Scene) -> None:
    """What is on its way never exceeds the bound by more than what one poll was expected to bring."""
    gate, most, size = Gate(), 100_000, 10_000

    def run(records: Sequence[Record]) -> Result:
        gate()
        return keep(records)

    values = any_scene.publish(200, partitions=2, size=size)
    with any_scene.running(any_scene.worker(run, max_records=8, queue_bytes=most)):
        wait_for(lambda: any_scene.metric("voxpop_partitions_paused") == 2)
        rebalances = any_scene.metric("voxpop_rebalances_total")
        held = any_scene.metric("voxpop_queue_bytes")
        assert most <= held <= most + 8 * size
        time.sleep(1.5)  # many polls
        assert any_scene.metric("voxpop_queue_bytes") == held
        assert any_scene.metric("voxpop_rebalances_total") == rebalances
        gate.open()
        wait_for(lambda: any_scene.stored() == 200)
        wait_for(lambda: any_scene.metric("voxpop_queue_bytes") == 0)
        wait_for(lambda: any_scene.metric("voxpop_partitions_paused") == 0)
    assert sorted(any_scene.seen()) == values


def test_large_records_are_polled_in_small_numbers(scene: Scene) -> None:
    gate = Gate()
    sizes: list[int] = []

    def run(records: Sequence[Record]) -> Result:
        sizes.append(len(records))
        if len(sizes) > 1:
            gate()
        return keep(records)

    scene.publish(4, size=200_000)
    with scene.running(scene.worker(run, max_records=4, queue_bytes=1_000_000)):
        wait_for(lambda: scene.stored() == 4)
        scene.publish(100, start=4, size=200_000)
        wait_for(lambda: scene.metric("voxpop_partitions_paused") == 1)
        assert scene.metric("voxpop_queue_bytes") <= 1_200_000
        gate.open()
        wait_for(lambda: scene.stored() == 104)


def test_a_fault_of_the_loop_ends_the_worker_and_is_told(scene: Scene) -> None:
    def run(records: Sequence[Record]) -> Result:
        raise SystemExit("beyond repair")

    scene.publish(1)
    worker = scene.worker(run)
    with pytest.raises(SystemExit, match="beyond repair"):
        worker.run(threading.Event())
    assert isinstance(worker.fault, SystemExit)
    assert scene.stored() == 0

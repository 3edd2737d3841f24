"""Outages, lost claims and rebalances while work is on its way."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

from sqlalchemy import Connection, Engine, text

from tests.kafka import broker
from tests.worker.scene import SECONDS, Gate, Scene, keep, pass_on, wait_for
from voxpop.log.base import Record
from voxpop.worker import MOST_TRIES, Result


def test_a_database_outage_makes_no_rebalance_and_loses_nothing(any_scene: Scene) -> None:
    values = any_scene.publish(300, partitions=2)
    with any_scene.running(any_scene.worker(max_records=10)):
        wait_for(lambda: any_scene.stored() >= 50)
        rebalances = any_scene.metric("voxpop_rebalances_total")
        with any_scene.outage():
            wait_for(lambda: any_scene.metric("voxpop_unavailable_total") > 0)
            wait_for(lambda: any_scene.metric("voxpop_partitions_paused") == 2)
            held = any_scene.metric("voxpop_queue_records")
            values += any_scene.publish(100, start=300)
            time.sleep(1.5)  # many polls
            assert any_scene.metric("voxpop_queue_records") == held, "nothing piles up"
            assert any_scene.metric("voxpop_partitions") == 2
        wait_for(lambda: any_scene.stored() == 400)
        assert any_scene.metric("voxpop_rebalances_total") == rebalances
    assert sorted(any_scene.seen()) == values
    assert any_scene.dead() == 0


def test_an_outage_of_the_database_publishes_nothing_twice(any_scene: Scene) -> None:
    """The log answers all the while: what is published waits for its store."""
    gate, output = Gate(), f"{any_scene.topic}-out"

    def run(records: Sequence[Record]) -> Result:
        gate()
        return pass_on(records)

    log = any_scene.log()
    log.create(output, 1)
    values = any_scene.publish(3)
    with any_scene.running(any_scene.worker(run, output=output)):
        assert gate.reached.wait(SECONDS)
        with any_scene.outage():
            gate.open()
            wait_for(lambda: any_scene.metric("voxpop_unavailable_total") > 0)
            time.sleep(2.0)  # many attempts to store
        wait_for(lambda: any_scene.stored() == 3)
    assert log.ends(output) == {0: 3}
    assert any_scene.seen() == values


def test_an_outage_at_the_start_is_waited_for(scene: Scene) -> None:
    values = scene.publish(30)
    with ExitStack() as stack:
        with scene.outage():
            stack.enter_context(scene.running(scene.worker()))
            wait_for(lambda: scene.metric("voxpop_partitions") == 1)
            time.sleep(1.0)  # several attempts to claim
        wait_for(lambda: scene.stored() == 30)
        assert scene.metric("voxpop_rebalances_total") == 1, "the first, and no other"
    assert scene.seen() == values


def test_a_step_that_needs_the_database_is_tried_again_and_nothing_is_dead(scene: Scene) -> None:
    gate = Gate()

    def run(records: Sequence[Record]) -> Result:
        gate()
        with scene.engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM seen"))
        return keep(records)

    values = scene.publish(40)
    with scene.running(scene.worker(run)):
        assert gate.reached.wait(SECONDS)
        with scene.outage():
            gate.open()
            wait_for(lambda: scene.metric("voxpop_unavailable_total") > 0)
        wait_for(lambda: scene.stored() == 40)
    assert scene.seen() == values
    assert scene.dead() == 0


def test_a_lost_claim_drops_what_is_on_its_way_and_all_is_stored_once(any_scene: Scene) -> None:
    """One batch is being written and more are computed behind it when another member claims the partitions."""
    gate, computed = Gate(), threading.Semaphore(0)

    def run(records: Sequence[Record]) -> Result:
        result = keep(records)
        computed.release()

        def write(connection: Connection) -> None:
            gate()
            result.write(connection)

        return result._replace(write=write)

    values = any_scene.publish(60, partitions=2)
    with any_scene.running(any_scene.worker(run, max_records=10)):
        assert gate.reached.wait(SECONDS)
        for _ in range(3):
            assert computed.acquire(timeout=SECONDS)
        any_scene.steal()
        gate.open()
        wait_for(lambda: any_scene.stored() == 60)
    assert sorted(any_scene.seen()) == values
    assert any_scene.dead() == 0


def test_what_members_lost_and_outlived_is_not_held_to_have_killed_them(any_scene: Scene) -> None:
    values = any_scene.publish(1)
    for _ in range(MOST_TRIES + 1):
        gate = Gate()

        def run(records: Sequence[Record], gate: Gate = gate) -> Result:
            gate()
            return keep(records)

        with any_scene.running(any_scene.worker(run)) as stop:
            assert gate.reached.wait(SECONDS)
            any_scene.steal()
            stop.set()
            gate.open()
    with any_scene.running(any_scene.worker()):
        wait_for(lambda: any_scene.stored() == 1)
    assert any_scene.seen() == values
    assert any_scene.dead() == 0


def test_members_come_and_go_under_load_and_each_record_is_stored_once(any_scene: Scene) -> None:
    order = random.Random(5)

    def run(records: Sequence[Record]) -> Result:
        time.sleep(0.01)
        return keep(records)

    values = any_scene.publish(1500, partitions=4)
    with any_scene.running(any_scene.worker(run, max_records=7)):
        for _ in range(3):
            with any_scene.running(any_scene.worker(run, max_records=7)) as stop:
                stop.wait(order.uniform(0.5, 2.5))
        wait_for(lambda: any_scene.stored() == 1500)
    assert sorted(any_scene.seen()) == values
    assert any_scene.dead() == 0


def test_a_static_member_that_restarts_keeps_its_partitions_and_disturbs_nobody(
    engine: Engine, server_url: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (value text)"))
    one = Scene(engine, f"{broker.shared().url}&instance=one", server_url)
    other = Scene(engine, f"{broker.shared().url}&instance=other", server_url)
    other.topic, other.group = one.topic, one.group
    values = one.publish(40, partitions=4)
    with one.running(one.worker()):
        with other.running(other.worker()):
            wait_for(lambda: sorted(map(len, one.epochs().values())) == [2, 2])
            before = one.epochs()
        values += one.publish(40, start=40)
        with other.running(other.worker()):
            wait_for(lambda: one.stored() == 80)
            after = one.epochs()
    stayed = [owner for owner in after if after[owner] == before.get(owner)]
    assert len(stayed) == 1, "the member that went on claimed nothing anew"
    (came_back,) = (after[owner].keys() for owner in after.keys() - stayed)
    (left,) = (before[owner].keys() for owner in before.keys() - stayed)
    assert came_back == left
    assert sorted(one.seen()) == values
    for scene in (one, other):
        scene.close()

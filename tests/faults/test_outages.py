"""The broker or the database is away for a while: nothing is lost or doubled, little is held, and it goes on."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.faults.processes import LONG, Ground, wait_for
from tests.faults.wire import Wire
from tests.kafka import broker
from voxpop.errors import LogUnavailable
from voxpop.log.base import open_log
from voxpop.store.embedded.layout import Place
from voxpop.store.engine import open_engine

SECONDS = 60.0 if LONG else 4.0
GROWTH_MIB = 96
"""What a member may hold more for an outage: its queue (16 MiB), what the client has fetched, and Python's slack."""

pytestmark = pytest.mark.timeout(400)


def epochs(ground: Ground) -> list[int]:
    return [epoch for _, epoch in ground.positions().values()]


@pytest.mark.fails_to_connect
def test_a_broker_that_is_away_costs_one_rebalance_at_most(database_url: str) -> None:
    kafka = broker.shared()
    ground = Ground(database_url, kafka.url)
    try:
        member = ground.member()
        ground.publish(200)
        ground.settled()
        held, before = member.resident_mib, epochs(ground)
        kafka.freeze()
        try:
            time.sleep(SECONDS)
        finally:
            kafka.thaw()
        ground.publish(200)
        ground.settled()
        assert member.process.is_alive()
        assert all(after - at <= 1 for after, at in zip(epochs(ground), before, strict=True))
        assert member.resident_mib - held < GROWTH_MIB
    finally:
        ground.close()


@pytest.fixture
def wire(database_url: str) -> Iterator[Wire]:
    wire = Wire(database_url)
    yield wire
    wire.close()


def test_a_database_that_is_away_costs_no_rebalance_and_little_memory(over_kafka: Ground, wire: Wire) -> None:
    ground = over_kafka
    ground.environ["VOXPOP_DATABASE_URL"] = wire.url
    member = ground.member(records=64)
    ground.publish(200)
    ground.settled()
    held, before = member.resident_mib, epochs(ground)
    wire.cut()
    started = time.monotonic()
    for _ in range(10 if LONG else 3):
        ground.publish(2000, padding=4000)
    time.sleep(max(0.0, started + SECONDS - time.monotonic()))
    grown = member.resident_mib - held
    assert ground.count() == 200
    wire.mend()
    ground.settled(180)
    assert epochs(ground) == before
    assert grown < GROWTH_MIB
    assert member.process.is_alive()


def test_a_network_that_falls_silent_is_noticed_by_the_log_and_the_store(wire: Wire) -> None:
    """A question is on its way on each connection, so that keep-alives are of no use."""
    log, engine = open_log(wire.url), open_engine(wire.url)
    log.create("t", 1)
    consumer = log.subscribe("g", ["t"])
    wait_for(lambda: consumer.poll(1, 0.0) or consumer.assignment())
    (partition,) = consumer.assignment()
    consumer.seek(partition, 0)
    found: list[Exception] = []

    def ask(what: Callable[[], object]) -> None:
        try:
            what()
        except (LogUnavailable, OperationalError) as error:
            found.append(error)

    connection = engine.connect()
    connection.execute(text("SELECT 1"))
    wire.silence()
    for what in (
        lambda: consumer.poll(1, 300.0),
        lambda: log.ends("t"),
        lambda: connection.execute(text("SELECT 1")),
    ):
        threading.Thread(target=ask, args=(what,), daemon=True).start()
    wait_for(lambda: len(found) == 3, 90, why=lambda: found)
    connection.close()
    consumer.close()
    log.close()
    engine.dispose()


@pytest.mark.timeout(60)
@pytest.mark.fails_to_connect
def test_a_database_that_takes_a_connection_and_says_nothing_counts_as_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        log = open_log(f"postgresql://somebody@127.0.0.1:{door.getsockname()[1]}/somewhere")
        for act in (log.subscribe("g", ["t"]).poll, lambda *_: log.ends("t")):
            with pytest.raises(LogUnavailable):
                act(1, 0.0)


@pytest.fixture
def small_disk(database_url: str) -> Iterator[Path]:
    """A disk of 24 MB that the embedded server may write on."""
    if os.geteuid() or os.environ.get("VOXPOP_DATABASE_URL"):
        pytest.skip("a small disk needs root's right to mount, and the embedded server")
    folder = Path(tempfile.mkdtemp(prefix="voxpop-disk-"))
    uid = Place(folder).uid
    mount = ["mount", "-t", "tmpfs", "-o", f"size=24m,mode=700,uid={uid}", "none", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine's root may not mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_is_waited_for(over_kafka: Ground, small_disk: Path) -> None:
    ground = over_kafka
    admin = ground.engine.execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE TABLESPACE small LOCATION '{small_disk}'"))
        try:
            connection.execute(text("ALTER TABLE seen SET TABLESPACE small"))
            (small_disk / "ballast").write_bytes(bytes((24 << 20) - (64 << 10)))
            member = ground.member()
            ground.publish(3000)
            wait_for(lambda: "No space left on device" in member.said, why=ground.told)
            (small_disk / "ballast").unlink()
            ground.settled()
            assert ground.dead() == []
            assert member.process.is_alive()
            member.end()
        finally:
            connection.execute(text("ALTER TABLE seen SET TABLESPACE pg_default"))
            connection.execute(text("DROP TABLESPACE small"))

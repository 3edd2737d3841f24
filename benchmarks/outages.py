"""How soon a member works again after the broker, or the database, was away, and what waiting cost.

    python -m benchmarks.outages [SECONDS] [TIMES]    e.g. 60 3

On a real Kafka (Maven fetches it) and the embedded PostgreSQL. The broker is frozen, so that its connections stay open
and say nothing; the way to the database is cut, so that they end. Counted from the moment at which it is back: until
the first record is booked, and until all are that came in the meantime.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conftest import empty_database
from tests.faults.processes import Ground, wait_for
from tests.faults.wire import Wire
from tests.kafka import broker
from voxpop.store.embedded import server

RECORDS = 2000


class Outage(NamedTuple):
    """What one outage cost."""

    first: float
    """Seconds until the first record was booked."""
    last: float
    """Seconds until all were."""
    rebalances: int
    """Most of any partition."""
    grown: float
    """MiB that the member held more at the end of the outage."""


def outage(ground: Ground, away: Callable[[], None], back: Callable[[], None], seconds: float, early: bool) -> Outage:
    """Takes something away for so long; ``early``: the records come while it is away, else when it is back."""
    member = ground.members[-1]
    ground.publish(200)
    ground.settled()
    held, epochs, booked = member.resident_mib, _epochs(ground), ground.count()
    away()
    started = time.monotonic()
    if early:
        ground.publish(RECORDS)
    time.sleep(max(0.0, started + seconds - time.monotonic()))
    grown = member.resident_mib - held
    back()
    began = time.monotonic()
    if not early:
        ground.publish(RECORDS)
    wait_for(lambda: ground.count() > booked, 120, ground.told)
    first = time.monotonic() - began
    wait_for(lambda: ground.count() >= booked + RECORDS, 120, ground.told)
    last = time.monotonic() - began
    ground.settled()  # each once
    moves = [after - before for after, before in zip(_epochs(ground), epochs, strict=True)]
    return Outage(first, last, max(moves), grown)


def _epochs(ground: Ground) -> list[int]:
    return [epoch for _, epoch in ground.positions().values()]


@contextmanager
def on_ground(database_url: str, environ: dict[str, str]) -> Iterator[Ground]:
    """A topic of its own on Kafka with one member at work."""
    ground = Ground(database_url, broker.shared().url)
    ground.environ |= environ
    ground.member(records=64)
    try:
        yield ground
    finally:
        ground.close()


def main(seconds: float, times: int) -> None:
    home = Path(tempfile.mkdtemp(prefix="voxpop-outages-"))
    home.chmod(0o755)  # the database server's user must come in
    kafka = broker.shared()
    lease = server.acquire(home)
    try:
        with empty_database(lease.url) as url, on_ground(url, {}) as ground:
            for _ in range(times):
                show("broker", outage(ground, kafka.freeze, kafka.thaw, seconds, early=False))
        with empty_database(lease.url) as url:
            wire = Wire(url)
            with on_ground(url, {"VOXPOP_DATABASE_URL": wire.url}) as ground:
                for _ in range(times):
                    show("database", outage(ground, wire.cut, wire.mend, seconds, early=True))
            wire.close()
    finally:
        lease.release()
        server.stop(home)
        shutil.rmtree(home, ignore_errors=True)


def show(what: str, cost: Outage) -> None:
    print(
        f"{what:8}  first record after {cost.first:.1f} s, all {RECORDS} after {cost.last:.1f} s,"
        f" {cost.rebalances} rebalances, {cost.grown:+.1f} MiB",
        flush=True,
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else 60.0, int(given[1]) if len(given) > 1 else 3)

"""From an hour that closed to the alerts that were sent, for a watchlist of 5,000 entities.

    python benchmarks/entities.py [ENTITIES] [DAYS] [MEDIAN]

A synthetic stream is stored by COPY: ENTITIES with log-normal rates of MEDIAN stories an hour over DAYS days up to now,
fewer at night, one in eight negative. Then a new hour comes in, in which twenty entities have a surge, and the jobs run
once, as the scheduler runs them. The clock stands still but for the wait that a route asks for before it tells.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from receiver import receiving
from stored import Row, history, prepare, store

from voxpop import jobs
from voxpop.app import App
from voxpop.jobs import Surroundings
from voxpop.settings import Settings
from voxpop.store import models
from voxpop.store.embedded import server

MODEL = "synthetic"
SURGES, STORIES_OF_SURGE = 20, 10
WAIT = timedelta(seconds=11)


def new_hour(entities: int, median: float, start: datetime) -> list[Row]:
    """The stories of the hour from ``start`` on, with surges."""
    draw = np.random.default_rng(2)
    named = [(f"e{n}", 0.1) for n in draw.integers(0, entities, int(entities * median * 1.8))]
    named += [(f"e{n * 7}", 0.9) for n in range(SURGES) for _ in range(STORIES_OF_SURGE)]
    minutes = draw.integers(0, 60, len(named)).tolist()
    return [
        (f"n{n}", entity, start + timedelta(minutes=m), negative, f"source{n % 200}")
        for n, ((entity, negative), m) in enumerate(zip(named, minutes, strict=True))
    ]


def timed(around: Surroundings, name: str, now: datetime) -> float:
    """Seconds of one job."""
    job = next(job for job in jobs.JOBS if job.name == name)
    began = time.perf_counter()
    done = job.function(around, now)
    took = time.perf_counter() - began
    print(f"{name:10} {took:7.1f} s  {done} done", flush=True)
    return took


def measure(home: Path, entities: int, days: int, median: float) -> None:
    """Runs it all in ``home``."""
    file = home / "alerts.toml"
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    with receiving() as receiver, App(Settings(home=home, alerts_file=str(file))) as app:
        file.write_text(receiver.alerts_file, "utf-8")
        app.watch([])
        with app.engine.begin() as connection:
            models.activate(connection, MODEL, "synthetic")
        prepare(app.engine, history([f"e{n}" for n in range(entities)], days, median, end), MODEL)
        around = app.surroundings(MODEL)
        print("before: what the jobs make of the history")
        for name in ("calibrate", "alerts", "rules", "notify"):
            timed(around, name, datetime.now(UTC))
        with app.engine.begin() as connection:
            store(connection, new_hour(entities, median, end), MODEL, points=False)
        told = len(receiver.arrivals)
        print(f"a new hour, load average {os.getloadavg()[0]:.1f}")
        total = sum(timed(around, name, datetime.now(UTC)) for name in ("trends", "alerts", "rules", "notify"))
        total += timed(around, "notify", datetime.now(UTC) + WAIT)
        print(f"{total:.1f} s, {len(receiver.arrivals) - told} messages, load average {os.getloadavg()[0]:.1f}")
    server.stop(home)


def main() -> None:
    """Reads the arguments and measures in a folder that is removed afterwards."""
    given = sys.argv[1:]
    entities, days = (int(given[n]) if len(given) > n else default for n, default in enumerate((5000, 28)))
    with tempfile.TemporaryDirectory(prefix="voxpop-entities-") as folder:
        Path(folder).chmod(0o755)
        measure(Path(folder), entities, days, float(given[2]) if len(given) > 2 else 0.1)


if __name__ == "__main__":
    main()

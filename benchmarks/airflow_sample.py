"""The sample stream with nothing but what a larger installation runs: three consumers, and the DAGs under Airflow.

    python -m benchmarks.airflow_sample

Runs on the embedded PostgreSQL in a folder of its own, which it removes, with everything on loopback. First the
consumers read the stream to its end; then Airflow's four processes start, and end once each DAG has fired by itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from sqlalchemy import text

from tests.dags.conftest import installed
from tests.dags.service import Service, running
from voxpop import sample
from voxpop.app import App
from voxpop.backlog import waiting
from voxpop.intake import take
from voxpop.settings import Settings
from voxpop.sources import files
from voxpop.store.embedded import server
from voxpop.text import watchlist

ROOT = Path(__file__).parents[1]
CONSUMERS = ("news", "social", "analyst")
TABLES = ("documents", "opinions", "claims", "trend_points", "cuts", "alerts", "alert_moves", "drifts")
PATIENCE = 3600.0


def main() -> None:
    """Plays the stream and prints the states of runs and the rows that were made."""
    home = Path(tempfile.mkdtemp(prefix="voxpop-airflow-"))
    home.chmod(0o755)  # the database server's user must come in
    try:
        with App(Settings(home=home / "voxpop", port=0)) as app:
            environ = {"VOXPOP_DATABASE_URL": app.database_url, "VOXPOP_HOME": str(home / "voxpop")}
            app.watch(watchlist.load(sample.watchlist_path()))
            read(app, environ)
            with installed(home, app.database_url) as airflow, running(airflow, environ) as service:
                fire(service)
                print_runs(service)
            print_rows(app)
    finally:
        server.stop(home / "voxpop")
        shutil.rmtree(home, ignore_errors=True)


def read(app: App, environ: dict[str, str]) -> None:
    """Brings the sample in, and has the consumers read it to its end."""
    now = datetime.now(UTC)
    stream = BytesIO("".join(sample.stream()).encode())
    take(
        files.read(stream, defaults={"source": "sample", "channel": "news"}, received_at=now, now=now),
        app.log,
        app.engine,
    )
    started = time.monotonic()
    processes = [
        subprocess.Popen(
            [sys.executable, ROOT / "consumers" / f"{role}.py"],
            env={**os.environ, **environ},
            stderr=subprocess.DEVNULL,
        )
        for role in CONSUMERS
    ]
    try:
        while waiting(app) and time.monotonic() - started < PATIENCE:
            assert all(process.poll() is None for process in processes), "a consumer has ended"
            time.sleep(1.0)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()
    print(f"read in {time.monotonic() - started:.0f} s, {waiting(app)} records left")


def fire(service: Service) -> None:
    """Waits until each DAG has ended a run, and alerts one that began after trends."""
    started, wanted = time.monotonic(), {"trends", "alerts", "report", "upkeep"}
    while time.monotonic() - started < PATIENCE:
        runs = Counter(run.dag for run in service.runs() if run.state == "success")
        if wanted <= runs.keys() and runs["alerts"] > 1:
            break
        time.sleep(1.0)
    print(f"every DAG had fired after {time.monotonic() - started:.0f} s")


def print_runs(service: Service) -> None:
    """Runs and tasks, by state."""
    for (dag, kind, state), count in sorted(Counter((r.dag, r.kind, r.state) for r in service.runs()).items()):
        print(f"run   {dag:8} {kind:16} {state:10} {count}")
    for (dag, task, state), count in sorted(Counter(service.tasks()).items(), key=str):
        print(f"task  {dag:8} {task:16} {state or 'none':10} {count}")


def print_rows(app: App) -> None:
    """Rows of the tables, and alerts by rule."""
    with app.engine.connect() as connection:
        for table in TABLES:
            print(f"rows  {table:14} {connection.execute(text(f'SELECT count(*) FROM {table}')).scalar_one():6}")
        by_rule = "SELECT rule, state, count(*) FROM alerts GROUP BY rule, state ORDER BY rule, state"
        for rule, state, count in connection.execute(text(by_rule)):
            print(f"alert {rule:14} {state:10} {count}")


if __name__ == "__main__":
    main()

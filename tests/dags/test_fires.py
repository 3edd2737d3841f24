"""The DAGs under a running Airflow: each fires by itself, by its clock or by its asset, and a backfill fills in."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from tests.dags.conftest import Airflow
from tests.dags.service import Service, running
from tests.store.samples import MODEL, START, document, reading, write
from voxpop.records import Entity
from voxpop.settings import Settings
from voxpop.store import facts, models, trends, watchlist
from voxpop.text.entities import Linker

ACME = Entity(id="acme", name="Acmetron")
DAY = timedelta(days=1)
EACH = {
    ("trends", "scheduled"),
    ("alerts", "asset_triggered"),
    ("upkeep", "scheduled"),
    ("upkeep", "backfill"),
    ("report", "scheduled"),
}
GOING_WELL = {"success", "skipped", "running", "queued", "scheduled", None}
PATIENCE = 400.0
"""Seconds, of a machine that is busy with other things."""


def a_stream(engine: Engine, now: datetime) -> None:
    """Forty days up to now of fifteen stories a day, in the last four of which all is bad news.

    All but the last stories have their trend already, so that drift shows whichever DAG is the first to run.
    """
    version = Linker([ACME]).version
    first = (now - START) / timedelta(hours=1) - 40 * 24
    with engine.begin() as connection:
        models.activate(connection, MODEL, "scripted")
        watchlist.replace(connection, [ACME])
        facts.put(connection, "watchlist", version)
    told = [(n, document(f"{n}", first + 1.6 * n, f"story {n} of acme", linked_with=version)) for n in range(600)]
    readings = [reading(of, "negative" if n > 540 else "neutral") for n, of in told]
    write(engine, readings[:-3])
    with engine.begin() as connection:
        while trends.refresh(connection, MODEL):
            continue
    write(engine, readings[-3:])


def wait(service: Service, done: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < until, f"{what}: {service.runs()} {service.tasks()}\n{service.said()}"
        time.sleep(1.0)


def fired(service: Service) -> set[tuple[str, str]]:
    return {(run.dag, run.kind) for run in service.runs() if run.state == "success"}


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_dag_fires_by_itself_and_a_backfill_fills_in(
    engine: Engine, settings: Settings, installation: Airflow
) -> None:
    now = datetime.now(UTC)
    a_stream(engine, now)
    before = count(engine, "trend_points")
    environ = {"VOXPOP_DATABASE_URL": settings.database_url, "VOXPOP_HOME": str(settings.home)}
    with running(installation, environ) as service:
        wait(service, lambda: service.answers() and "upkeep" in {run.dag for run in service.runs()}, "it is not up")
        # A day before the bad news, at whatever hour this runs: it is no drift.
        service.backfill("upkeep", now.replace(hour=12, minute=0, second=0, microsecond=0) - 5 * DAY)
        wait(service, lambda: fired(service) >= EACH, "not every DAG has fired")
        assert service.listening() == {"127.0.0.1"}
        assert {state for _, _, state in service.tasks()} <= GOING_WELL
    assert service.pids() == []
    assert count(engine, "trend_points") > before > 500
    assert count(engine, "stale_windows") == 0
    assert count(engine, "cuts") > 0
    assert count(engine, "(SELECT DISTINCT until FROM drifts) AS days") == 2, "today's and the day's that was filled in"
    assert count(engine, "alerts WHERE rule = 'drift'") == 1

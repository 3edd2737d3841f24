"""Every minute: link documents to companies added since, and compute the windows that changed.

Then a sign of life is given: it fails to come where trends are not computed, whatever the reason.
An hour that ends in the run's window is computed whole once more; late items re-open their windows whenever they come.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, CronDataIntervalTimetable, dag, task

from voxpop.scheduled import defaults, run_job


@dag(
    schedule=CronDataIntervalTimetable("* * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    tags=["voxpop"],
)
def trends() -> None:
    @task
    def relink(**context: Any) -> int:
        return run_job("relink", context)

    @task(outlets=[Asset("x-voxpop://trends")])
    def refresh(**context: Any) -> int:
        return run_job("trends", context)

    @task
    def heartbeat() -> int:
        return run_job("heartbeat")

    relink() >> refresh() >> heartbeat()


trends()

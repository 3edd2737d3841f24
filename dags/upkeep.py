"""Every hour: set the cut where one is due, look for drift, and delete raw records older than the settings allow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, dag, task

from voxpop.scheduled import SLOW_POOL, defaults, run_job


@dag(
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(SLOW_POOL),
    tags=["voxpop"],
)
def upkeep() -> None:
    @task
    def recalibrate(**context: Any) -> int:
        return run_job("calibrate", context)

    @task
    def look_for_drift(**context: Any) -> int:
        return run_job("drift", context)

    @task
    def expire(**context: Any) -> int:
        return run_job("upkeep", context)

    recalibrate()
    look_for_drift()
    expire()


upkeep()

"""Every quarter of an hour: send the reports whose hour has come, each once, by the time zone of whoever gets it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, dag, task

from voxpop.scheduled import SLOW_POOL, defaults, run_job


@dag(
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(SLOW_POOL),
    tags=["voxpop"],
)
def report() -> None:
    @task
    def morning(**context: Any) -> int:
        return run_job("morning", context)

    @task
    def weekly(**context: Any) -> int:
        return run_job("weekly", context)

    morning()
    weekly()


report()

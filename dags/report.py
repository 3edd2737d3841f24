"""Every morning: write the report of the day that has passed, and on Mondays that of the week."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, dag, task

from voxpop.scheduled import SLOW_POOL, defaults, on_monday, run_job


@dag(
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
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

    @task.run_if(on_monday, "a week is reported on the Monday after it")
    @task
    def weekly(**context: Any) -> int:
        return run_job("weekly", context)

    morning()
    weekly()


report()

"""Every six hours: delete raw items and dead letters that are older than the settings allow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronDataIntervalTimetable, dag, task


@dag(
    schedule=CronDataIntervalTimetable("0 */6 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["voxpop"],
)
def upkeep() -> None:
    @task
    def expire() -> int:
        from voxpop.scheduled import run_job

        return run_job("upkeep")

    expire()


upkeep()

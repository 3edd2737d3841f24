"""Every minute: link documents to companies added since, compute the windows that changed, and give a sign of life."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, CronDataIntervalTimetable, dag, task

TRENDS = Asset("voxpop://trends")


@dag(
    schedule=CronDataIntervalTimetable("* * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    tags=["voxpop"],
)
def trends() -> None:
    @task
    def relink() -> int:
        from voxpop.scheduled import run_job

        return run_job("relink")

    @task(outlets=[TRENDS])
    def refresh() -> int:
        from voxpop.scheduled import run_job

        return run_job("trends")

    @task
    def heartbeat() -> int:
        from voxpop.scheduled import run_job

        return run_job("heartbeat")

    relink() >> refresh() >> heartbeat()


trends()

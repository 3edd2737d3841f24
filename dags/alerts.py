"""Whenever trends were computed: set the cut where one is due, raise the alerts, and tell people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, dag, task


@dag(
    schedule=[Asset("voxpop://trends")],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    tags=["voxpop"],
)
def alerts() -> None:
    @task
    def calibrate() -> int:
        from voxpop.scheduled import run_job

        return run_job("calibrate")

    @task
    def raise_alerts() -> int:
        from voxpop.scheduled import run_job

        return run_job("alerts")

    @task
    def raise_by_rules() -> int:
        from voxpop.scheduled import run_job

        return run_job("rules")

    @task
    def raise_silences() -> int:
        from voxpop.scheduled import run_job

        return run_job("silences")

    @task
    def notify() -> int:
        from voxpop.scheduled import run_job

        return run_job("notify")

    calibrate() >> raise_alerts() >> raise_by_rules() >> raise_silences() >> notify()


alerts()

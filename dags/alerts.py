"""Whenever trends were computed: raise the alerts, and tell people.

A run that an asset sets off has no window: alerts are judged from all that is stored, people are told now.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import Asset, dag, task

from voxpop.scheduled import defaults, run_job


@dag(
    schedule=[Asset("x-voxpop://trends")],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    tags=["voxpop"],
)
def alerts() -> None:
    @task
    def raise_alerts() -> int:
        return run_job("alerts")

    @task
    def raise_by_rules() -> int:
        return run_job("rules")

    @task
    def notify() -> int:
        return run_job("notify")

    raise_alerts() >> raise_by_rules() >> notify()


alerts()

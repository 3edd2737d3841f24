"""What the files in ``dags/`` call: a job of the table in Airflow's care, and who hears when it has failed for good.

A DAG file is parsed again and again, so this module imports nothing heavy: what a job needs is imported when it runs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxpop.errors import SettingError, VoxpopError
from voxpop.signals.windows import Window, window_of

if TYPE_CHECKING:
    from voxpop.alertsfile import Rules
    from voxpop.notify import Message

logger = logging.getLogger(__name__)

Context = Mapping[str, Any]
"""What Airflow tells a task of its run."""

POOL, SLOW_POOL = "voxpop", "voxpop_slow"
"""Airflow's pools for what runs each minute, and for what may take long and must not keep it waiting."""
TOLD_EVERY = timedelta(hours=1)
"""Of one task that fails again and again operators hear so often, from each machine that it fails on."""
_MOST_CHARACTERS = 300


def defaults(pool: str = POOL) -> dict[str, Any]:
    """What each task is given: a pool, a limit of time, tries as the error tree says, and a call when all were vain."""
    from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

    rules = [
        RetryRule(exception="voxpop.errors.Unavailable", action=RetryAction.DEFAULT),
        RetryRule(exception="voxpop.errors.VoxpopError", action=RetryAction.FAIL, reason="waiting does not mend it"),
    ]
    return {
        "pool": pool,
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_policy": ExceptionRetryPolicy(rules=rules),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": tell_operators,
    }


def window_in(context: Context) -> Window | None:
    """The window of the run that ``context`` tells of; None where nothing names one.

    Raises:
        SettingError: it is empty or cannot be read.
    """
    run = context.get("dag_run")
    interval = context.get("data_interval_start"), context.get("data_interval_end")
    return window_of(context.get("partition_key"), interval, run.conf if run else None)


def run_job(name: str, context: Context | None = None) -> int:
    """Runs the job once and returns how much it did; 0 where it needs a model that has read, and none has.

    Args:
        context: of a run whose window the job is for: its end is the job's now. None: the job is for this moment.

    Raises:
        SettingError: no job of that name.
    """
    from voxpop.app import App
    from voxpop.jobs import JOBS, run
    from voxpop.store import models as model_versions

    job = next((job for job in JOBS if job.name == name), None)
    if job is None:
        raise SettingError(f"no job is called {name!r}: {', '.join(job.name for job in JOBS)} are")
    window = window_in(context or {})
    with App() as app:
        with app.engine.connect() as connection:
            model = model_versions.active(connection)
        if model is None and job.model:
            return 0
        around = app.surroundings(model or "")
        if window is not None and job.reopen is not None:
            job.reopen(around, window)
        return run(job, around, window.end if window else datetime.now(UTC))


def tell_operators(context: Context) -> None:
    """Airflow's callback when a task has failed for good: tells the operators of the alerts file, or else the log."""
    from voxpop import alertsfile
    from voxpop.settings import Settings

    settings = Settings.load()
    rules = alertsfile.load(settings.alerts_file, "")
    if not rules.operators:
        logger.warning("nobody is told of the failure: the alerts file names no [operators]")
        return
    task, now = context["task_instance"], datetime.now(UTC)
    last = settings.home / "failures" / f"{task.dag_id}.{task.task_id}"
    if now - _told_at(last) < TOLD_EVERY:
        logger.info("operators heard of this task since %s", now - TOLD_EVERY)
        return
    if _tell(rules, _message(context), now):
        last.parent.mkdir(parents=True, exist_ok=True)
        last.write_text(now.isoformat())


def _told_at(note: Path) -> datetime:
    try:
        return datetime.fromisoformat(note.read_text())
    except (FileNotFoundError, ValueError):
        return datetime.min.replace(tzinfo=UTC)


def _message(context: Context) -> Message:
    from voxpop.notify import Message
    from voxpop.records import digest

    task, said = context["task_instance"], _said(context.get("exception"))
    named = {"dag": task.dag_id, "task": task.task_id, "run": task.run_id}
    return Message(
        key=digest("failure", *named.values()),
        subject=f"[failure] {task.dag_id}.{task.task_id} failed",
        body=f"{said}\nRun {task.run_id}, try {task.try_number}.",
        gravity="failure",
        data={"notice": "failure", **named, "error": said},
    )


def _said(error: object) -> str:
    """The kind of the error and its first line; what follows may quote a document."""
    if not error:
        return "the task's process ended without a word"
    kind = f"{type(error).__name__}: " if isinstance(error, BaseException) else ""
    return (kind + str(error).partition("\n")[0])[:_MOST_CHARACTERS]


def _tell(rules: Rules, message: Message, now: datetime) -> int:
    """Sends to each operator; one that does not take it keeps no other from hearing. Returns how many did."""
    from voxpop import notify

    told = 0
    for name in rules.operators:
        try:
            notify.deliver(rules.receivers[name], message, now)
            told += 1
        except VoxpopError as failure:
            logger.warning("%s was not told of the failure: %s", name, failure)
    return told

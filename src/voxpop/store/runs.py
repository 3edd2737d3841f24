"""The last run of each scheduled job, for people to see."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from voxpop.store.tables import job_runs


class Run(NamedTuple):
    """The last run of a job: ``done`` says how much it did, ``error`` why it failed."""

    name: str
    started_at: datetime
    ended_at: datetime
    done: int | None
    error: str | None
    succeeded_at: datetime | None


def keep(
    connection: Connection, name: str, started_at: datetime, ended_at: datetime, done: int | None, error: str | None
) -> None:
    """Keeps a run in place of the last one of this job; when it last went well stays known."""
    changed = {"started_at": started_at, "ended_at": ended_at, "done": done, "error": error}
    if error is None:
        changed["succeeded_at"] = ended_at
    statement = insert(job_runs).values(name=name, **changed)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))


def last(connection: Connection) -> dict[str, Run]:
    """The last run of each job that ever ran."""
    t = job_runs.c
    rows = connection.execute(select(*(t[name] for name in Run._fields)))
    return {row.name: Run(*row) for row in rows}

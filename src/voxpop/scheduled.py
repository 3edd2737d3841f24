"""One job of the table, run by a scheduler of its own: what the files in ``dags/`` call."""

from __future__ import annotations

from datetime import UTC, datetime

from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.jobs import JOBS
from voxpop.store import models as model_versions


def run_job(name: str) -> int:
    """Runs the job once and returns how much it did; 0 where it needs a model that has read, and none has.

    Raises:
        SettingError: no job of that name.
    """
    job = next((job for job in JOBS if job.name == name), None)
    if job is None:
        raise SettingError(f"no job is called {name!r}: {', '.join(job.name for job in JOBS)} are")
    with App() as app:
        with app.engine.connect() as connection:
            model = model_versions.active(connection)
        if model is None and job.model:
            return 0
        return job.function(app.surroundings(model or ""), datetime.now(UTC))

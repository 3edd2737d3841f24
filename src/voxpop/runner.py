"""Everything on one machine: the consumers, the analyst and the jobs, in one process until it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from voxpop import jobs as scheduled_jobs
from voxpop import shadow
from voxpop.app import App
from voxpop.backlog import waiting
from voxpop.errors import SettingError, StoreError
from voxpop.jobs import JOBS, Job, Surroundings
from voxpop.store import models as model_versions
from voxpop.worker import Worker, drain

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with (documents read, records still waiting)."""


class Figures(NamedTuple):
    """What a run did."""

    documents: int
    refused: int
    seconds: float
    """From the first poll until the stream was read, or the run stopped."""
    documents_per_second: float


def run(
    app: App,
    stop: threading.Event,
    *,
    until_idle: bool = False,
    serve: bool = False,
    progress: Progress | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> Figures:
    """Reads the stream and runs the jobs until ``stop`` is set, or until nothing is left to do.

    While a backlog is read no job runs, so that each window is computed once, from all that belongs in it.

    Args:
        serve: serve the dashboard too; ``announce`` is called with its address.
    """
    reader = app.begin_reading()
    around = app.surroundings(reader.version)
    workers = [app.worker(step) for step in (*map(app.prepare_step, ("news", "social")), app.analyse_step())]
    started = time.monotonic()
    with ExitStack() as threads:
        if serve:
            from voxpop.api.server import serving  # FastAPI, which only a served run pays for

            announce(threads.enter_context(serving(app)))
        _start(threads, workers, stop)
        if app.settings.shadow_profile and not until_idle:
            threads.enter_context(shadow.beside(app))
        settle = partial(_settle, app, workers, stop, progress)
        if until_idle:
            settle()
            seconds = time.monotonic() - started
            for job in JOBS:
                if not stop.is_set():
                    _once(around, job, settle)
        else:
            _catch_up(app, workers, stop, progress)
            tick(
                JOBS,
                lambda _: _by_what_counts(app, around),
                stop,
                progress=lambda: _report(app, workers, progress),
                drain_seconds=app.settings.drain_seconds,
            )
            seconds = time.monotonic() - started
    documents, refused = workers[-1].records, sum(w.dead for w in workers)
    return Figures(documents, refused, seconds, documents / seconds)


def _by_what_counts(app: App, around: Surroundings) -> Surroundings:
    """The surroundings with the version that counts now; what was remembered of another is forgotten by itself."""
    with app.engine.connect() as connection:
        return replace(around, model=model_versions.active(connection) or around.model)


def schedule(app: App, names: Sequence[str], stop: threading.Event) -> None:
    """Runs the jobs of these names, or all where there are none, at their cadence until ``stop`` is set.

    The stream is read by others. A job that works on what a model has read waits until one has.

    Raises:
        SettingError: no job of such a name.
    """
    if unknown := sorted(set(names) - {job.name for job in JOBS}):
        raise SettingError(f"no job is called {unknown[0]!r}: {', '.join(job.name for job in JOBS)} are")

    def around(job: Job) -> Surroundings | None:
        with app.engine.connect() as connection:
            model = model_versions.active(connection)
        return None if model is None and job.model else app.surroundings(model or "")

    _ = app.log  # opened once, before there are threads that use it
    wanted = [job for job in JOBS if not names or job.name in names]
    tick(wanted, around, stop, drain_seconds=app.settings.drain_seconds)


def _start(threads: ExitStack, workers: Sequence[Worker], stop: threading.Event) -> None:
    """Starts the workers; leaving ``threads`` stops them and waits for the cycle in hand."""
    for worker in workers:
        thread = threading.Thread(target=worker.run, args=(stop,), name=worker.step.group, daemon=True)
        thread.start()
        threads.callback(thread.join)
    threads.callback(stop.set)


def _report(app: App, workers: Sequence[Worker], progress: Progress | None) -> int:
    for worker in workers:
        if worker.fault is not None:
            raise StoreError(f"the {worker.step.group} worker ended: {worker.fault}") from worker.fault
    left = waiting(app)
    if progress is not None:
        progress(workers[-1].records, left)
    return left


def _settle(app: App, workers: Sequence[Worker], stop: threading.Event, progress: Progress | None) -> None:
    """Waits until the stream is read to its end."""
    drain(workers, lambda: stop.is_set() or _report(app, workers, progress) == 0)


def _catch_up(app: App, workers: Sequence[Worker], stop: threading.Event, progress: Progress | None) -> None:
    """Waits until a backlog is read; a stream that never rests is caught up with when one poll would hold the rest."""
    while _report(app, workers, progress) > app.settings.poll_records and not stop.wait(0.5):
        pass


def _once(around: Surroundings, job: Job, settle: Callable[[], None]) -> None:
    """Runs a job and waits until whatever it sent into the stream is read."""
    done = scheduled_jobs.run(job, around, datetime.now(UTC))
    logger.info("%s: %d", job.name, done)
    settle()


def tick(
    jobs: Sequence[Job],
    around: Callable[[Job], Surroundings | None],
    stop: threading.Event,
    progress: Callable[[], int] = lambda: 0,
    *,
    drain_seconds: float,
) -> None:
    """Runs each job at its cadence where it has surroundings, until ``stop`` is set.

    All cadences are counted from one start, so that jobs of the same one fall due together, however long others have
    kept them, and run in the order of ``jobs``: each works at once on what the one before it has stored. A job that is
    ``apart`` has a thread of its own and keeps no other waiting. One that fails is logged and comes again; the others
    go on.

    Args:
        drain_seconds: how long such a thread is waited for in the end; what it is at then, it leaves as after a kill.
    """
    threads = [
        threading.Thread(target=_rounds, args=([job], around, stop), name=job.name, daemon=True)
        for job in jobs
        if job.apart
    ]
    for thread in threads:
        thread.start()
    try:
        _rounds([job for job in jobs if not job.apart], around, stop, progress)
    finally:
        stop.set()
        _leave(threads, drain_seconds)


def _leave(threads: Sequence[threading.Thread], seconds: float) -> None:
    """Waits so long for the threads to end."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            logger.warning("job %s: not done within %.0f s; it begins anew with the next start", thread.name, seconds)


def _rounds(
    jobs: Sequence[Job],
    around: Callable[[Job], Surroundings | None],
    stop: threading.Event,
    progress: Callable[[], int] = lambda: 0,
) -> None:
    due = dict.fromkeys((job.name for job in jobs), datetime.now(UTC))
    while not stop.wait(1.0):
        progress()
        at = datetime.now(UTC)
        for job in jobs:
            if at < due[job.name]:
                continue
            due[job.name] += job.every * ((at - due[job.name]) // job.every + 1)
            try:
                if (live := around(job)) is not None:
                    scheduled_jobs.run(job, live, datetime.now(UTC))
            except Exception:
                logger.exception("job %s failed and will run again in %s", job.name, job.every)

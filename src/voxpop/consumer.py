"""One stream process: what the files in ``consumers/`` and ``voxpop worker`` start."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from typing import Literal

from voxpop import metrics
from voxpop.app import App
from voxpop.errors import ModelError, SettingError, VoxpopError
from voxpop.settings import Settings
from voxpop.store import positions
from voxpop.worker import Step, Worker

logger = logging.getLogger(__name__)

Role = Literal["news", "social", "analyst"]


def main(role: Role, settings: Settings | None = None, kind: type[App] = App) -> None:
    """Works as a member of the role's consumer group until SIGTERM or SIGINT, then writes what is computed.

    Ends the process with status 0 when it was told to end, 78 where settings or models are wrong, so that starting it
    again is no use, 75 when work was hung or left undone, and 1 after any other fault.

    Args:
        kind: what makes the live objects; a test has another without a model.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with kind(settings) as app:
            worker = _work(app, role, stop)
    except VoxpopError as error:
        sys.stderr.write(f"voxpop: {error}\n")
        sys.exit(os.EX_CONFIG if isinstance(error, (SettingError, ModelError)) else 1)
    logger.info("%s consumer is done: %d records, %d dead letters", role, worker.records, worker.dead)
    if worker.abandoned:
        logging.shutdown()
        os._exit(os.EX_TEMPFAIL)  # a thread that is at it yet cannot be ended in any other way


def _work(app: App, role: Role, stop: threading.Event) -> Worker:
    app.ensure_watchlist()
    if role == "analyst":
        app.begin_reading()
    step = app.analyse_step() if role == "analyst" else app.prepare_step(role)
    worker = app.worker(step)
    with ExitStack() as running:
        if app.settings.metrics_port:
            running.enter_context(metrics.served(app.settings.metrics_port, app.settings.host))
            _observe(app, step, running)
        if app.settings.hang_seconds:
            threading.Thread(target=_watch, args=(worker, app.settings.hang_seconds, stop), daemon=True).start()
        if role == "analyst" and app.settings.shadow_profile:
            from voxpop import shadow

            running.enter_context(shadow.beside(app))
        logger.info("%s consumer is up", role)
        worker.run(stop)
    return worker


def _observe(app: App, step: Step, running: ExitStack) -> None:
    """Has the metrics know of the lag and, where a model runs, of its batches."""
    if step.group == "analyst":
        from voxpop.models.engine import batch_tokens_of, find_device

        budget = app.settings.batch_tokens or batch_tokens_of(find_device(app.settings.device))
        app.reader().observe = lambda batch: metrics.observe_batch(
            batch.real_tokens, batch.padded_tokens, budget, batch.seconds
        )
    ended = threading.Event()
    thread = threading.Thread(target=metrics.watch_lag, args=(step.group, partial(_lag, app, step), ended), daemon=True)
    thread.start()
    running.callback(ended.set)


def _lag(app: App, step: Step) -> dict[tuple[str, int], int]:
    """Records that the group has not stored yet, by topic and partition."""
    ends = {topic: app.log.ends(topic) for topic in step.topics}
    ids = app.log.topic_ids(step.topics)
    with app.engine.connect() as connection:
        done = positions.offsets(connection, step.group, ids)
    return {(t, n): end - done.get((t, n), 0) for t, of_one in ends.items() for n, end in of_one.items()}


def _watch(worker: Worker, seconds: float, stop: threading.Event) -> None:
    """Ends the process when a batch takes longer than ``seconds``: what is hung cannot be ended in any other way.

    Whoever started the process starts it again, and the worker then looks for the record that did it.
    """
    while not stop.wait(min(seconds / 4, 5.0)):
        since = worker.busy_since
        if since is not None and time.monotonic() - since > seconds:
            logger.critical("a batch has taken more than %.0f s: the process ends itself", seconds)
            os._exit(os.EX_TEMPFAIL)

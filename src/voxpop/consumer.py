"""One stream process: what the files in ``consumers/`` start."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Literal

from voxpop.app import App
from voxpop.errors import VoxpopError
from voxpop.store import models as model_versions
from voxpop.worker import Worker

logger = logging.getLogger(__name__)


def main(role: Literal["news", "social", "analyst"], open_app: Callable[[], App] = App) -> None:
    """Works as a member of the role's consumer group until SIGTERM or SIGINT, then finishes the cycle in hand.

    Args:
        open_app: makes the live objects; a test has a reader without a model in them.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with open_app() as app:
            app.ensure_watchlist()
            if role == "analyst":
                reader = app.reader()
                with app.engine.begin() as connection:
                    model_versions.activate(connection, reader.version, app.settings.profile)
            worker = app.worker(app.analyse_step() if role == "analyst" else app.prepare_step(role))
            logger.info("%s consumer is up", role)
            if app.settings.hang_seconds:
                threading.Thread(target=_watch, args=(worker, app.settings.hang_seconds, stop), daemon=True).start()
            worker.run(stop)
            logger.info("%s consumer is done: %d records, %d dead letters", role, worker.records, worker.dead)
    except VoxpopError as error:
        sys.exit(f"voxpop: {error}")


def _watch(worker: Worker, seconds: float, stop: threading.Event) -> None:
    """Ends the process when a batch takes longer than ``seconds``: what is hung cannot be ended in any other way.

    Whoever started the process starts it again, and the worker then looks for the record that did it.
    """
    while not stop.wait(min(seconds / 4, 5.0)):
        since = worker.busy_since
        if since is not None and time.monotonic() - since > seconds:
            logger.critical("a batch has taken more than %.0f s: the process ends itself", seconds)
            os._exit(os.EX_TEMPFAIL)

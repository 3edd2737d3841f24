"""One stream process: what the files in ``consumers/`` start."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import Literal

from voxpop.app import App
from voxpop.errors import VoxpopError
from voxpop.store import models as model_versions

logger = logging.getLogger(__name__)


def main(role: Literal["news", "social", "analyst"]) -> None:
    """Works as a member of the role's consumer group until SIGTERM or SIGINT, then finishes the cycle in hand."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with App() as app:
            app.ensure_watchlist()
            if role == "analyst":
                reader = app.reader()
                with app.engine.begin() as connection:
                    model_versions.activate(connection, reader.version, app.settings.profile)
            worker = app.worker(app.analyse_step() if role == "analyst" else app.prepare_step(role))
            logger.info("%s consumer is up", role)
            worker.run(stop)
            logger.info("%s consumer is done: %d records, %d dead letters", role, worker.records, worker.dead)
    except VoxpopError as error:
        sys.exit(f"voxpop: {error}")

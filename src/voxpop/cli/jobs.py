"""``jobs``: the scheduled work alone, where the stream is read by processes of its own."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Annotated

import typer

from voxpop.cli import app, told


@app.command(epilog="Example: voxpop jobs feeds heartbeat    or, without Airflow, all of them: voxpop jobs")
def jobs(
    names: Annotated[list[str] | None, typer.Argument(help="Jobs to run; default: all.", show_default=False)] = None,
) -> None:
    """Scheduled work at its cadence, until SIGTERM or Ctrl-C: feeds, trends, alerts, messages, reports and so on.

    One process of each job is enough. It loads no model: the analyst says which one reads.
    """
    from voxpop.app import App
    from voxpop.runner import schedule

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with told(), App() as live:
        live.ensure_watchlist()
        schedule(live, names or [], stop)

"""``worker``: one role of the stream, to be started as often as it is needed."""

from __future__ import annotations

import dataclasses
import logging
import sys
from typing import Annotated, Literal

import typer

from voxpop.cli import app, told


@app.command(epilog="Example: voxpop worker analyst --devices cuda:0,cuda:1    or, beside it: voxpop worker news")
def worker(
    role: Annotated[Literal["news", "social", "analyst"], typer.Argument(help="What it does.")],
    devices: Annotated[
        str, typer.Option(help="cpu, or cuda:0,cuda:1,…: a process each; auto: every GPU, or else the CPU.")
    ] = "auto",
    led: Annotated[bool, typer.Option("--led", hidden=True, help="End when the standard input closes.")] = False,
) -> None:
    """A member of the role's consumer group, until SIGTERM or Ctrl-C: then it writes what it computed, and leaves.

    news and social clean, mask and link items; the analyst reads documents with the model. Start as many as the topic
    has partitions; VOXPOP_LOG_URL and VOXPOP_DATABASE_URL say where they meet.
    """
    from voxpop import consumer, fleet
    from voxpop.settings import Settings

    with told():
        settings = Settings.load()
        if devices == "auto" and settings.device != "auto":
            devices = settings.device
        on = fleet.devices(devices, role)
        if led:
            fleet.end_with_parent()
        if len(on) == 1:
            consumer.main(role, dataclasses.replace(settings, device=on[0]))
            return
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        sys.exit(fleet.run(role, on, settings))

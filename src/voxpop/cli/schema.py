"""``schema``: the messages of the log's topics, as JSON Schema."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from voxpop.cli import app, told


@app.command(epilog="Example: voxpop schema items.news > items.news.json")
def schema(topic: Annotated[str, typer.Argument(help="A topic; default: print the names of all.")] = "") -> None:
    """The JSON Schema of a topic's messages, for programs that publish or read beside Voxpop."""
    from voxpop import schemas

    with told():
        shown = json.dumps(schemas.of(topic), indent=2, ensure_ascii=False) if topic else "\n".join(schemas.RECORDS)
        sys.stdout.write(shown + "\n")

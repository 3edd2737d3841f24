"""Every command. A command parses, delegates to ``App`` and prints; heavy modules are imported inside."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from typer.core import TyperCommand, TyperGroup

from voxpop.errors import SettingError, VoxpopError

PANELS: Final[Mapping[str, Sequence[str]]] = {
    "Begin": ("demo", "run", "doctor"),
    "What is watched": ("watchlist", "sources", "ingest", "dlq", "erase"),
    "What is told": ("alerts", "why", "report", "review", "calibrate", "events"),
    "History and figures": ("replay", "surge"),
    "One text": ("analyze", "explain", "infer"),
    "Models": ("models", "evaluate", "train", "graft", "pretrain", "bench"),
    "Operation": ("serve", "worker", "jobs", "db", "backup", "restore", "schema", "tokens", "sessions", "audit"),
}
"""How ``voxpop --help`` lists the commands."""


class Listed(TyperGroup):
    """The commands in the order and the panels of ``PANELS``."""

    def list_commands(self, ctx: object) -> list[str]:
        """Their names, as the help shows them."""
        names = [name for in_panel in PANELS.values() for name in in_panel if name in self.commands]
        for name in names:
            command = self.commands[name]
            if isinstance(command, (TyperCommand, TyperGroup)):
                command.rich_help_panel = next(panel for panel, in_panel in PANELS.items() if name in in_panel)
        return names


app = typer.Typer(
    name="voxpop",
    cls=Listed,
    help="Financial public-opinion monitoring: who says what about the companies you watch, and when opinion turns.",
    epilog="Start with: voxpop demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
console = Console()
errors = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]


def emit(value: object) -> None:
    """One JSON value on a line of stdout."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def folded(*headers: str, **looks: Any) -> Table:
    """A table that breaks a long word where the terminal is narrow: other commands need a name or an id whole."""
    return Table(*(Column(header, overflow="fold") for header in headers), **looks)


@contextmanager
def told() -> Iterator[None]:
    """Turns an error of ours into one line on stderr and exit code 1; Ctrl-C ends with 130 and no traceback."""
    try:
        yield
    except VoxpopError as error:
        errors.print(f"[red]voxpop:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def require_place(file: Path) -> None:
    """Whether ``file`` can be written: asked before the work whose result goes there, not after.

    Raises:
        SettingError: it cannot.
    """
    if file.is_dir() or not file.parent.is_dir():
        raise SettingError(f"{file} cannot be written: there is no such folder, or it is one")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise SettingError(f"{file} cannot be written: you may not write there")


def channel_of(word: str) -> Literal["news", "social"]:
    """The channel of that name, as an option gives it."""
    if word not in ("news", "social"):
        raise typer.BadParameter("channel is news or social")
    return "news" if word == "news" else "social"


def main() -> None:
    """The entry point."""
    # Imported for their commands, which register themselves.
    from voxpop.cli import (  # noqa: F401
        alerts,
        backup,
        bench,
        calibrate,
        demo,
        erase,
        evaluate,
        intake,
        jobs,
        judge,
        models,
        pretrain,
        replay,
        report,
        review,
        schema,
        shadow,
        stream,
        surge,
        system,
        tokens,
        train,
        why,
        worker,
    )

    with told():
        app()
    sys.exit(0)

"""What `ingest` and `replay` share: what is said of a file of records, and the bar that tells how far it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from voxpop.cli import errors

if TYPE_CHECKING:
    from voxpop.records import DeadLetter, Item

Name = Annotated[str, typer.Option(help="Source of records that name none; default: the file's name.")]
Channel = Annotated[str, typer.Option(help="news or social, for records that do not say.")]
LayoutFile = Annotated[Path | None, typer.Option("--map", help="TOML map from another layout to items.")]


@contextmanager
def reading(
    file: Path | BinaryIO, defaults: Mapping[str, str], layout: Path | None, *, doing: str, quiet: bool = False
) -> Iterator[Iterator[Item | DeadLetter]]:
    """The items of a file and what the door refused of it.

    Args:
        defaults: fields of records that do not say.
        doing: what stands beside the bar.
        quiet: show no bar; where stderr is no terminal there is none either.
    """
    from voxpop.sources import files
    from voxpop.sources.layouts import Layout

    now, rules = datetime.now(UTC), Layout.load(layout) if layout else None
    size = file.stat().st_size if isinstance(file, Path) and file.is_file() else None
    columns = TextColumn("{task.description}"), BarColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=errors, disable=quiet or not errors.is_terminal) as bar:
        task = bar.add_task(doing, total=size)

        def progress(done: int) -> None:
            bar.update(task, completed=done)

        yield files.read(file, defaults=defaults, layout=rules, received_at=now, now=now, progress=progress)

"""``evaluate``: how good a model is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from voxpop.cli import Json, app, console, emit, told


@app.command(epilog='Example: voxpop evaluate sentiment labelled.jsonl --json    with {"text", "label"} a line')
def evaluate(
    task: Annotated[
        Literal["sentiment", "topic", "nli", "qa", "claims", "events"], typer.Argument(help="What to measure.")
    ],
    file: Annotated[Path, typer.Argument(help="Labelled JSONL, gzip or not.")],
    profile: Annotated[str, typer.Option(help="Model profile.")] = "",
    as_json: Json = False,
) -> None:
    """Hold a model's answers against a labelled file: accuracy, macro-F1 and the figures of each class; for qa
    SQuAD's exact match and F1, for claims and risk events precision and recall."""
    from voxpop import models
    from voxpop.settings import Settings
    from voxpop.training.datasets import read_rows

    with told():
        rows = list(read_rows(file))
        settings = Settings.load()
        reader = models.load(profile or settings.profile, threads=settings.threads, batch_tokens=settings.batch_tokens)
        found = _measured(task, rows, reader)
        if as_json:
            emit(found)
            return
        if "accuracy" not in found:
            figures = [f"{name} {value:.3f}" for name, value in found.items() if isinstance(value, float)]
            console.print(f"{task}, {found['profile']}: {found['n']:,} rows, {', '.join(figures)}")
            return
        console.print(
            f"{task}, {found['profile']}: {found['n']:,} texts,"
            f" accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}"
        )
        table = Table("class", "precision", "recall", "F1", "texts")
        for label, of in found["per_class"].items():
            table.add_row(label, *(f"{of[name]:.3f}" for name in ("precision", "recall", "f1")), f"{of['support']:,}")
        console.print(table)


def _measured(task: str, rows: list[Any], reader: Any) -> dict[str, Any]:
    from voxpop.cli.judge import events_in_force
    from voxpop.training import claims, events
    from voxpop.training.evaluate import evaluate as labels

    if task == "claims":
        return claims.evaluate(rows, reader)
    if task == "events":
        return events.evaluate(rows, reader, events_in_force())
    return labels(task, rows, reader)  # type: ignore[arg-type]

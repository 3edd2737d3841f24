"""``evaluate`` and ``train``: how good a model is, and how it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from voxpop.cli import Json, app, console, emit, told


@app.command(epilog='Example: voxpop evaluate sentiment labelled.jsonl --json    with {"text", "label"} a line')
def evaluate(
    task: Annotated[Literal["sentiment", "topic", "nli", "qa", "claims"], typer.Argument(help="What to measure.")],
    file: Annotated[Path, typer.Argument(help="Labelled JSONL, gzip or not.")],
    profile: Annotated[str, typer.Option(help="Model profile.")] = "",
    as_json: Json = False,
) -> None:
    """Hold a model's answers against a labelled file: accuracy, macro-F1 and the figures of each class; for qa
    SQuAD's exact match and F1, for claims precision and recall."""
    from voxpop import models
    from voxpop.settings import Settings
    from voxpop.training import claims
    from voxpop.training.datasets import read_rows
    from voxpop.training.evaluate import evaluate as measure

    with told():
        rows = list(read_rows(file))
        settings = Settings.load()
        reader = models.load(profile or settings.profile, threads=settings.threads, batch_tokens=settings.batch_tokens)
        found = claims.evaluate(rows, reader) if task == "claims" else measure(task, rows, reader)
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


@app.command(epilog="Example: voxpop train topic --data labelled.jsonl.gz --out runs/topic")
def train(
    task: Annotated[Literal["sentiment", "topic"], typer.Argument(help="What to train.")],
    data: Annotated[list[Path], typer.Option(help="Labelled JSONL, gzip or not; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Folder for the adapter, the head, the metrics and the model card.")],
    epochs: Annotated[int, typer.Option(help="Passes over the training split.")] = 4,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 8e-4,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 7,
    as_json: Json = False,
) -> None:
    """Train an adapter and a head. A run that was interrupted goes on when the same command is given again."""
    from voxpop.training.finetune import train as finetune
    from voxpop.training.loop import Options

    with told():
        options = Options(epochs=epochs, learning_rate=learning_rate, seed=seed)
        metrics = finetune(task, data, out, options, quiet=as_json)
        if as_json:
            emit(metrics)
        else:
            console.print(metrics)

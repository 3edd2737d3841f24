"""``evaluate``: how good a model is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from voxpop.cli import Json, app, console, emit, told


@app.command(epilog='Example: voxpop evaluate sentiment labelled.jsonl --json    with {"text", "label"} a line')
def evaluate(
    task: Annotated[
        Literal["sentiment", "topic", "nli", "qa", "claims", "events", "checklist", "typos", "bias"],
        typer.Argument(help="What to measure."),
    ],
    file: Annotated[Path, typer.Argument(help="Labelled JSONL, gzip or not.")],
    profile: Annotated[str, typer.Option(help="Model profile.")] = "",
    as_json: Json = False,
) -> None:
    """Hold a model's answers against a labelled file: accuracy, macro-F1 and the figures of each class.

    For qa SQuAD's exact match and F1, for claims and risk events precision and recall.

    How steady it is: checklist takes a file of CheckList tests of sentiment; typos a labelled file of sentiment or
    topics; bias texts with "entity" or "entities", in which other names of companies, countries and persons are put.
    """
    from voxpop import models
    from voxpop.settings import Settings

    with told():
        rows = _rows(task, file)
        settings = Settings.load()
        reader = models.load(profile or settings.profile, threads=settings.threads, batch_tokens=settings.batch_tokens)
        found = _measured(task, rows, reader)
        if as_json:
            emit(found)
        else:
            _SHOWN.get(task, _show_figures)(found)


def _rows(task: str, file: Path) -> list[Any]:
    from voxpop.training import robustness
    from voxpop.training.datasets import read_rows, rows_of

    if task == "checklist":
        return robustness.read_tests(file)
    return [one for row in read_rows(file) for one in rows_of(task, row)]


def _measured(task: str, rows: list[Any], reader: Any) -> dict[str, Any]:
    from voxpop.cli.judge import events_in_force
    from voxpop.training import bias, claims, events, robustness
    from voxpop.training.evaluate import evaluate as labels

    if task == "events":
        return events.evaluate(rows, reader, events_in_force())
    of_their_own: dict[str, Callable[[list[Any], Any], dict[str, Any]]] = {
        "claims": claims.evaluate,
        "checklist": robustness.checklist,
        "typos": robustness.typos,
        "bias": bias.bias,
    }
    return of_their_own[task](rows, reader) if task in of_their_own else labels(task, rows, reader)  # type: ignore[arg-type]


# --- printing --------------------------------------------------------------------------------------------------------


def _show_figures(found: Mapping[str, Any]) -> None:
    figures = [f"{name} {value:.3f}" for name, value in found.items() if isinstance(value, float)]
    console.print(f"{found['task']}, {found['profile']}: {found['n']:,} rows, {', '.join(figures)}", markup=False)


def _show_labels(found: Mapping[str, Any]) -> None:
    console.print(
        f"{found['task']}, {found['profile']}: {found['n']:,} texts,"
        f" accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}",
        markup=False,
    )
    table = Table("class", "precision", "recall", "F1", "texts")
    for label, of in found["per_class"].items():
        table.add_row(
            escape(label), *(f"{of[name]:.3f}" for name in ("precision", "recall", "f1")), f"{of['support']:,}"
        )
    console.print(table)


def _show_checklist(found: Mapping[str, Any]) -> None:
    console.print(f"checklist, {found['profile']}: {len(found['tests'])} tests, {found['n']:,} cases", markup=False)
    table = Table("type", "capability", "test", "cases", "failed")
    for of in found["tests"]:
        table.add_row(of["type"], of["capability"], escape(of["name"]), f"{of['cases']:,}", _share(of["failure_rate"]))
    console.print(table)
    for heading in ("capability", "type"):
        table = Table(heading, "tests", "failed, mean of tests")
        for group, of in found[f"per_{heading}"].items():
            table.add_row(escape(group), str(of["tests"]), _share(of["failure_rate"]))
        console.print(table)


def _show_typos(found: Mapping[str, Any]) -> None:
    console.print(f"typos, {found['of']}, {found['profile']}: {found['n']:,} texts", markup=False)
    table = Table("typos a text", "accuracy", "macro-F1", "labels changed")
    for of in found["levels"]:
        table.add_row(str(of["typos"]), f"{of['accuracy']:.3f}", f"{of['macro_f1']:.3f}", _share(of["changed"]))
    console.print(table)


def _show_bias(found: Mapping[str, Any]) -> None:
    console.print(f"bias, {found['profile']}: {found['n']:,} targets", markup=False)
    table = Table("names of", "texts", "swaps", "texts changed", "swaps changed", "largest mean shift of P(negative)")
    for group, of in found["groups"].items():
        one = of["largest"]
        shift = f"{one['shift']:+.4f} ({one['value']}, {one['swaps']:,} swaps)" if one else ""
        changed = (_share(of["texts_changed"]), _share(of["swaps_changed"]))
        table.add_row(group, f"{of['texts']:,}", f"{of['swaps']:,}", *changed, shift)
    console.print(table)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


_SHOWN: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "sentiment": _show_labels,
    "topic": _show_labels,
    "nli": _show_labels,
    "checklist": _show_checklist,
    "typos": _show_typos,
    "bias": _show_bias,
}

"""``bench``: how fast it is, beside others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from voxpop.cli import Json, app, console, emit, errors, told
from voxpop.errors import SettingError

if TYPE_CHECKING:
    from voxpop.bench.run import Report

QUICK = (16, 1)
"""Texts and runs of a quick try."""


@app.command(epilog="Example: voxpop bench --chart throughput.svg")
def bench(
    texts: Annotated[int, typer.Option(help="Texts to measure on.", min=2)] = 64,
    runs: Annotated[int, typer.Option(help="Turns of each figure; the median counts.", min=1)] = 5,
    file: Annotated[
        Path | None,
        typer.Option(help='Texts of your own: JSONL with "text", or a text a line; --texts then limits it.'),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few texts, one turn: to see that it runs.")] = False,
    store: Annotated[bool, typer.Option(help="Also measure the way through the log into PostgreSQL.")] = True,
    chart: Annotated[Path | None, typer.Option(help="Write throughput by batch policy here, as .svg or .html.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the reader side by side with transformers on the same weights, and the way from the log into SQL.

    Contenders take turns in one run, so that what else the machine does falls on all of them: read ratios, not rates.
    """
    with told():
        if chart is not None and chart.suffix not in (".svg", ".html"):
            raise SettingError(f"{chart} must end in .svg or .html")
        from voxpop.bench import run
        from voxpop.bench import texts as sources

        count, turns = (min(texts, QUICK[0]), QUICK[1]) if quick else (texts, runs)
        given = sources.read(file)[:count] if file else run.written(count)
        with errors.status("loading the model") as status:
            report = run.measure(given, turns, lambda said: status.update(escape(said)), store=store)
        if chart is not None:
            _draw(report, chart)
        emit(report) if as_json else _show(report)


def _show(report: Report) -> None:
    machine = report.machine
    console.print(
        f"{machine.processor}, {machine.cores} cores, {machine.instructions}, {machine.dtype}, torch {machine.torch};"
        f" load {machine.load[0]} to {machine.load[1]}; {report.texts} texts, {report.runs} turns,"
        f" {report.seconds:.0f} s",
        highlight=False,
    )
    table = Table("what", "measured", "wanted", "", "note")
    for row in report.rows:
        value = "" if row.value is None else f"{row.value:,.2f} {row.unit}"
        met = "" if row.met is None else "[green]yes[/green]" if row.met else "[red]no[/red]"
        table.add_row(escape(row.name), value, row.target, met, escape(row.note))
    console.print(table)
    table = Table("batch policy, topic", "texts a second")
    for name, rate in report.policies.items():
        table.add_row(escape(name), f"{rate:,.1f}")
    console.print(table)


def _draw(report: Report, path: Path) -> None:
    from voxpop.bench import policies
    from voxpop.bench.chart import bars

    machine = report.machine
    title = f"Texts a second by batch policy: topic, {machine.cores} cores, {machine.dtype}"
    svg = bars(title, report.policies, "/s", policies.OURS)
    whole = f"<!doctype html><meta charset=utf-8><title>{title}</title>\n{svg}" if path.suffix == ".html" else svg
    path.write_text(whole, encoding="utf-8")

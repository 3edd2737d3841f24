"""``demo``: the sample stream, end to end."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from voxpop.cli import app, console, errors, require_place, told

if TYPE_CHECKING:
    from voxpop.demo import Quote, Summary


@app.command(epilog="Example: voxpop demo    or, for a script: voxpop demo --no-serve --summary out.json")
def demo(
    serve: Annotated[bool, typer.Option(help="Open the dashboard at the end.")] = True,
    summary: Annotated[Path | None, typer.Option(help="Write the figures to this file as JSON.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write the sample stream to this file as JSONL and end.")] = None,
) -> None:
    """Play two weeks of invented news and posts through the whole system and show what it found."""
    from voxpop import sample

    with told():
        for file in (summary, export):
            if file is not None:
                require_place(file)
    if export is not None:
        export.write_text("".join(sample.stream()), "utf-8")
        console.print(f"the sample stream is in {export}", markup=False, soft_wrap=True)
        return
    from voxpop.demo import play
    from voxpop.scratch import scratch_app
    from voxpop.settings import Settings

    with told():
        settings = Settings.load()
        errors.print("Starting the database and loading the model …")
        with scratch_app(settings, "demo") as live:
            with Progress(
                TextColumn("reading the sample stream"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=errors,
                disable=not errors.is_terminal,
            ) as bar:
                task = bar.add_task("read", total=None)
                told_of = play(live, progress=lambda read, left: bar.update(task, completed=read, total=read + left))
            _show(told_of)
            if summary is not None:
                summary.write_bytes(msgspec.json.format(msgspec.json.encode(told_of.counts()), indent=2) + b"\n")
            if serve:
                from voxpop.api.server import serving

                with serving(live) as url:
                    console.print(f"Dashboard: [link={url}]{url}[/link]    Ctrl-C ends.")
                    threading.Event().wait()


def _show_claims(summary: Summary) -> None:
    """What the evidence of each alert asserts, in its own words, each once."""
    for incident, alert in summary.findings:
        sources: dict[Quote, list[str]] = {}
        for quote in summary.quotes.get(alert.id, []) if alert else []:
            sources.setdefault(quote._replace(source=""), []).append(quote.source)
        for quote, told_by in sources.items():
            text = Text("  ")
            text.append(f"{incident.title}: ", style="dim")
            text.append(f"{quote.name} … {quote.text}" if quote.name not in quote.text else quote.text, style="bold")
            about = [*([quote.factuality] if quote.factuality != "asserted" else []), *quote.details]
            text.append(f" ({'; '.join(about)})" if about else "")
            text.append(f" [{', '.join(quote.risks)}]" if quote.risks else "", style="red")
            text.append(f" – {', '.join(told_by)}", style="dim")
            console.print(text, highlight=False)


def _show(summary: Summary) -> None:
    figures = summary.counts()
    console.print(
        Panel(
            f"[bold]{figures['items_in']:,}[/bold] items in, {figures['items_refused']} refused"
            f" · [bold]{figures['stories']:,}[/bold] stories · {figures['unread_documents']:,} documents in no"
            f" language that is read\n[bold]{figures['documents_per_second']:.0f}[/bold] documents a second"
            f" ({summary.figures.seconds:.1f} s), from the raw item to the stored opinion",
            title="Two weeks of news and posts",
            title_align="left",
        )
    )
    table = Table("planted incident", "began", "alert after", "stories", "expected")
    for incident, alert in summary.findings:
        began = f"{incident.begins:%a %d %b %H:%M}"
        if alert is None:
            table.add_row(incident.title, began, "[red]missed[/red]", "", "")
        else:
            delay = alert.fired_at - incident.begins
            table.add_row(
                incident.title,
                began,
                f"[green]{delay.total_seconds() / 3600:.1f} h[/green]",
                f"1, reach {alert.reach:,}" if alert.reach else str(alert.stories),
                f"{alert.expected:,.0f}" if alert.reach else f"{alert.expected:.1f}",
            )
    console.print(table)
    _show_claims(summary)
    found = f"{figures['incidents_found']} of {figures['incidents_planted']} incidents found"
    console.print(f"[bold]{found}[/bold], {figures['false_alerts']} false alerts", highlight=False)
    for alert in summary.false_alerts:
        console.print(
            f"  [yellow]false:[/yellow] {alert.entity} at {alert.fired_at:%a %d %b %H:%M}, {alert.stories} stories"
        )
    for source, start, end in summary.silences:
        console.print(
            f"  no data from {source} between {start:%a %d %b %H:%M} and {end:%a %d %b %H:%M}: not calm, silent"
        )

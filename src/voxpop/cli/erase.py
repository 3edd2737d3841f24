"""``erase``: the documents of an author or a source, with everything made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from voxpop.cli import Json, app, console, emit, errors, told


@app.command(epilog="Example: voxpop erase --author 'Jane Doe' --by joe --dry-run")
def erase(
    author: Annotated[str, typer.Option(help="As documents name their author.")] = "",
    source: Annotated[str, typer.Option(help="As documents name their source; with --author: only in this one.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who does it; it is recorded, and what was erased is not.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    show: Annotated[bool, typer.Option("--log", help="Show what was erased, by whom and when, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Erase the documents of an author or a source, what was read in them, and wherever they are quoted.

    Backups made before hold them still: erase again after a restore. Not undone by anything.
    """
    from voxpop import retention
    from voxpop.app import App
    from voxpop.store import erasures

    with told(), App() as live:
        if show:
            with live.engine.connect() as connection:
                _log(erasures.log(connection), as_json)
            return
        subject = retention.subject_of(author, source)
        place = retention.Place(engine=live.engine, log=live.log, settings=live.settings)
        counts = retention.count(place, subject) if dry_run else retention.erase(place, subject, by, datetime.now(UTC))
        if as_json:
            emit({"erased": not dry_run, "kind": subject.kind, "rows": counts})
            return
        table = Table("table", "rows", title="would be erased" if dry_run else f"erased by {by}")
        for name, rows in sorted(counts.items()):
            table.add_row(name.replace("_", " "), f"{rows:,}")
        console.print(table)
        if counts.get("log_records_unread"):
            errors.print("What the log holds unread goes with its retention, and is not stored when it is read.")


def _log(found: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        emit(found)
        return
    table = Table("began", "ended", "kind", "hash", "by", "rows")
    for one in found:
        ended = "not yet: run it again" if one["ended_at"] is None else f"{one['ended_at']:%Y-%m-%d %H:%M}"
        counts = one["counts"]
        rows = sum(counts.values()) if isinstance(counts, dict) else 0
        began = f"{one['received_at']:%Y-%m-%d %H:%M}"
        table.add_row(began, ended, str(one["kind"]), str(one["subject"])[:10], escape(str(one["who"])), f"{rows:,}")
    console.print(table)

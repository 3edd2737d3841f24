"""``why``: which gate kept something from being told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from voxpop.cli import Json, app, console, emit, told


@app.command(epilog="Example: voxpop why acme --at 2026-03-12T14:00Z")
def why(
    entity: Annotated[str, typer.Argument(help="Id, name, alias or ticker of an entity.")],
    at: Annotated[str, typer.Option(help="Time, ISO 8601, UTC without a zone; default: the end of the stream.")] = "",
    hours: Annotated[float, typer.Option(help="How far to look back from then.", min=1)] = 24,
    as_json: Json = False,
) -> None:
    """Why was I not told? Walks every gate from feed to delivery and names the one that stopped it."""
    from voxpop import alertsfile
    from voxpop import why as walk
    from voxpop.api import figures
    from voxpop.app import App
    from voxpop.errors import SettingError
    from voxpop.store import models, queries

    with told(), App() as live, live.engine.connect() as connection:
        model, known = models.active(connection), queries.counts(connection).watermark
        if model is None or known is None:
            raise SettingError("nothing was read yet: `voxpop run` reads what comes in")
        s, now = live.settings, datetime.now(UTC)
        rules = alertsfile.load(s.alerts_file, f"http://{s.host}:{s.port}")
        when = _time(at) if at else known + timedelta(seconds=1)
        answer = walk.why(connection, entity, model, rules, when, now, timedelta(hours=hours))
        stopped = answer.stopped_by
        if as_json:
            gates = [{**gate._asdict(), "figures": figures.told("en", gate)} for gate in answer.gates]
            emit({**answer._asdict(), "gates": gates, "stopped_by": stopped.name if stopped else None})
            return
        table = Table(
            "",
            "gate",
            "figures",
            title=escape(f"{answer.name}, {answer.start:%m-%d %H:%M} to {answer.end:%m-%d %H:%M}"),
        )
        for gate in answer.gates:
            table.add_row("✓" if gate.passed else "[red]✗[/red]", gate.name, escape(figures.told("en", gate)))
        console.print(table)
        console.print(f"Stopped by: {stopped.name}" if stopped else "People were told.")


def _time(written: str) -> datetime:
    from voxpop.errors import SettingError

    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise SettingError(f"{written!r} is no time; one is written 2026-03-12T14:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)

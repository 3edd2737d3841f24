"""``db``, ``serve`` and ``doctor``: the installation itself."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from voxpop.cli import Json, app, console, emit, errors, folded, told

db_app = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(db_app, name="db")


@db_app.command("upgrade", epilog="Example: voxpop db upgrade")
def db_upgrade() -> None:
    """Bring the database to this version's schema and make the topics."""
    from voxpop.app import App
    from voxpop.store import schema

    with told(), App() as live:
        _ = live.log
        console.print(f"the schema is at {schema.current(live.engine)}")


@db_app.command("downgrade", epilog="Example: voxpop db downgrade base    drops every table")
def db_downgrade(
    revision: Annotated[str, typer.Argument(help="Revision to go back to; base: an empty database.")],
) -> None:
    """Take the schema back. Tables that the older one lacks are dropped with what is in them."""
    from voxpop.app import App
    from voxpop.store import schema

    with told(), App() as live:
        schema.downgrade(live.engine, revision)
        console.print(f"the schema is at {schema.current(live.engine)}")


@db_app.command("status", epilog="Example: voxpop db status --json")
def db_status(as_json: Json = False) -> None:
    """How many rows there are of what, and how far the stream is read."""
    from sqlalchemy import func, select

    from voxpop.app import App
    from voxpop.backlog import waiting
    from voxpop.store import schema, tables

    with told(), App() as live:
        with live.engine.connect() as connection:
            counted = {
                t.name: connection.execute(select(func.count()).select_from(t)).scalar_one()
                for t in tables.metadata.sorted_tables
            }
        status = {"schema": schema.current(live.engine), "records_waiting": waiting(live), "rows": counted}
        if as_json:
            emit(status)
            return
        table = folded("table", "rows", title=f"schema {status['schema']}, {status['records_waiting']} records waiting")
        for name, rows in sorted(counted.items()):
            table.add_row(name, f"{rows:,}")
        console.print(table)


@db_app.command("erase-raw", epilog="Example: voxpop db erase-raw --older-than 7    keeps a week")
def db_erase_raw(
    older_than: Annotated[float, typer.Option(help="Days to keep; 0: erase all that every consumer has read.")] = 0,
) -> None:
    """Delete raw items from the log, and dead letters, for good. Documents, which are masked, stay."""
    from datetime import UTC, datetime, timedelta

    from voxpop.app import App
    from voxpop.store import rereading

    with told(), App() as live, live.engine.begin() as connection:
        before = datetime.now(UTC) - timedelta(days=older_than)
        console.print(f"{rereading.expire_raw(connection, before):,} raw records erased")


@app.command(epilog="Example: voxpop serve --port 8350")
def serve(
    host: Annotated[str, typer.Option(help="Address; default: VOXPOP_HOST.")] = "",
    port: Annotated[int | None, typer.Option(help="Port; default: VOXPOP_PORT.")] = None,
) -> None:
    """Serve the dashboard and the API until Ctrl-C."""
    import dataclasses
    import threading

    from voxpop.api.server import serving
    from voxpop.app import App
    from voxpop.settings import Settings

    with told():
        settings = Settings.load()
        port = settings.port if port is None else port
        settings = dataclasses.replace(settings, host=host or settings.host, port=port)
        with App(settings) as live, serving(live) as url:
            errors.print(f"Dashboard: {url}    Ctrl-C ends.")
            threading.Event().wait()


@app.command(epilog="Example: voxpop doctor --json")
def doctor(as_json: Json = False) -> None:
    """Check the installation and show every setting in force, secrets hidden."""
    from voxpop.settings import Settings
    from voxpop.store.embedded import server

    with told():
        settings = Settings.load()
        checks: dict[str, str] = {
            "voxpop": importlib.metadata.version("voxpop"),
            "python": platform.python_version(),
            "cores": str(os.cpu_count()),
            "torch": importlib.metadata.version("torch"),
            "home": str(settings.home),
        }
        parent = next(p for p in (settings.home, *settings.home.parents) if p.exists())
        checks["free disk"] = f"{shutil.disk_usage(parent).free / 2**30:.1f} GiB"
        checks["database"] = "your own" if settings.database_url else str(server.status(settings.home))
        checks["model"] = _model(settings.profile, settings.home)
        if as_json:
            emit({"checks": checks, "settings": settings.shown()})
            return
        table = folded("check", "found", show_header=False)
        for name, found in checks.items():
            table.add_row(name, escape(found))
        console.print(table)
        table = folded("setting", "value", "meaning")
        for variable, value, meaning in settings.shown():
            table.add_row(variable, escape(value), escape(meaning))
        console.print(table)


def _model(profile: str, home: Path) -> str:
    """Whether the files of the profile are what they must be; does not load torch."""
    from voxpop.models.state import examine

    fault, files = examine(profile, home)
    return f"broken: {fault}" if fault else f"{profile}, {len(files)} files verified"

"""``backup`` and ``restore``: the whole database as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxpop.cli import Json, app, console, emit, told


@app.command(epilog="Example: voxpop backup /backups/voxpop-$(date +%F).zip")
def backup(
    file: Annotated[Path, typer.Argument(help="A file that does not exist yet.")],
    as_json: Json = False,
) -> None:
    """Write all that the database holds to one file, as of one moment, while everything runs."""
    from voxpop.app import App
    from voxpop.store import backup as backups

    with told(), App() as live:
        made = backups.make(live.engine, file)
        if as_json:
            emit({"file": str(file), "bytes": file.stat().st_size, "rows": made.rows, "schema": made.revision})
            return
        size = file.stat().st_size / 2**20
        console.print(
            f"{made.rows:,} rows in {file}, {size:,.1f} MiB, schema {made.revision}", markup=False, soft_wrap=True
        )


@app.command(epilog="Example: voxpop restore voxpop-2026-03-02.zip, then voxpop alerts release --by NAME")
def restore(
    file: Annotated[Path, typer.Argument(help="What `voxpop backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Give up what the database holds now.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the file is whole.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a backup back, all of it or nothing. Nothing is sent until `voxpop alerts release`."""
    from voxpop.app import App
    from voxpop.store import restore as restoring
    from voxpop.store.engine import open_engine, require_answer

    with told():
        if check:
            found = restoring.check(file)
        else:
            with App() as live:
                engine = open_engine(live.database_url)  # not live.engine, which would migrate first
                require_answer(engine)
                try:
                    found = restoring.restore(engine, file, replace=replace)
                finally:
                    engine.dispose()
        if as_json:
            emit({"made_at": found.made_at, "rows": found.rows, "schema": found.revision, "restored": not check})
            return
        console.print(
            f"{file}: {found.rows:,} rows of {found.made_at:%Y-%m-%d %H:%M} UTC, whole", markup=False, soft_wrap=True
        )
        if not check:
            console.print("restored; nothing is sent until `voxpop alerts release --by NAME`", soft_wrap=True)

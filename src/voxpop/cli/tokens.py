"""``tokens``, ``sessions`` and ``audit``: which programs may ask the API, who is signed in, and who changed what."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape

from voxpop.cli import Json, app, console, emit, folded, told

tokens_app = typer.Typer(help="Tokens by which programs ask the API.", no_args_is_help=True)
app.add_typer(tokens_app, name="tokens")
sessions_app = typer.Typer(help="Browsers that are signed in.", no_args_is_help=True)
app.add_typer(sessions_app, name="sessions")

Days = Annotated[int, typer.Option(min=0, max=3650, help="Days until it expires; 0: never.")]


@tokens_app.command(epilog="Example: voxpop tokens create 'risk notebook' --role viewer --days 90")
def create(
    name: Annotated[str, typer.Argument(help="Whose it is; stands in the audit trail beside what it changes.")],
    role: Annotated[str, typer.Option(help="viewer reads, analyst also changes, admin may everything.")] = "viewer",
    days: Days = 365,
    as_json: Json = False,
) -> None:
    """Make a token. It is printed once, and kept nowhere."""
    from voxpop.api.who import role_of
    from voxpop.app import App
    from voxpop.errors import SettingError
    from voxpop.store import access

    with told(), App() as live:
        now, called, kind = datetime.now(UTC), name.strip(), role_of(role)
        if not called or len(called) > 200 or not called.isprintable():
            raise SettingError("a name is 1 to 200 printable characters")
        expires = now + timedelta(days=days) if days else None
        with live.engine.begin() as connection:
            key, secret = access.create_token(connection, called, kind, getpass.getuser(), now, expires)
        if as_json:
            emit({"id": key, "name": called, "role": kind, "expires_at": expires, "token": secret})
            return
        console.print(f"{key}: {escape(called)}, {kind}, expires {expires or 'never'}. It is shown this once:")
        sys.stdout.write(secret + "\n")


@tokens_app.command("list", epilog="Example: voxpop tokens list")
def list_(as_json: Json = False) -> None:
    """Every token that was made, who made it, and when it was used last."""
    from voxpop.app import App
    from voxpop.store import access

    with told(), App() as live, live.engine.connect() as connection:
        found = access.list_tokens(connection)
    if as_json:
        emit([token._asdict() for token in found])
        return
    table = folded("id", "name", "role", "made by", "expires", "last used", "ended", title=f"{len(found)} tokens")
    for t in found:
        ends = (t.expires_at, t.used_at, t.revoked_at)
        table.add_row(
            t.id, escape(t.name), t.role, escape(t.who), *(f"{at:%Y-%m-%d %H:%M}" if at else "" for at in ends)
        )
    console.print(table)


@tokens_app.command(epilog="Example: voxpop tokens rotate 3f9a1c02")
def rotate(
    key: Annotated[str, typer.Argument(help="Its id, as `voxpop tokens list` shows it.")],
    days: Days = 365,
    as_json: Json = False,
) -> None:
    """Make a new token in a token's place, which ends at once. Its id, and all that is known by it, stays."""
    from voxpop.app import App
    from voxpop.errors import SettingError
    from voxpop.store import access

    with told(), App() as live:
        expires = datetime.now(UTC) + timedelta(days=days) if days else None
        with live.engine.begin() as connection:
            secret = access.rotate_token(connection, key, getpass.getuser(), expires)
        if secret is None:
            raise SettingError(f"no token {key!r} is there to replace; `voxpop tokens list` shows them")
        if as_json:
            emit({"id": key, "expires_at": expires, "token": secret})
            return
        console.print(f"{key}: expires {expires or 'never'}. It is shown this once:")
        sys.stdout.write(secret + "\n")


@tokens_app.command(epilog="Example: voxpop tokens revoke 3f9a1c02")
def revoke(key: Annotated[str, typer.Argument(help="Its id, as `voxpop tokens list` shows it.")]) -> None:
    """End a token, and whoever is signed in with it, at once."""
    from voxpop.app import App
    from voxpop.errors import SettingError
    from voxpop.store import access

    with told(), App() as live, live.engine.begin() as connection:
        if not access.revoke_token(connection, key, getpass.getuser(), datetime.now(UTC)):
            raise SettingError(f"no token {key!r} is in force; `voxpop tokens list` shows them")
        console.print(f"{key} ended")


@sessions_app.command("list", epilog="Example: voxpop sessions list")
def list_sessions(as_json: Json = False) -> None:
    """Who is signed in with a browser, how, and until when."""
    from voxpop.app import App
    from voxpop.store import access

    with told(), App() as live, live.engine.connect() as connection:
        found = access.list_sessions(connection, datetime.now(UTC), live.settings.admin_token)
    if as_json:
        emit([session._asdict() for session in found])
        return
    table = folded("name", "role", "by", "since", "until", "id", title=f"{len(found)} sessions")
    for s in found:
        times = (f"{at:%Y-%m-%d %H:%M}" for at in (s.received_at, s.expires_at))
        table.add_row(escape(s.name), s.role, s.how, *times, s.person)
    console.print(table)


@sessions_app.command("end", epilog="Example: voxpop sessions end jane")
def end_sessions(
    name: Annotated[str, typer.Argument(help="Whose, as `voxpop sessions list` shows them: a name or an id.")],
) -> None:
    """Sign a person out of every browser, at once. To keep them out, end their token or ask the provider."""
    from voxpop.app import App
    from voxpop.errors import SettingError
    from voxpop.store import access

    with told(), App() as live, live.engine.begin() as connection:
        by, now = getpass.getuser(), datetime.now(UTC)
        ended = access.end_sessions(connection, name, by, now, live.settings.admin_token)
        if not ended:
            raise SettingError(f"nobody called {name!r} is signed in; `voxpop sessions list` shows who is")
        console.print(f"{ended} {'session' if ended == 1 else 'sessions'} of {escape(name)} ended")


@app.command(epilog="Example: voxpop audit --limit 20")
def audit(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows, the newest first.")] = 100,
    as_json: Json = False,
) -> None:
    """Who changed what, and when."""
    from voxpop.app import App
    from voxpop.store import access

    with told(), App() as live, live.engine.connect() as connection:
        rows = access.audited(connection, limit=limit)
    if as_json:
        emit([row._asdict() for row in rows])
        return
    table = folded("when", "who", "what", "about", "details", "id of who")
    for row in rows:
        details = ", ".join(f"{name} {value}" for name, value in row.details.items())
        cells = (row.who, row.what, row.about, details, row.person or "")
        table.add_row(f"{row.at:%Y-%m-%d %H:%M:%S}", *map(escape, cells))
    console.print(table)

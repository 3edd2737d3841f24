"""``models shadow``, ``promote`` and ``undo``: a second model version beside the first, and in its place."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from voxpop.cli import Json, app, console, emit, errors, folded, told
from voxpop.cli.models import models_app

if TYPE_CHECKING:
    from voxpop.app import App
    from voxpop.promotion import Difference
    from voxpop.records import Alert

shadow_app = typer.Typer(help="A model version that reads beside the one that counts.", no_args_is_help=True)
models_app.add_typer(shadow_app, name="shadow")

By = Annotated[str, typer.Option("--by", help="Who does it; it is recorded.")]
_ = app  # the commands of this file hang below ``models``, which hangs below it


@shadow_app.command("list", epilog="Example: voxpop models shadow list --json")
def shadow_list(as_json: Json = False) -> None:
    """The model versions that have read something, which one counts, and who made which one count."""
    from voxpop.app import App
    from voxpop.store import models

    with told(), App() as live, live.engine.connect() as connection:
        versions, moves = models.versions(connection), models.moves(connection)
        if as_json:
            emit({"versions": [v._asdict() for v in versions], "moves": [m._asdict() for m in moves]})
            return
        table = folded("version", "profile", "counts", "since")
        for v in versions:
            table.add_row(
                escape(v.model), escape(v.profile), "yes" if v.active else "", f"{v.received_at:%Y-%m-%d %H:%M}"
            )
        console.print(table if versions else "No version has read anything yet.")
        for m in moves:
            at = f"{m.received_at:%Y-%m-%d %H:%M}"
            console.print(escape(f"{at} {m.kind} by {m.who}: {m.model} in place of {m.former}"), soft_wrap=True)


@shadow_app.command("status", epilog="Example: voxpop models shadow status --json")
def shadow_status(as_json: Json = False) -> None:
    """How far each version has read what is looked back over; one can be promoted when nothing is left."""
    from voxpop import shadow
    from voxpop.app import App
    from voxpop.store import models
    from voxpop.store import shadow as stored

    with told(), App() as live:
        since = shadow.looked_back(live)
        with live.engine.connect() as connection:
            found = [
                v._asdict() | ({} if since is None else stored.progress(connection, v.model, since)._asdict())
                for v in models.versions(connection)
            ]
        if as_json:
            emit({"since": since, "profile": live.settings.shadow_profile, "versions": found})
            return
        table = folded(
            "version", "profile", "counts", "read", "left", title=f"documents since {since:%Y-%m-%d}" if since else None
        )
        for one in found:
            figures = (f"{one.get(name, 0):,}" for name in ("read", "left"))
            table.add_row(escape(one["model"]), escape(one["profile"]), "yes" if one["active"] else "", *figures)
        console.print(table)
        if not live.settings.shadow_profile:
            errors.print("No profile reads in the shadow: VOXPOP_SHADOW_PROFILE names one.")


@shadow_app.command(
    "run", epilog="Example: voxpop models shadow run    `voxpop run` and the analyst do it by themselves"
)
def shadow_run(as_json: Json = False) -> None:
    """Read what the shadow profile has not read yet, now and without standing aside, and end."""
    from voxpop import shadow
    from voxpop.app import App

    with told(), App() as live:
        live.follow()
        done = shadow.catch_up(live, live.beside)
        if as_json:
            emit({"read": done})
        else:
            console.print(f"{done:,} documents read by {live.beside}", markup=False)


@models_app.command(epilog="Example: voxpop models promote bundled-4f1c --by jane --dry-run")
def promote(
    version: Annotated[str, typer.Argument(help="As `voxpop models shadow list` shows it, or its beginning.")],
    by: By = "",
    budget: Annotated[
        str, typer.Option(help="Alerts that the desk will read: 5/day, 20/week. Empty: the setting's.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Show the alerts that another model version would have raised, and make it the one that counts."""
    from voxpop import promotion
    from voxpop.app import App
    from voxpop.cli.calibrate import budget_of

    with told(), App() as live:
        a_day = budget_of(budget) if budget else live.settings.alert_budget_per_day
        with live.engine.connect() as connection:
            who = by or (getpass.getuser() if dry_run else "")
            new, former = promotion.candidate(connection, version, who)
        found = promotion.compare(live.engine, new.model, former.model, a_day, _standing(live))
        detail = _detail(found)
        if not as_json:
            _show(found, new.model, former.model)
        if not dry_run:
            if not yes and not as_json:
                typer.confirm(f"Make {new.model} count in place of {former.model}?", abort=True)
            change = promotion.Change(kind="promoted", new=new, former=former, who=by, cuts=found.cuts, detail=detail)
            promotion.carry_out(live, change)
        if as_json:
            emit({"version": new.model, "former": former.model, "promoted": not dry_run, **detail})
        elif not dry_run:
            console.print(escape(f"{new.model} counts; `voxpop models undo --by NAME` takes it back"), soft_wrap=True)


@models_app.command(epilog="Example: voxpop models undo --by jane")
def undo(by: By = "", as_json: Json = False) -> None:
    """Take the last promotion back: the version that counted before counts again, with its own cuts."""
    from voxpop import promotion
    from voxpop.app import App

    with told(), App() as live:
        with live.engine.connect() as connection:
            former, promoted = promotion.former_of(connection, by)
        promotion.carry_out(live, promotion.Change(kind="undone", new=former, former=promoted, who=by))
        if as_json:
            emit({"version": former.model, "former": promoted.model})
        else:
            console.print(escape(f"{former.model} counts again"), soft_wrap=True)


def _standing(live: App) -> tuple[str, ...]:
    from voxpop import alertsfile

    s = live.settings
    return tuple(alertsfile.load(s.alerts_file, f"http://{s.host}:{s.port}").standing)


def _detail(found: Difference) -> dict[str, Any]:
    return {
        "gained": [_line(alert) for alert in found.gained],
        "lost": [_line(alert) for alert in found.lost],
        "both": found.both,
        "cuts": found.cuts,
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
    }


def _line(alert: Alert) -> dict[str, Any]:
    at = alert.fired_at.isoformat()
    return {"rule": alert.rule, "entity": alert.entity, "fired_at": at, "score": round(alert.score, 2)}


def _show(found: Difference, new: str, former: str) -> None:
    title = f"{found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}: {found.both} alerts by both"
    table = folded("", "fired", "rule", "entity", "score", "cut", title=title)
    for sign, alerts in (("gained", found.gained), ("lost", found.lost)):
        for one in alerts:
            at = f"{one.fired_at:%Y-%m-%d %H:%M}"
            table.add_row(sign, at, one.rule, escape(one.entity), f"{one.score:.1f}", f"{one.cut:.1f}")
    console.print(table)
    console.print(
        escape(f"gained by {new}: {len(found.gained)}; lost with {former}: {len(found.lost)}"), soft_wrap=True
    )

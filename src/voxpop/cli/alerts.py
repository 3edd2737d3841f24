"""``alerts``: what was raised, who was told, and what a person makes of it."""

from __future__ import annotations

import getpass
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from voxpop.cli import Json, app, console, emit, folded, told

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from voxpop.alertsfile import Rules
    from voxpop.settings import Settings

alerts_app = typer.Typer(help="Alerts: what was raised, who was told, who took it on.", no_args_is_help=True)
app.add_typer(alerts_app, name="alerts")

Alert = Annotated[str, typer.Argument(help="Beginning of the alert's id, as `voxpop alerts list` shows it.")]
Who = Annotated[str, typer.Option("--by", help="Who does it; default: your login name.")]
_SHORT = 10


@alerts_app.command("list", epilog="Example: voxpop alerts list --open")
def list_(
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not resolved.")] = False,
    limit: Annotated[int, typer.Option(help="Most alerts to show, the newest first.")] = 30,
    as_json: Json = False,
) -> None:
    """Alerts, the newest first, each in one line of its evidence."""
    from voxpop.app import App

    with told(), App() as live, live.engine.connect() as connection:
        shown = _listed(connection, _rules(live.settings), open_only, limit)
        if as_json:
            emit(shown)
            return
        title = f"{len(shown)} alert{'' if len(shown) == 1 else 's'}"
        table = folded("alert", "fired", "severity", "phase", "what happened", title=title)
        for row in shown:
            at = f"{row['fired_at']:%Y-%m-%d %H:%M}"
            table.add_row(row["id"][:_SHORT], at, row["severity"], row["phase"], escape(row["line"]))
        console.print(table)


def _listed(connection: Connection, rules: Rules, open_only: bool, limit: int) -> list[dict[str, Any]]:
    from voxpop import alerting
    from voxpop.store import alerts

    newest = list(reversed(alerts.stored(connection)))
    now = datetime.now(UTC)
    stands = {s.case.alert: s for s in alerting.stands(connection, rules, now, [a.id for a in newest])}
    rows: list[dict[str, Any]] = []
    for alert in newest:
        stand = stands[alert.id]
        phase = stand.life.phase if stand.life else "pending"
        if (open_only and phase == "resolved") or len(rows) == limit:
            continue
        said = alerting.line_of(connection, alert, stand.case.name)
        fields = {"id": alert.id, "entity": alert.entity, "rule": alert.rule, "fired_at": alert.fired_at}
        rows.append({**fields, "severity": stand.subject.severity, "phase": phase, "line": said})
    return rows


@alerts_app.command(epilog="Example: voxpop alerts show 3f9a")
def show(alert: Alert, as_json: Json = False) -> None:
    """One alert: what happened, every move with who and when, every message and what became of it."""
    from voxpop.app import App

    with told(), App() as live, live.engine.connect() as connection:
        shown = _shown(connection, _rules(live.settings), _id(connection, alert))
        if as_json:
            emit(shown)
            return
        console.print(escape(shown["line"]), soft_wrap=True)
        console.print(escape(shown["link"]), soft_wrap=True)
        moves = folded("when", "move", "by", "note", title=f"{shown['severity']}, {shown['phase']}")
        for move in shown["moves"]:
            moves.add_row(_time(move["at"]), move["kind"], escape(move["who"]), escape(move["note"]))
        console.print(moves)
        if shown["messages"]:
            messages = folded("queued", "notice", "to", "state", "tries", "answer", title="messages")
            for m in shown["messages"]:
                fields = (m["notice"], escape(m["receiver"]), m["state"], str(m["tries"]), escape(m["said"] or ""))
                messages.add_row(_time(m["queued_at"]), *fields)
            console.print(messages)
        for c in shown["evidence"]:
            mark = " [yellow](corrected since)[/yellow]" if c["corrected"] else ""
            console.print(f"- {escape(c['source'])}: {escape(' '.join(c['headline'].split()))}{mark}", soft_wrap=True)


def _shown(connection: Connection, rules: Rules, alert_id: str) -> dict[str, Any]:
    from voxpop import alerting
    from voxpop.signals.meaning import line
    from voxpop.store import alerts, deliveries

    alert = next(a for a in alerts.stored(connection) if a.id == alert_id)
    (stand,) = alerting.stands(connection, rules, datetime.now(UTC), [alert_id])
    evidence, cited = alerting.evidence_of(connection, alert, stand.case.name)
    return {
        "id": alert_id,
        "line": line(alert, evidence),
        "link": f"{rules.dashboard}/alerts/{alert_id}",
        "severity": stand.subject.severity,
        "phase": stand.life.phase if stand.life else "pending",
        "moves": [move._asdict() for move in stand.case.moves],
        "messages": [m._asdict() for m in deliveries.of_alerts(connection, [alert_id])],
        "evidence": [c._asdict() for c in cited],
    }


@alerts_app.command(epilog="Example: voxpop alerts ack 3f9a --by jane")
def ack(alert: Alert, by: Who = "") -> None:
    """Take an alert on: it is neither repeated nor escalated any more."""
    _person(alert, "acknowledged", by)


@alerts_app.command(epilog="Example: voxpop alerts resolve 3f9a --by jane")
def resolve(alert: Alert, by: Who = "") -> None:
    """Say that an alert is done with. It comes back only if its signal ends and comes again."""
    _person(alert, "resolved", by)


def _person(beginning: str, kind: Any, by: str) -> None:
    from voxpop import alerting
    from voxpop.app import App
    from voxpop.store import access

    with told(), App() as live, live.engine.begin() as connection:
        alert, person = _id(connection, beginning), access.at_the_shell(by or getpass.getuser())
        alerting.by_person(connection, _rules(live.settings), alert, kind, person, datetime.now(UTC))
        access.audit(connection, person.name, f"alert {kind}", alert, person=person.id)
        console.print(f"{alert[:_SHORT]} {kind} by {person.name}", markup=False)


@alerts_app.command(epilog="Example: voxpop alerts silence --entity acme --for 8h --reason 'the sale is known'")
def silence(
    entity: Annotated[str, typer.Option(help="Only alerts about this entity.")] = "",
    rule: Annotated[str, typer.Option(help="Only alerts of this rule.")] = "",
    sector: Annotated[str, typer.Option(help="Only alerts about this sector.")] = "",
    severity: Annotated[str, typer.Option(help="Graver alerts than this are told all the same.")] = "serious",
    span: Annotated[str, typer.Option("--for", help="How long: 30m, 8h or 2d.")] = "8h",
    reason: Annotated[str, typer.Option(help="Why, for others to read.")] = "",
    end: Annotated[str, typer.Option(help="End this silence instead of making one.")] = "",
    by: Who = "",
    as_json: Json = False,
) -> None:
    """Tell nobody of some alerts for a while, end a silence, or (without options) list those in force."""
    from voxpop.app import App
    from voxpop.errors import SettingError
    from voxpop.records import digest
    from voxpop.signals.routing import SEVERITIES
    from voxpop.store import access, moves

    with told(), App() as live, live.engine.begin() as connection:
        now, person = datetime.now(UTC), access.at_the_shell(by or getpass.getuser())
        who = person.name
        if end:
            if not moves.end_silence(connection, end, now):
                raise SettingError(f"no silence {end!r} is in force")
            access.audit(connection, who, "silence ended", end, person=person.id)
            console.print(f"silence {end} ended", markup=False)
            return
        if severity not in SEVERITIES:
            raise SettingError(f"a severity is one of {', '.join(SEVERITIES)}, not {severity!r}")
        if entity or rule or sector:
            key, until = digest(now.isoformat(), who, entity, rule, sector), now + _span(span)
            fields = (key, now, until, who, reason, entity, rule, sector, severity, person.id)
            moves.add_silence(connection, moves.StoredSilence(*fields), now)
            details = {"rule": rule, "sector": sector, "hours": (until - now) / timedelta(hours=1), "up to": severity}
            access.audit(connection, who, "silenced", entity, details, person.id)
        _print_silences(moves.silences(connection, now), as_json)


def _print_silences(found: list[Any], as_json: bool) -> None:
    if as_json:
        emit([s._asdict() for s in found])
        return
    table = folded("silence", "until", "by", "what", "up to", "why", title=f"{len(found)} silences")
    for s in found:
        named = (("entity", s.entity), ("rule", s.rule), ("sector", s.sector))
        what = ", ".join(f"{name} {value}" for name, value in named if value)
        table.add_row(s.id, _time(s.until), escape(s.who), escape(what), s.severity, escape(s.reason))
    console.print(table)


@alerts_app.command(epilog="Example: voxpop alerts test    or, one receiver: voxpop alerts test desk")
def test(
    receiver: Annotated[str, typer.Argument(help="Name of a receiver; default: all of the alerts file.")] = "",
    as_json: Json = False,
) -> None:
    """Send a test message to each receiver and say what happened; exit code 1 if one did not take it."""
    from voxpop import notify
    from voxpop.errors import SettingError, VoxpopError
    from voxpop.records import digest
    from voxpop.settings import Settings

    with told():
        rules = _rules(Settings.load())
        chosen = [r for name, r in rules.receivers.items() if receiver in ("", name)]
        if not rules.receivers:
            raise SettingError("there is no receiver yet: VOXPOP_ALERTS_FILE names the TOML file that lists them")
        if not chosen:
            raise SettingError(f"there is no receiver {receiver!r}; known are {', '.join(rules.receivers)}")
        now, results = datetime.now(UTC), []
        for one in chosen:
            text = "A test by `voxpop alerts test`. Nothing has happened."
            message = notify.Message(
                key=digest("test", one.name, now.isoformat()), subject="[test] Voxpop reaches you", body=text
            )
            try:
                results.append({"receiver": one.name, "taken": True, "said": notify.deliver(one, message, now)})
            except VoxpopError as error:
                results.append({"receiver": one.name, "taken": False, "said": str(error)})
        _print_test(results, as_json)
        if not all(r["taken"] for r in results):
            raise typer.Exit(1)


def _print_test(results: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        emit(results)
        return
    table = folded("receiver", "taken", "answer")
    for r in results:
        table.add_row(escape(r["receiver"]), "yes" if r["taken"] else "[red]no[/red]", escape(r["said"]))
    console.print(table)


@alerts_app.command(epilog="Example: voxpop alerts release    or, without what waits: voxpop alerts release --drop")
def release(
    drop: Annotated[bool, typer.Option(help="Give up what waits and what is owed, instead of sending it.")] = False,
    by: Who = "",
    as_json: Json = False,
) -> None:
    """Let messages go again after the database was restored from a backup, or moved here from elsewhere."""
    from voxpop import alerting
    from voxpop.app import App

    with told(), App() as live:
        rules, who = _rules(live.settings), by or getpass.getuser()
        count = alerting.release(live.engine, rules, live.settings.home, datetime.now(UTC), who, drop=drop)
        if as_json:
            emit({"dropped" if drop else "waiting": count})
        else:
            done = "given up" if drop else "will be sent"
            console.print(f"released by {who}; {count} messages {done}", markup=False)


def _rules(settings: Settings) -> Rules:
    from voxpop import alertsfile

    return alertsfile.load(settings.alerts_file, f"http://{settings.host}:{settings.port}")


def _id(connection: Connection, beginning: str) -> str:
    from voxpop.errors import StoreError
    from voxpop.store import moves

    found = moves.beginning_with(connection, beginning)
    if len(found) != 1:
        raise StoreError(f"{'no' if not found else 'more than one'} alert begins with {beginning!r}")
    return found[0]


def _span(written: str) -> timedelta:
    from voxpop.errors import SettingError

    found = re.fullmatch(r"(\d+)([mhd])", written.strip())
    if found is None or int(found[1]) == 0:
        raise SettingError(f"{written!r} is no span of time; one is written 30m, 8h or 2d")
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    return int(found[1]) * units[found[2]]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"

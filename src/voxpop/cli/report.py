"""``report``: what turned, what is new, what faded and who answered, to read, to keep and to send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from voxpop.cli import Json, app, console, emit, require_place, told

if TYPE_CHECKING:
    from voxpop.alertsfile import Rules
    from voxpop.app import App
    from voxpop.reports.content import Kind
    from voxpop.reports.words import Lang as Language

report_app = typer.Typer(help="Reports of a morning or a week, for people to forward.", no_args_is_help=True)
app.add_typer(report_app, name="report")

Watchlist = Annotated[str, typer.Option(help="all, own, or a sector of the watchlist.")]
AsOf = Annotated[
    str, typer.Option("--as-of", help="Only what was known at this time, as 2026-03-12T07:00Z; default: now.")
]
Until = Annotated[
    str,
    typer.Option(help="Where the report's window ends, for history that was read late; default: the time of --as-of."),
]
Lang = Annotated[str, typer.Option(help="en or zh; what documents say stays as it is.")]
Zone = Annotated[str, typer.Option(help="Time zone of the times that are shown.")]
Html = Annotated[Path | None, typer.Option(help="Write it as one HTML page.")]
Pdf = Annotated[Path | None, typer.Option(help="Write it as PDF.")]
Empty = Annotated[bool, typer.Option(help="Send it even where nothing happened.")]
Send = Annotated[
    bool, typer.Option("--send", help="Send the one that was last due, to those whom the alerts file names for it.")
]


def _command(kind: Kind, explained: str) -> Callable[..., None]:
    def report(
        watchlist: Watchlist = "all",
        as_of: AsOf = "",
        until: Until = "",
        lang: Lang = "en",
        zone: Zone = "UTC",
        html: Html = None,
        pdf: Pdf = None,
        send: Send = False,
        empty: Empty = False,
        as_json: Json = False,
    ) -> None:
        with told():
            if send:
                _send(kind, watchlist, _time(as_of), empty)
            else:
                _show(_Wanted(kind, watchlist, _time(as_of), _time(until), _lang(lang), zone), html, pdf, as_json)

    report.__doc__ = f"{explained} Without --html, --pdf or --send it is printed."
    return report


report_app.command(
    "morning", epilog="Example: voxpop report morning --watchlist own --html morning.html --pdf morning.pdf"
)(_command("morning", "The last 24 hours."))
report_app.command("weekly", epilog="Example: voxpop report weekly --lang zh --pdf weekly.pdf")(
    _command("weekly", "The last seven days.")
)


class _Wanted(NamedTuple):
    """What was asked for."""

    kind: Kind
    watchlist: str
    as_of: datetime | None
    until: datetime | None
    lang: Language
    zone: str


def _show(wanted: _Wanted, html: Path | None, pdf: Path | None, as_json: bool) -> None:
    """Writes the files that are wanted, or prints the report."""
    from voxpop.alertsfile import check_zone
    from voxpop.app import App
    from voxpop.reports import jobs, page, paper
    from voxpop.reports.build import Asked
    from voxpop.reports.view import plain, view

    for file in (html, pdf):
        if file is not None:
            require_place(file)
    with App() as live:
        as_of = wanted.as_of or datetime.now(UTC)
        check_zone(wanted.zone, "--zone")
        asked = Asked(wanted.kind, wanted.watchlist, wanted.until or as_of, as_of, wanted.zone, _model(live, as_of))
        report = jobs.read(live.engine, asked, live.settings)
        shown = view(report, wanted.lang, _rules(live).dashboard)
        if as_json:
            emit(shown)
        elif html is None and pdf is None:
            console.print(plain(shown), markup=False, highlight=False, soft_wrap=True)
        pictures = page.drawn(report) if html or pdf else []
        if html is not None:
            html.write_text(page.standing_alone(shown, pictures), "utf-8")
        if pdf is not None:
            pdf.write_bytes(paper.pdf(shown, pictures))


def _send(kind: Kind, watchlist: str, as_of: datetime | None, empty: bool) -> None:
    """Queues the report for whoever gets such a one and has not got it, and sends what waits."""
    import msgspec

    from voxpop import alerting
    from voxpop.app import App
    from voxpop.reports import jobs

    with App() as live:
        rules, now, queued = _rules(live), datetime.now(UTC), []
        around = live.surroundings(_model(live))
        for mailing in jobs.mailings(rules, kind, watchlist):
            end = as_of or jobs.due_at(mailing, now)
            wanted = msgspec.structs.replace(mailing, empty=mailing.empty or empty)
            queued.append(jobs.send(around, rules, wanted, end, end, now))
        alerting.run(live.engine, rules, live.settings.home, now)
        if receivers := sum(one.receivers for one in queued):
            console.print(f"queued for {receivers} receivers, and sent as far as they answer")
        else:
            why = "; ".join(dict.fromkeys(_WHY_NOT[one.reason] for one in queued))
            console.print(f"nothing was sent: {why}", soft_wrap=True)


_WHY_NOT = {
    "held": "sending is held since a backup was restored (`voxpop alerts release --by NAME` ends that)",
    "had": "everybody has the report of this window already",
    "quiet": "nothing happened in this window (--empty sends it all the same)",
}


def _model(live: App, as_of: datetime | None = None) -> str:
    from voxpop.errors import SettingError
    from voxpop.store import models

    with live.engine.connect() as connection:
        model = models.active(connection, as_of)
    if model is None:
        raise SettingError("nothing was read yet: `voxpop run` reads what comes in")
    return model


def _rules(live: App) -> Rules:
    from voxpop import alertsfile

    s = live.settings
    return alertsfile.load(s.alerts_file, f"http://{s.host}:{s.port}")


def _lang(written: str) -> Language:
    from voxpop.errors import SettingError
    from voxpop.reports.words import LANGS

    found = next((lang for lang in LANGS if lang == written), None)
    if found is None:
        raise SettingError(f"reports are written in {' and '.join(LANGS)}, not in {written!r}")
    return found


def _time(written: str) -> datetime | None:
    from voxpop.errors import SettingError

    if not written:
        return None
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise SettingError(f"{written!r} is no time; one is written 2026-03-12T07:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)

"""Sends the reports that are due, each at most once to each receiver for its window."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Literal, NamedTuple, Protocol

import msgspec
from sqlalchemy import Engine

from voxpop import alertsfile
from voxpop.alerting import REPORT
from voxpop.alertsfile import Mailing, Rules
from voxpop.errors import SettingError
from voxpop.records import digest
from voxpop.reports import build, page, paper
from voxpop.reports.build import Asked
from voxpop.reports.content import Kind, Report
from voxpop.reports.view import View, plain, summary, title, view
from voxpop.reports.windows import last_due
from voxpop.reports.words import Lang
from voxpop.settings import Settings
from voxpop.store import deliveries, epoch, models
from voxpop.store import reports as stored
from voxpop.store.deliveries import Delivery
from voxpop.store.locks import commit_order
from voxpop.store.reports import Stored

logger = logging.getLogger(__name__)

LATEST = timedelta(hours=12)
"""A report that nobody could send for so long is not sent any more."""


class Around(Protocol):
    """What the jobs work on (see ``voxpop.jobs.Surroundings``)."""

    @property
    def settings(self) -> Settings: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def model(self) -> str: ...


def morning(around: Around, now: datetime) -> int:
    """Queues the morning reports that are due; returns how many messages."""
    return _due(around, "morning", now)


def weekly(around: Around, now: datetime) -> int:
    """Queues the weekly reports that are due; returns how many messages."""
    return _due(around, "weekly", now)


def _due(around: Around, kind: Kind, now: datetime) -> int:
    s = around.settings
    rules = alertsfile.load(s.alerts_file, f"http://{s.host}:{s.port}")
    done = 0
    for mailing in rules.reports:
        if mailing.kind == kind and now - (end := due_at(mailing, now)) < LATEST:
            done += send(around, rules, mailing, end, end, now).receivers
    return done


def due_at(mailing: Mailing, now: datetime) -> datetime:
    """When the report was last due."""
    return last_due(mailing.kind, mailing.zone, time.fromisoformat(mailing.at), mailing.weekday, now)


class Queued(NamedTuple):
    """For how many receivers a report was queued; where for none, why not: ``held``, ``had`` or ``quiet``."""

    receivers: int
    reason: Literal["", "held", "had", "quiet"] = ""


def send(around: Around, rules: Rules, mailing: Mailing, end: datetime, as_of: datetime, now: datetime) -> Queued:
    """Queues the report of the window that ends at ``end`` for those who have not got it.

    Where nothing happened none is queued, unless the mailing asks for empty ones. While sending is held (see
    ``voxpop.store.epoch``) nothing is done.
    """
    with around.engine.connect() as connection:
        model = models.active(connection, as_of) or around.model
    asked = Asked(mailing.kind, mailing.watchlist, end, as_of, mailing.zone, model)
    words = mailing.lang, mailing.zone
    report_id = digest("report", *_window(mailing, asked), *words, str(mailing.pdf), as_of.isoformat())
    keys = {name: digest("report", *_window(mailing, asked), *words, name) for name in mailing.receivers}
    # Earlier versions left language and zone out of the key; what went under it is not sent again.
    former = {name: digest("report", *_window(mailing, asked), name) for name in mailing.receivers}
    with around.engine.connect() as connection:
        known = stored.load(connection, report_id)
        queued = deliveries.queued(connection, [*keys.values(), *former.values()])
        left = [name for name, key in keys.items() if queued.isdisjoint((key, former[name]))]
        held = not epoch.agrees(connection, around.settings.home)
    if held or not left:
        return Queued(0, "held" if held else "had")
    if known is not None and not known.happened and not mailing.empty:
        return Queued(0, "quiet")
    made = make(around, asked, mailing.lang, rules.dashboard, pdf=mailing.pdf)
    with around.engine.begin() as connection:
        stored.save(connection, _stored(report_id, made, mailing.lang), now)
        wanted = sorted(left) if made.report.happened or mailing.empty else []
        for receiver in wanted:
            deliveries.queue(connection, _delivery(keys[receiver], receiver, report_id, made, mailing), now)
        mark = epoch.advance(connection, around.settings.home) if wanted else None
    if mark is not None:
        epoch.write(around.settings.home, mark)
    return Queued(len(wanted), "" if wanted else "quiet")


def _window(mailing: Mailing, asked: Asked) -> tuple[str, str, str, str]:
    return mailing.kind, mailing.watchlist, asked.start.isoformat(), asked.end.isoformat()


class Made(NamedTuple):
    """A report in words and pictures."""

    report: Report
    view: View
    pictures: list[page.Drawn]
    pdf: bytes | None


def make(around: Around, asked: Asked, lang: Lang, dashboard: str, *, pdf: bool) -> Made:
    """Builds a report from what was known at its time; without PDF where the machine cannot make one, with a warning.

    Raises:
        SettingError: no watchlist of that name.
    """
    report = read(around.engine, asked, around.settings)
    shown, pictures = view(report, lang, dashboard), page.drawn(report)
    paged = None
    if pdf and report.happened:
        try:
            paged = paper.pdf(shown, pictures)
        except SettingError as error:
            logger.warning("the report goes without PDF: %s", error)
    return Made(report, shown, pictures, paged)


def read(engine: Engine, asked: Asked, settings: Settings) -> Report:
    """The report that is asked for, once every writer that may have begun before its time has ended."""
    with engine.begin() as connection:
        commit_order(connection)
    with engine.connect() as connection:
        return build.build(connection, asked, timedelta(hours=settings.story_window_hours))


def _stored(report_id: str, made: Made, lang: str) -> Stored:
    r = made.report
    files = [_file(one.name, "image/png", one.png) for one in made.pictures]
    if made.pdf is not None:
        files.append(_file(f"voxpop-{r.kind}-{r.end:%Y-%m-%d}.pdf", "application/pdf", made.pdf))
    fields = (report_id, r.kind, r.watchlist, r.start, r.end, r.as_of, lang, r.happened)
    return Stored(*fields, page.for_mail(made.view), files)


def _file(name: str, kind: str, content: bytes) -> dict[str, str]:
    return {"name": name, "type": kind, "content": b64encode(content).decode()}


def _delivery(key: str, receiver: str, report_id: str, made: Made, mailing: Mailing) -> Delivery:
    r = made.report
    data = {"notice": "report", REPORT: report_id, "report": msgspec.to_builtins(made.view)}
    worst = any(one.severity == "critical" for one in r.turned)
    gravity = "failure" if worst else "warning" if r.turned or r.silent else "info"
    subject = f"{title(r, mailing.lang)} – {summary(r, mailing.lang)}"
    return Delivery(key, receiver, f"report={r.kind}", "report", [], subject, plain(made.view), gravity, data)


def mailings(rules: Rules, kind: Kind, watchlist: str) -> Sequence[Mailing]:
    """Who gets such a report.

    Raises:
        SettingError: nobody does.
    """
    found = [m for m in rules.reports if (m.kind, m.watchlist) == (kind, watchlist)]
    if not found:
        raise SettingError(
            f"the alerts file names nobody who gets a {kind} report of {watchlist!r}: add [[reports]] with receivers"
        )
    return found

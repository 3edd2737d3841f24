"""What every page needs: the store, the rules, the words, and who asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar, cast

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection, Engine

from voxpop import alerting, alertsfile
from voxpop.alertsfile import Rules
from voxpop.api import figures, words
from voxpop.api.templating import language, templates
from voxpop.api.who import Caller, local
from voxpop.app import App
from voxpop.records import Alert
from voxpop.reports import line_zh
from voxpop.reports.words import Lang
from voxpop.signals.meaning import DRIFT, FEED, OPERATIONAL, Evidence, line
from voxpop.store import alerts, board, inbox, people, queries, watchlist
from voxpop.store import models as model_versions
from voxpop.store.board import Mover
from voxpop.store.moves import Row
from voxpop.store.people import Comment

T = TypeVar("T")

Call = Callable[[str, str], str]
"""What to call an entity, by its id and its name, in the reader's language."""

FRAGMENT = "x-fragment"
"""A header by which our script asks for a part of a page, or only whether something was done."""
_FRESH_SECONDS, _MOVERS_SECONDS, _NAMES_SECONDS = 30.0, 10.0, 10.0
_MOST_KEPT = 2000


class Shown(NamedTuple):
    """An alert as a page shows it."""

    alert: Alert
    name: str
    severity: str
    phase: str
    evidence: Evidence
    moves: list[Row]
    last: Row | None
    """The move by which it came to where it stands."""
    comments: list[Comment]
    operational: bool
    """It is about the stream and not about an entity."""

    @property
    def taken_by(self) -> Row | None:
        """The move by which somebody took it on or resolved it, if it was the last of the kind."""
        return last if (last := self.last) and last.kind in ("acknowledged", "resolved") else None

    @property
    def alarmed(self) -> bool:
        """Whether a person may take it on: it has fired."""
        return any(m.kind in ("fired", "reopened") for m in self.moves)


class Desk:
    """The live objects that the pages share."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._kept: dict[str, tuple[float, object]] = {}
        self._making: dict[str, threading.Lock] = {}
        self._evidence: dict[str, tuple[float, Alert, Evidence]] = {}

    @property
    def engine(self) -> Engine:
        """The store; opened when the first page is asked for."""
        return self.app.engine

    def rules(self) -> Rules:
        """The alerts file in force."""
        s = self.app.settings
        return alertsfile.load(s.alerts_file, f"http://{s.host}:{s.port}")

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The template in the words of who asks, with the number of alerts that wait for someone."""
        lang = language(request)
        with self.engine.connect() as connection:
            waiting, call = inbox.waiting(connection), self.call(connection, lang)
        common = {"waiting": waiting, "call": call, "said": lambda shown: sentence(lang, shown, call)}
        return templates.TemplateResponse(request, f"{template}.html", common | values, status_code=status)

    def call(self, connection: Connection, lang: Lang) -> Call:
        """What to call entities in this language: in Chinese by the name that the watchlist gives, if it gives one."""
        if lang != "zh":
            return lambda _, name: name
        chinese = self.kept("names", _NAMES_SECONDS, lambda: watchlist.chinese_names(connection, datetime.now(UTC)))
        return lambda entity, name: chinese.get(entity, name)

    def named(self, request: Request, connection: Connection, entity: str) -> str:
        """What to call the entity of this id.

        Raises:
            HTTPException: 404, nobody ever watched it.
        """
        return self.call(connection, language(request))(entity, named(connection, entity))

    def watched(self, request: Request, connection: Connection) -> dict[str, str]:
        """What to call each watched entity, by id."""
        call = self.call(connection, language(request))
        return {entity: call(entity, name) for entity, name in watchlist.names(connection)}

    def entity(self, request: Request, connection: Connection, asked: str) -> str | None:
        """The watched entity of this id, or name as it is stored or called; None where there is none."""
        wanted, known = asked.strip().lower(), watchlist.names(connection)
        for entity, name in (*known, *self.watched(request, connection).items()):
            if wanted in (entity.lower(), name.lower()):
                return entity
        return None

    def shown(self, connection: Connection, ids: Sequence[str]) -> list[Shown]:
        """These alerts, in this order, each with what it says and what became of it."""
        known = {alert.id: alert for alert in alerts.stored(connection, list(ids))}
        stands = {s.case.alert: s for s in alerting.stands(connection, self.rules(), datetime.now(UTC), list(ids))}
        comments = people.comments_on(connection, list(ids))
        return [
            Shown(
                known[key],
                stands[key].case.name,
                stands[key].subject.severity,
                (life.phase if (life := stands[key].life) else "pending"),
                self._evidence_of(connection, known[key], stands[key].case.name),
                stands[key].case.moves,
                stands[key].case.last,
                comments.get(key, []),
                known[key].rule in OPERATIONAL,
            )
            for key in ids
            if key in known and key in stands
        ]

    def _evidence_of(self, connection: Connection, alert: Alert, name: str) -> Evidence:
        """What it amounts to; kept for a moment, since every open page asks for it after each ring."""
        kept, now = self._evidence.get(alert.id), time.monotonic()
        if kept and kept[1] == alert and now - kept[0] < _FRESH_SECONDS:
            return kept[2]
        evidence = alerting.evidence_of(connection, alert, name)[0]
        if len(self._evidence) >= _MOST_KEPT:
            self._evidence.clear()
        self._evidence[alert.id] = (now, alert, evidence)
        return evidence

    def kept(self, key: str, seconds: float, make: Callable[[], T]) -> T:
        """What ``make`` makes, kept for some seconds: every open page asks for it after each ring, and one makes it."""
        with self._making.setdefault(key, threading.Lock()):
            at, value = self._kept.get(key, (float("-inf"), None))
            if time.monotonic() - at >= seconds:
                value = make()
                self._kept[key] = (time.monotonic(), value)
        return cast(T, value)

    def movers(self, connection: Connection, model: str, at: datetime) -> list[Mover]:
        """Every watched entity's day before ``at``; kept for a moment."""
        return self.kept(f"movers {model}", _MOVERS_SECONDS, lambda: board.movers(connection, model, at))

    def model(self, connection: Connection) -> str | None:
        """The version whose opinions count."""
        return model_versions.active(connection)

    def first_of(self, connection: Connection, caller: Caller) -> dict[str, int]:
        """The entities on the caller's own lists, each with its place."""
        lists = people.lists_of(connection, caller.person)
        return {entity: n for n, entity in enumerate(dict.fromkeys(e for of in lists.values() for e in of))}


def sentence(lang: Lang, shown: Shown, call: Call) -> str:
    """What an alert says beside its entity's name: the line that people are told, without the name."""
    alert, evidence = shown.alert, shown.evidence
    evidence = evidence._replace(name=call(alert.entity, evidence.name))
    if lang == "zh" and alert.rule == FEED:
        return words.say(lang, "feed_line", hours=alert.hours, usual=f"{alert.expected:.0f}")
    if lang == "zh" and alert.rule == DRIFT:
        return words.say(
            lang,
            "drift_line",
            score=f"{alert.score:.2f}",
            cut=f"{alert.cut:.2f}",
            moved=figures.moved(lang, evidence.moved),
        )
    said = (line_zh.line if lang == "zh" else line)(alert, evidence._replace(event="", topic=""))
    return said.removeprefix(evidence.name).lstrip(":： ")


def mine_first(found: Iterable[T], first: dict[str, int], entity_of: Any) -> list[T]:
    """``found`` with those about the entities ``first`` before the others, each part in its order."""
    return sorted(found, key=lambda one: entity_of(one) not in first)


def named(connection: Connection, entity: str) -> str:
    """The entity's name.

    Raises:
        HTTPException: 404, nobody ever watched it.
    """
    name = queries.name_of(connection, entity)
    if name is None:
        raise HTTPException(404, f"nobody watches {entity}")
    return name


def done(request: Request, where: str) -> Response:
    """The answer to a form: to our script that it is done, to a browser the page to go on with."""
    return Response(status_code=204) if FRAGMENT in request.headers else RedirectResponse(local(where), 303)

"""The inbox of alerts, one alert, and what a person makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from voxpop import alerting
from voxpop.api.desk.common import Desk, Shown, done, mine_first
from voxpop.api.desk.company import lit_stories
from voxpop.api.desk.silences import SPANS
from voxpop.api.who import Caller, audit, needs
from voxpop.errors import StoreError
from voxpop.signals.lifecycle import ALARMING, ByPerson
from voxpop.signals.meaning import RULES
from voxpop.signals.severity import SEVERITIES
from voxpop.store import deliveries, gates, inbox, meaning, moves, people, queries
from voxpop.store.moves import Row

Viewer = Annotated[Caller, needs("viewer")]
Analyst = Annotated[Caller, needs("analyst")]
_OVER = 20
"""Alerts that are done with, a page at least, where there are so many."""
_LOOKS = 25
"""Most times as many that are looked at for a page."""


def routes(desk: Desk) -> APIRouter:
    """The router of alerts."""
    router = APIRouter()
    _inbox(desk, router)
    _alert(desk, router)
    _comment(desk, router)
    _moves(desk, router)
    return router


class Wanted(NamedTuple):
    """What a reader of the inbox asks for, as the form has it; empty: anything."""

    company: str = ""
    rule: str = ""
    severity: str = ""

    def address(self, **other: str) -> str:
        """The page's address with what is asked for, or with something else instead."""
        fields = {name: value for name, value in {**self._asdict(), **other}.items() if value}
        return "/alerts?" + urlencode(fields) if fields else "/alerts"


def _inbox(desk: Desk, router: APIRouter) -> None:
    @router.get("/alerts", response_class=HTMLResponse)
    def inbox_page(
        request: Request,
        caller: Viewer,
        company: str = "",
        rule: str = "",
        severity: str = "",
        before: datetime | None = None,
        last: str = "",
    ) -> HTMLResponse:
        wanted = Wanted(company.strip(), rule if rule in RULES else "", severity if severity in SEVERITIES else "")
        with desk.engine.connect() as connection:
            named = _named(desk, request, connection, wanted.company) if wanted.company else None
            asked = inbox.Asked(entities=named, rule=wanted.rule or None)
            lying = [] if before else inbox.open_alerts(connection, asked)
            over, older = _done_with(desk, connection, asked, wanted.severity, (before, last) if before else None)
            lively = desk.shown(connection, [one.alert for one in lying])
            first = desk.first_of(connection, caller)
            silences = [
                (silence, queries.name_of(connection, silence.entity) or silence.entity)
                for silence in moves.silences(connection, datetime.now(UTC))
            ]
            shown = desk.shown(connection, [one.alert for one in over])
        lively = [one for one in lively if wanted.severity in ("", one.severity)]
        lively.sort(key=lambda one: -SEVERITIES.index(one.severity))
        lively = mine_first(lively, first, lambda one: one.alert.entity)
        return desk.page(
            request,
            "inbox",
            waits=[one for one in lively if one.phase in ALARMING],
            seen=[one for one in lively if one.phase == "pending"],
            taken=[one for one in lively if one.phase == "acknowledged"],
            over=shown,
            older=older and wanted.address(before=older[0].isoformat(), last=older[1]),
            paging=before is not None,
            first=first,
            silences=silences,
            wanted=wanted,
            rules=RULES,
            severities=SEVERITIES,
        )


def _named(desk: Desk, request: Request, connection: Connection, company: str) -> list[str]:
    """Ids of whom a reader may mean: all who are called so; where nobody is, a source of that name, silent."""
    found = {watched.entity for watched in gates.called(connection, company)}
    if (called := desk.entity(request, connection, company)) is not None:
        found.add(called)
    return sorted(found) or [company]


Place = tuple[datetime, str]
"""Where a page of alerts ends: time and id of its last."""


def _done_with(
    desk: Desk, connection: Connection, asked: inbox.Asked, severity: str, after: Place | None
) -> tuple[list[inbox.Lying], Place | None]:
    """A page of the alerts that are done with, and where the next begins, if there may be one.

    How grave an alert is follows from rules and is not stored, so that as many are looked at as a page takes, within
    bounds: then a page is shorter than it might be.
    """
    rules, now, found = desk.rules(), datetime.now(UTC), list[inbox.Lying]()
    for _ in range(_LOOKS):
        part = inbox.over(connection, _OVER, asked, after=after)
        if severity:
            stands = alerting.stands(connection, rules, now, [one.alert for one in part])
            grave = {stand.case.alert for stand in stands if stand.subject.severity == severity}
            found += [one for one in part if one.alert in grave]
        else:
            found += part
        after = (part[-1].fired_at, part[-1].alert) if len(part) == _OVER else None
        if after is None or len(found) >= _OVER:
            break
    return found, after


def _alert(desk: Desk, router: APIRouter) -> None:
    @router.get("/alerts/{alert}", response_class=HTMLResponse)
    def alert_page(request: Request, caller: Viewer, alert: str) -> HTMLResponse:
        with desk.engine.connect() as connection:
            shown = one(desk, connection, alert)
            of, cited = shown.alert, meaning.evidence(connection, alert)
            documents = [document for document, _ in cited]
            stories = queries.stories_of(connection, of.entity, of.model, documents)
            corrected = [c for c in meaning.cited(connection, of, cited) if c.corrected]
            sent = deliveries.of_alerts(connection, [alert])
        return desk.page(
            request,
            "alert",
            one=shown,
            stories=lit_stories(stories),
            corrected=corrected,
            sent=sent,
            history=history(shown),
            spans=SPANS,
            severities=SEVERITIES,
        )


def _comment(desk: Desk, router: APIRouter) -> None:
    @router.post("/alerts/{alert}/comment")
    def comment(
        request: Request, caller: Analyst, alert: str, note: Annotated[str, Form()], next: Annotated[str, Form()] = ""
    ) -> Response:
        with desk.engine.begin() as connection:
            one(desk, connection, alert)
            _, new = people.comment(connection, alert, caller.person, note, datetime.now(UTC))
            if new:
                audit(connection, caller, "commented", alert, {"characters": len(note)})
        return done(request, next or f"/alerts/{alert}")


def _moves(desk: Desk, router: APIRouter) -> None:
    def move(request: Request, caller: Caller, alert: str, kind: ByPerson, where: str) -> Response:
        rules = desk.rules()
        with desk.engine.begin() as connection:
            one(desk, connection, alert)
            try:
                alerting.by_person(connection, rules, alert, kind, caller.person, datetime.now(UTC))
            except StoreError as error:  # somebody else was quicker, or it has not fired yet
                raise HTTPException(409, str(error)) from error
            audit(connection, caller, f"alert {kind}", alert)
        return done(request, where or f"/alerts/{alert}")

    @router.post("/alerts/{alert}/ack")
    def ack(request: Request, caller: Analyst, alert: str, next: Annotated[str, Form()] = "") -> Response:
        return move(request, caller, alert, "acknowledged", next)

    @router.post("/alerts/{alert}/resolve")
    def resolve(request: Request, caller: Analyst, alert: str, next: Annotated[str, Form()] = "") -> Response:
        return move(request, caller, alert, "resolved", next)


def one(desk: Desk, connection: Connection, alert: str) -> Shown:
    """The alert of this id.

    Raises:
        HTTPException: 404, there is none.
    """
    found = desk.shown(connection, [alert])
    if not found:
        raise HTTPException(404, "there is no such alert")
    return found[0]


def history(shown: Shown) -> list[Row]:
    """What became of an alert and what people wrote of it, in one row of time; the latest last."""
    said = [Row("commented", c.at, c.who, c.note, c.person) for c in shown.comments]
    return sorted([*shown.moves, *said], key=lambda row: row.at)

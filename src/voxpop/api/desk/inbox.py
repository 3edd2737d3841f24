"""The inbox of alerts, one alert, and what a person makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

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
from voxpop.signals.severity import SEVERITIES
from voxpop.store import deliveries, inbox, meaning, moves, people, queries
from voxpop.store.moves import Row

Viewer = Annotated[Caller, needs("viewer")]
Analyst = Annotated[Caller, needs("analyst")]
_OVER = 20
"""Alerts that are done with, a page."""


def routes(desk: Desk) -> APIRouter:
    """The router of alerts."""
    router = APIRouter()
    _inbox(desk, router)
    _alert(desk, router)
    _comment(desk, router)
    _moves(desk, router)
    return router


def _inbox(desk: Desk, router: APIRouter) -> None:
    @router.get("/alerts", response_class=HTMLResponse)
    def inbox_page(
        request: Request, caller: Viewer, severity: str = "", before: datetime | None = None, last: str = ""
    ) -> HTMLResponse:
        with desk.engine.connect() as connection:
            lying = [] if before else inbox.open_alerts(connection)
            over = inbox.over(connection, _OVER, after=(before, last) if before else None)
            found = desk.shown(connection, [one.alert for one in (*lying, *over)])
            first = desk.first_of(connection, caller)
            silences = [
                (silence, queries.name_of(connection, silence.entity) or silence.entity)
                for silence in moves.silences(connection, datetime.now(UTC))
            ]
        found = [one for one in found if severity in ("", one.severity)]
        done_with = {one.alert for one in over}
        lively = [one for one in found if one.alert.id not in done_with]
        lively.sort(key=lambda one: -SEVERITIES.index(one.severity))
        lively = mine_first(lively, first, lambda one: one.alert.entity)
        return desk.page(
            request,
            "inbox",
            waits=[one for one in lively if one.phase in ALARMING],
            seen=[one for one in lively if one.phase == "pending"],
            taken=[one for one in lively if one.phase == "acknowledged"],
            over=[one for one in found if one.alert.id in done_with],
            older=over[-1] if len(over) == _OVER else None,
            paging=before is not None,
            first=first,
            silences=silences,
            severity=severity if severity in SEVERITIES else "",
            severities=SEVERITIES,
        )


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

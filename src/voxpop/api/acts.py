"""What an analyst does about alerts through ``/v1``: takes one on, resolves it, comments on it, silences its like.

Each may be sent again, as a program does that has heard no answer: it is done once, and the answer is the same. A
comment or a silence is known again for a minute, and under an ``Idempotency-Key`` for good.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, HTTPException, Path, Response
from sqlalchemy import Connection

from voxpop import alerting, alertsfile
from voxpop.api import shapes, silencing
from voxpop.api.described import PROBLEMS
from voxpop.api.pace import paced
from voxpop.api.paging import ALWAYS, AlertId, known
from voxpop.api.shapes import Word
from voxpop.api.silencing import Wanted
from voxpop.api.who import Caller, audit, needs
from voxpop.app import App
from voxpop.errors import StoreError
from voxpop.signals.lifecycle import ByPerson
from voxpop.store import alerts, listing, moves, people

Analyst = Annotated[Caller, needs("analyst")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern="^[!-~]+$",
        description="Under a key, what is sent again is done once; without one, what is the same within a minute.",
        examples=["case-2026-0315-17"],
    ),
]


def routes(app: App) -> APIRouter:
    """The router of what is done."""
    router = APIRouter(prefix="/v1", dependencies=[paced, known], responses=PROBLEMS, tags=["act"])
    _moves(app, router)
    _comment(app, router)
    _silence(app, router)
    return router


def _moves(app: App, router: APIRouter) -> None:
    @router.post("/alerts/{alert}/acknowledge", response_model=shapes.Alert)
    def acknowledge(alert: AlertId, caller: Analyst) -> Response:
        """Takes an alert on: it is neither repeated nor escalated any more.

        Returns the alert as it stands then. 409 where somebody else has taken it on, or it has not fired yet.
        """
        return _json(_moved(app, caller, alert, "acknowledged"))

    @router.post("/alerts/{alert}/resolve", response_model=shapes.Alert)
    def resolve(alert: AlertId, caller: Analyst) -> Response:
        """Says that an alert is done with. It comes back only if its signal ends and comes again.

        Returns the alert as it stands then. 409 where somebody else has resolved it, or it has not fired yet.
        """
        return _json(_moved(app, caller, alert, "resolved"))


def _moved(app: App, caller: Caller, alert: str, kind: ByPerson) -> dict[str, Any]:
    """The alert, once ``caller`` has made this move."""
    settings = app.settings
    rules = alertsfile.load(settings.alerts_file, f"http://{settings.host}:{settings.port}")
    with app.engine.begin() as connection:
        moves.one_planner(connection)  # what is read below stays so until it is written
        now = datetime.now(UTC)  # after every move that was made before
        found = moves.cases(connection, now, [alert])
        if not found:
            raise HTTPException(404, "there is no such alert")
        last = found[0].last
        if last is None or (last.kind, last.person) != (kind, caller.id):
            try:
                alerting.by_person(connection, rules, alert, kind, caller.person, now)
            except StoreError as error:
                raise HTTPException(409, str(error)) from error
            audit(connection, caller, f"alert {kind}", alert)
        (row,) = listing.alerts(connection, as_of=now, start=ALWAYS[0], end=ALWAYS[1], id=alert, limit=1)
        return row


def _comment(app: App, router: APIRouter) -> None:
    @router.post(
        "/alerts/{alert}/comments",
        status_code=201,
        response_model=shapes.Comment,
        responses={200: {"description": "It was kept before.", "model": shapes.Comment}},
    )
    def comment(alert: AlertId, said: shapes.ToSay, caller: Analyst, key: Key = None) -> Response:
        """Comments on an alert, for all who look at it. 422 where the key was used for other words."""
        with app.engine.begin() as connection:
            _require(connection, alert)
            kept, new = people.comment(connection, alert, caller.person, said.note, datetime.now(UTC), key)
            if new:
                audit(connection, caller, "commented", alert, {"characters": len(kept.note)})
        return _json({"alert": alert, **kept._asdict()}, 201 if new else 200)


def _silence(app: App, router: APIRouter) -> None:
    @router.post(
        "/alerts/{alert}/silence",
        status_code=201,
        response_model=shapes.Silence,
        responses={200: {"description": "It was made before.", "model": shapes.Silence}},
    )
    def silence(alert: AlertId, wish: shapes.ToSilence, caller: Analyst, key: Key = None) -> Response:
        """Silences alerts like this one for a while: all about its entity, or those of its rule only.

        422 where the key was used for another silence.
        """
        span = timedelta(minutes=round(60 * wish.hours))
        wanted = Wanted(alert, wish.scope, span, wish.severity, wish.reason)
        with app.engine.begin() as connection:
            made, new = silencing.silence(connection, caller, wanted, datetime.now(UTC), key)
        return _json(made._asdict(), 201 if new else 200)

    @router.delete("/silences/{silence}", status_code=204, response_class=Response)
    def end(
        silence: Annotated[Word, Path(description="Id of a silence.", examples=["3f9a1c02d47e58b60a9c12e7f4d83b65"])],
        caller: Analyst,
    ) -> Response:
        """Ends a silence; one that is over stays so."""
        with app.engine.begin() as connection:
            if moves.silence(connection, silence) is None:
                raise HTTPException(404, "there is no such silence")
            if moves.end_silence(connection, silence, datetime.now(UTC)):
                audit(connection, caller, "silence ended", silence)
        return Response(status_code=204)


def _require(connection: Connection, alert: str) -> None:
    if not alerts.stored(connection, [alert]):
        raise HTTPException(404, "there is no such alert")


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")

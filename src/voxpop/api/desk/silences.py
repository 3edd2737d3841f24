"""Silences: made for an alert's entity or rule, and ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import Response

from voxpop.api import silencing
from voxpop.api.desk.common import Desk, done
from voxpop.api.silencing import Scope, Wanted
from voxpop.api.who import Caller, audit, needs
from voxpop.signals.severity import Severity
from voxpop.store import moves

SPANS = {"1h": timedelta(hours=1), "8h": timedelta(hours=8), "1d": timedelta(days=1), "7d": timedelta(days=7)}
Analyst = Annotated[Caller, needs("analyst")]


def routes(desk: Desk) -> APIRouter:
    """The router of silences."""
    router = APIRouter()

    @router.post("/alerts/{alert}/silence")
    def silence(
        request: Request,
        caller: Analyst,
        alert: str,
        span: Annotated[Literal["1h", "8h", "1d", "7d"], Form()],
        severity: Annotated[Severity, Form()],
        scope: Annotated[Scope, Form()] = "entity",
        reason: Annotated[str, Form(max_length=500)] = "",
        next: Annotated[str, Form()] = "",
    ) -> Response:
        wanted = Wanted(alert, scope, SPANS[span], severity, reason)
        with desk.engine.begin() as connection:
            silencing.silence(connection, caller, wanted, datetime.now(UTC))
        return done(request, next or f"/alerts/{alert}")

    @router.post("/silences/{silence}/end")
    def end(request: Request, caller: Analyst, silence: str, next: Annotated[str, Form()] = "/alerts") -> Response:
        with desk.engine.begin() as connection:
            if not moves.end_silence(connection, silence, datetime.now(UTC)):
                raise HTTPException(409, "this silence is over already")
            audit(connection, caller, "silence ended", silence)
        return done(request, next)

    return router

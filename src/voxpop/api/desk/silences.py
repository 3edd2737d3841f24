"""Silences: made for an alert's entity or rule, and ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import Response

from voxpop.api.desk.common import Desk, done
from voxpop.api.who import Caller, audit, needs
from voxpop.records import digest
from voxpop.store import alerts, moves

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
        severity: Annotated[Literal["watch", "serious", "critical"], Form()],
        scope: Annotated[Literal["entity", "rule"], Form()] = "entity",
        reason: Annotated[str, Form(max_length=500)] = "",
        next: Annotated[str, Form()] = "",
    ) -> Response:
        now = datetime.now(UTC)
        with desk.engine.begin() as connection:
            found = alerts.stored(connection, [alert])
            if not found:
                raise HTTPException(404, "there is no such alert")
            entity, rule = found[0].entity, found[0].rule if scope == "rule" else ""
            key = digest(f"{now:%Y-%m-%dT%H:%M}", caller.name, entity, rule, severity, span, size=4)
            if any(known.id == key for known in moves.silences(connection, now)):
                return done(request, next or f"/alerts/{alert}")  # the same form, sent twice
            fields = (key, now, now + SPANS[span], caller.name, reason.strip(), entity, rule, "", severity)
            moves.add_silence(connection, moves.StoredSilence(*fields), now)
            audit(connection, caller.name, "silenced", entity, {"rule": rule, "span": span, "up to": severity})
        return done(request, next or f"/alerts/{alert}")

    @router.post("/silences/{silence}/end")
    def end(request: Request, caller: Analyst, silence: str, next: Annotated[str, Form()] = "/alerts") -> Response:
        with desk.engine.begin() as connection:
            if not moves.end_silence(connection, silence, datetime.now(UTC)):
                raise HTTPException(409, "this silence is over already")
            audit(connection, caller.name, "silence ended", silence)
        return done(request, next)

    return router

"""Signing in with a token, and out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from voxpop.api.templating import templates
from voxpop.api.who import COOKIE, Caller, Gate, audit, local, needs, signed_in
from voxpop.app import App
from voxpop.store import access


def routes(app: App) -> APIRouter:
    """The router of signing in and out."""
    router = APIRouter(include_in_schema=False)
    issuer = app.settings.oidc_issuer

    def page(request: Request, where: str, refused: str = "", status: int = 200) -> Response:
        values = {"provider": urlsplit(issuer).hostname, "next": where, "refused": refused}
        return templates.TemplateResponse(request, "login.html", values, status_code=status)

    @router.get("/login")
    def login(request: Request, next: str = "/") -> Response:
        gate: Gate = request.app.state.gate
        return page(request, local(next)) if gate.guarded else RedirectResponse("/", 303)

    @router.post("/login")
    def with_token(request: Request, token: Annotated[str, Form()], next: Annotated[str, Form()] = "/") -> Response:
        gate: Gate = request.app.state.gate
        gate.from_here(request)
        caller = gate.token(token.strip())
        if caller is None:
            return page(request, local(next), "This token is unknown, expired or revoked.", 401)
        with app.engine.begin() as connection:
            audit(connection, caller, "signed in", "token", {"role": caller.role})
            secret = access.begin_session(connection, *_span(app), token_hash=access.hashed(token.strip()))
        return signed_in(app, secret, local(next))

    @router.post("/logout")
    def logout(request: Request, caller: Annotated[Caller, needs("viewer")]) -> Response:
        with app.engine.begin() as connection:
            access.end_session(connection, request.cookies.get(COOKIE, ""))
            audit(connection, caller, "signed out", caller.how)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response

    return router


def _span(app: App) -> tuple[datetime, timedelta]:
    return datetime.now(UTC), timedelta(hours=app.settings.session_hours)

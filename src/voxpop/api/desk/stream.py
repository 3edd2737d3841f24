"""The stream of rings, and the choice of a language."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, StreamingResponse

from voxpop.api.live import Bell
from voxpop.api.templating import LANGUAGE
from voxpop.api.who import Gate, local
from voxpop.reports.words import LANGS

_YEAR = 365 * 24 * 3600


def routes(bell: Bell) -> APIRouter:
    """The router of what every page has."""
    router = APIRouter()

    @router.get("/events")
    async def events(request: Request) -> StreamingResponse:
        gate: Gate = request.app.state.gate
        if bell.full():
            raise HTTPException(503, "too many pages are open: this one shows what it has", {"retry-after": "60"})
        return StreamingResponse(
            bell.rings(partial(gate.still, request)),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    @router.get("/language/{lang}")
    def language(request: Request, lang: str, next: str = "/") -> RedirectResponse:
        if lang not in LANGS:
            raise HTTPException(404, f"the pages are in {', '.join(LANGS)}, not in {lang}")
        response = RedirectResponse(local(next), 303)
        response.set_cookie(LANGUAGE, lang, max_age=_YEAR, samesite="lax", httponly=True)
        return response

    return router

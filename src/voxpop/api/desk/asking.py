"""A question, answered with words of stored documents, or not at all."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from voxpop.api.desk.common import Desk


def routes(desk: Desk) -> APIRouter:
    """The router of questions."""
    router = APIRouter()

    @router.get("/ask", response_class=HTMLResponse)
    def page(request: Request) -> HTMLResponse:
        return desk.page(request, "ask", question="", found=None)

    return router

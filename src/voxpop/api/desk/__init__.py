"""The pages for people: read, shape, render. A module a page, each with a function that gives its routes."""

from __future__ import annotations

from fastapi import APIRouter

from voxpop.api.desk import (
    asking,
    company,
    explaining,
    inbox,
    lists,
    overview,
    review,
    silences,
    stream,
    system,
    whynot,
)
from voxpop.api.desk.common import Desk
from voxpop.api.live import Bell
from voxpop.api.who import needs
from voxpop.app import App

__all__ = ["routes"]


def routes(app: App, bell: Bell) -> APIRouter:
    """The router of all pages."""
    router = APIRouter(dependencies=[needs("viewer")], include_in_schema=False)
    desk = Desk(app)
    for page in (overview, inbox, silences, whynot, company, explaining, review, asking, lists, system):
        router.include_router(page.routes(desk))
    router.include_router(stream.routes(bell))
    return router

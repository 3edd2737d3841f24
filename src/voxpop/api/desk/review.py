"""Labels that a person should look at, to confirm or correct; what they say is a set that training reads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from voxpop.api.desk.common import Desk, done
from voxpop.api.desk.lit import pieces
from voxpop.api.who import Caller, audit, needs
from voxpop.store import people, queries
from voxpop.store.people import Doubtful

REASONS = ("unsure", "risk", "both", "people")


def routes(desk: Desk) -> APIRouter:
    """The router of the review."""
    router = APIRouter()
    _page(desk, router)
    _verdict(desk, router)
    return router


def _page(desk: Desk, router: APIRouter) -> None:
    @router.get("/review", response_class=HTMLResponse)
    def page(
        request: Request, caller: Annotated[Caller, needs("viewer")], reason: str = "", of: str = ""
    ) -> HTMLResponse:
        asked = reason if reason in REASONS else None
        with desk.engine.connect() as connection:
            model = desk.model(connection)
            if model is None:
                return desk.page(request, "empty", counts=queries.counts(connection))
            lists = people.lists_of(connection, caller.person)
            found = people.doubtful(connection, model, caller.person, reason=asked, entities=lists.get(of))
            looked_at = people.left_out(connection, lists.get(of))
            said, sums = people.verdicts(connection, 20), people.reviewed(connection)
        return desk.page(
            request,
            "review",
            rows=[(row, pieces(row.text, [(a, b) for a, b in row.spans])) for row in one_of_each(found)],
            full=len(found) == people.MOST_DOUBTFUL,
            looked_at=looked_at,
            model=model,
            reasons=REASONS,
            reason=asked or "",
            lists=lists,
            of=of if of in lists else "",
            verdicts=said,
            sums=sums,
            labels=people.VERDICTS,
        )


def _verdict(desk: Desk, router: APIRouter) -> None:
    @router.post("/review")
    def verdict(
        request: Request,
        caller: Annotated[Caller, needs("analyst")],
        document: Annotated[str, Form()],
        revision: Annotated[str, Form()],
        entity: Annotated[str, Form()],
        model: Annotated[str, Form()],
        label: Annotated[Literal["negative", "neutral", "positive", "unclear"], Form()],
        next: Annotated[str, Form()] = "/review",
    ) -> Response:
        with desk.engine.begin() as connection:
            now = datetime.now(UTC)
            was = people.review(connection, document, revision, entity, model, label, caller.person, now)
            audit(connection, caller, "reviewed", document, {"entity": entity, "was": was, "label": label})
        return done(request, next)


def one_of_each(found: list[Doubtful]) -> list[Doubtful]:
    """Of the tellers of one story whose label towards an entity is the same, the latest: the others say the same."""
    seen: dict[tuple[str, str, str], Doubtful] = {}
    for row in found:
        seen.setdefault((row.story, row.entity, row.label), row)
    return list(seen.values())

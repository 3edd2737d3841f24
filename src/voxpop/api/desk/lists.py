"""A person's own lists of entities: what is on one of them they see first, everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from voxpop.api.desk.common import Desk, done, named
from voxpop.api.who import Caller, audit, needs
from voxpop.store import people

Viewer = Annotated[Caller, needs("viewer")]
Name = Annotated[str, Form(max_length=60)]


def routes(desk: Desk) -> APIRouter:
    """The router of lists. Whoever may look may have lists: they change nothing for others."""
    router = APIRouter()
    _page(desk, router)
    _keep(desk, router)
    _order(desk, router)
    _drop(desk, router)
    _star(desk, router)
    return router


def _page(desk: Desk, router: APIRouter) -> None:
    @router.get("/lists", response_class=HTMLResponse)
    def page(request: Request, caller: Viewer) -> HTMLResponse:
        with desk.engine.connect() as connection:
            lists, known = people.lists_of(connection, caller.person), desk.watched(request, connection)
        return desk.page(request, "lists", lists=lists, known=known)


def _keep(desk: Desk, router: APIRouter) -> None:
    @router.post("/lists")
    def keep(
        request: Request,
        caller: Viewer,
        name: Name,
        add: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",
    ) -> Response:
        with desk.engine.begin() as connection:
            entities = people.lists_of(connection, caller.person).get(" ".join(name.split()), [])
            if add.strip():
                entities = [*entities, _entity(desk, request, connection, add)]
            people.keep_list(connection, caller.person, name, entities, datetime.now(UTC))
            audit(connection, caller, "list kept", name, {"entities": entities})
        return done(request, next or "/lists")

    @router.post("/lists/remove")
    def remove(
        request: Request, caller: Viewer, name: Name, entity: Annotated[str, Form()], next: Annotated[str, Form()] = ""
    ) -> Response:
        with desk.engine.begin() as connection:
            entities = [e for e in people.lists_of(connection, caller.person).get(name, []) if e != entity]
            people.keep_list(connection, caller.person, name, entities, datetime.now(UTC))
            audit(connection, caller, "list kept", name, {"entities": entities})
        return done(request, next or "/lists")


def _order(desk: Desk, router: APIRouter) -> None:
    @router.post("/lists/move")
    def move(request: Request, caller: Viewer, name: Name, entity: Annotated[str, Form()]) -> Response:
        """Moves an entity up by one place."""
        with desk.engine.begin() as connection:
            entities = list(people.lists_of(connection, caller.person).get(name, []))
            at = entities.index(entity) if entity in entities else 0
            if at > 0:
                entities[at - 1 : at + 1] = [entity, entities[at - 1]]
                people.keep_list(connection, caller.person, name, entities, datetime.now(UTC))
        return done(request, "/lists")


def _drop(desk: Desk, router: APIRouter) -> None:
    @router.post("/lists/drop")
    def drop(request: Request, caller: Viewer, name: Name) -> Response:
        with desk.engine.begin() as connection:
            if people.drop_list(connection, caller.person, name):
                audit(connection, caller, "list dropped", name)
        return done(request, "/lists")


def _star(desk: Desk, router: APIRouter) -> None:
    @router.post("/entities/{entity}/star")
    def star(request: Request, caller: Viewer, entity: str, name: Name = "★") -> Response:
        """Puts an entity on a list, or takes it off all of them."""
        with desk.engine.begin() as connection:
            named(connection, entity)
            lists, now = people.lists_of(connection, caller.person), datetime.now(UTC)
            on = [key for key, of in lists.items() if entity in of]
            for key in on:
                people.keep_list(connection, caller.person, key, [e for e in lists[key] if e != entity], now)
            if not on:
                first = next(iter(lists), name)
                people.keep_list(connection, caller.person, first, [*lists.get(first, []), entity], now)
            audit(connection, caller, "list kept", entity, {"on": not on})
        return done(request, f"/entities/{entity}")


def _entity(desk: Desk, request: Request, connection: Connection, asked: str) -> str:
    """The id of the watched entity of this id or name.

    Raises:
        HTTPException: 404, there is none.
    """
    found = desk.entity(request, connection, asked)
    if found is None:
        raise HTTPException(404, f"nobody watches {asked.strip()}")
    return found

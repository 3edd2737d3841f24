"""A person's own lists of entities: what is on one of them they see first, everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from voxpop.api.desk.common import Desk, done, named
from voxpop.api.desk.whynot import watched
from voxpop.api.who import Caller, audit, needs
from voxpop.store import people

Viewer = Annotated[Caller, needs("viewer")]
Name = Annotated[str, Form(max_length=60)]


def routes(desk: Desk) -> APIRouter:
    """The router of lists. Whoever may look may have lists: they change nothing for others."""
    router = APIRouter()

    @router.get("/lists", response_class=HTMLResponse)
    def page(request: Request, caller: Viewer) -> HTMLResponse:
        with desk.engine.connect() as connection:
            lists, names = people.lists_of(connection, caller.name), watched(connection)
        return desk.page(request, "lists", lists=lists, names=names, known=dict(names))

    @router.post("/lists")
    def keep(
        request: Request,
        caller: Viewer,
        name: Name,
        add: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",
    ) -> Response:
        with desk.engine.begin() as connection:
            entities = people.lists_of(connection, caller.name).get(" ".join(name.split()), [])
            if add.strip():
                entities = [*entities, _entity(watched(connection), add)]
            people.keep_list(connection, caller.name, name, entities, datetime.now(UTC))
            audit(connection, caller.name, "list kept", name, {"entities": entities})
        return done(request, next or "/lists")

    @router.post("/lists/remove")
    def remove(
        request: Request, caller: Viewer, name: Name, entity: Annotated[str, Form()], next: Annotated[str, Form()] = ""
    ) -> Response:
        with desk.engine.begin() as connection:
            entities = [e for e in people.lists_of(connection, caller.name).get(name, []) if e != entity]
            people.keep_list(connection, caller.name, name, entities, datetime.now(UTC))
            audit(connection, caller.name, "list kept", name, {"entities": entities})
        return done(request, next or "/lists")

    @router.post("/lists/move")
    def move(request: Request, caller: Viewer, name: Name, entity: Annotated[str, Form()]) -> Response:
        """Moves an entity up by one place."""
        with desk.engine.begin() as connection:
            entities = list(people.lists_of(connection, caller.name).get(name, []))
            at = entities.index(entity) if entity in entities else 0
            if at > 0:
                entities[at - 1 : at + 1] = [entity, entities[at - 1]]
                people.keep_list(connection, caller.name, name, entities, datetime.now(UTC))
        return done(request, "/lists")

    @router.post("/lists/drop")
    def drop(request: Request, caller: Viewer, name: Name) -> Response:
        with desk.engine.begin() as connection:
            if people.drop_list(connection, caller.name, name):
                audit(connection, caller.name, "list dropped", name)
        return done(request, "/lists")

    @router.post("/entities/{entity}/star")
    def star(request: Request, caller: Viewer, entity: str, name: Name = "★") -> Response:
        """Puts an entity on a list, or takes it off all of them."""
        with desk.engine.begin() as connection:
            named(connection, entity)
            lists, now = people.lists_of(connection, caller.name), datetime.now(UTC)
            on = [key for key, of in lists.items() if entity in of]
            for key in on:
                people.keep_list(connection, caller.name, key, [e for e in lists[key] if e != entity], now)
            if not on:
                first = next(iter(lists), name)
                people.keep_list(connection, caller.name, first, [*lists.get(first, []), entity], now)
            audit(connection, caller.name, "list kept", entity, {"on": not on})
        return done(request, f"/entities/{entity}")

    return router


def _entity(known: list[tuple[str, str]], asked: str) -> str:
    """The id of the watched entity of this id or name.

    Raises:
        HTTPException: 404, there is none.
    """
    asked = asked.strip()
    for entity, name in known:
        if asked == entity or asked.lower() == name.lower():
            return entity
    raise HTTPException(404, f"nobody watches {asked}")

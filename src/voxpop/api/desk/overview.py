"""What turned today: alerts, movers, a heat map of entities by the hour, and whether the feeds were heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from voxpop.api.desk.common import Call, Desk, mine_first
from voxpop.api.templating import language
from voxpop.api.who import Caller, needs
from voxpop.records import digest
from voxpop.signals.windows import silences
from voxpop.store import board, inbox, people, queries
from voxpop.store import feeds as stored_feeds
from voxpop.store.board import Mover

SPANS = {"48h": (48, 1), "7d": (7 * 24, 3), "14d": (14 * 24, 6)}
"""Of the heat map: hours that it shows, and hours of a cell."""
_MOST_ROWS = 30
_MOST_MOVERS = 8
_MOST_COMPANIES = 50
_LEAST_TURN = 1.5
_FRESH_SECONDS = 10.0
"""What is dear is read so often at most, however many look."""
_LEAST_TURNED = 5
"""Alerts that are shown where fewer fired within a day."""


def routes(desk: Desk) -> APIRouter:
    """The router of the first page."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse)
    def overview(
        request: Request, caller: Annotated[Caller, needs("viewer")], span: str = "48h", of: str = ""
    ) -> HTMLResponse:
        with desk.engine.connect() as connection:
            model, at = desk.model(connection), board.watermark(connection)
            if model is None or at is None:
                return desk.page(request, "empty", counts=queries.counts(connection))
            lists, first = people.lists_of(connection, caller.person), desk.first_of(connection, caller)
            chosen = span if span in SPANS else "48h"
            call = desk.call(connection, language(request))
            values = _values(desk, connection, Asked(model, at, chosen, lists.get(of), first, call))
        return desk.page(
            request,
            "overview",
            **values,
            at=at,
            model=model,
            spans=SPANS,
            span=chosen,
            lists=lists,
            of=of if of in lists else "",
            first=first,
            stale=datetime.now(UTC) - at > timedelta(hours=3),
        )

    return router


class Asked(NamedTuple):
    """What the first page is asked for."""

    model: str
    at: datetime
    """The end of the stream."""
    span: str
    only: Sequence[str] | None
    """The entities of the list that is looked at; None: all."""
    first: dict[str, int]
    """Those of the asker's lists."""
    call: Call


def _values(desk: Desk, connection: Connection, asked: Asked) -> dict[str, Any]:
    """What the page shows."""
    model, at, only, first = asked.model, asked.at, asked.only, asked.first
    movers = [m for m in desk.movers(connection, model, at) if only is None or m.entity in only]
    hours, width = SPANS[asked.span]
    cells = desk.kept(f"heat {model} {hours}", _FRESH_SECONDS, lambda: board.heat(connection, model, at, hours, width))
    worst = sorted(movers, key=lambda m: (-m.adverse, -m.stories, m.name))
    return {
        "turned": mine_first(_turned(desk, connection, at, only), first, lambda one: one.alert.entity),
        "movers": mine_first(moved(movers), first, lambda one: one.entity),
        "companies": mine_first(worst, first, lambda one: one.entity)[:_MOST_COMPANIES],
        "more_companies": max(0, len(worst) - _MOST_COMPANIES),
        "totals": board.totals(movers),
        "heat": heat_map(cells, first, only, at, hours, width, asked.call),
        "sources": desk.kept("sources", 3 * _FRESH_SECONDS, lambda: sources(connection, at)),
        "failing": failing(connection),
    }


def _turned(desk: Desk, connection: Connection, at: datetime, only: Sequence[str] | None) -> list[Any]:
    """The alerts of the last day of the stream; where none fired, the last few."""
    asked = inbox.Asked(entities=only)
    lying = [*inbox.open_alerts(connection, asked), *inbox.over(connection, 30, asked)]
    lying.sort(key=lambda one: one.fired_at, reverse=True)
    today = sum(one.fired_at > at - timedelta(days=1) for one in lying)
    return desk.shown(connection, [one.alert for one in lying[: max(today, _LEAST_TURNED)]])


def moved(found: Sequence[Mover]) -> list[Mover]:
    """Those that turned most for the worse, beyond what such counts do by themselves."""
    turned = sorted((m for m in found if m.turn >= _LEAST_TURN and m.adverse >= 2), key=lambda m: (-m.turn, m.name))
    return turned[:_MOST_MOVERS]


def heat_map(
    cells: Sequence[tuple[str, str, datetime, int, int, int]],
    first: dict[str, int],
    only: Sequence[str] | None,
    at: datetime,
    hours: int,
    width: int,
    call: Call,
) -> dict[str, Any]:
    """What Plotly draws: rows of entities, columns of time, each cell its adverse stories; None where there are none.

    The worst rows stand on top, those of the asker's lists before them.
    """
    rows: dict[str, dict[datetime, tuple[int, int, int]]] = {}
    names = {}
    for entity, name, start, negative, unread, stories in cells:
        if only is None or entity in only:
            rows.setdefault(entity, {})[start] = (negative, unread, stories)
            names[entity] = name
    worst = sorted(rows, key=lambda e: (e not in first, -sum(n + u for n, u, _ in rows[e].values()), names[e]))
    chosen = worst[:_MOST_ROWS]
    step = timedelta(hours=width)
    last = datetime.fromtimestamp(at.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
    bins = [last - step * n for n in range(hours // width)][::-1]
    return {
        "entities": chosen,
        "names": [call(e, names[e]) for e in chosen],
        "bins": [b.isoformat() for b in bins],
        "width": width,
        "cells": [[(c[0] + c[1] if (c := rows[e].get(b)) else None) for b in bins] for e in chosen],
        "detail": [[list(rows[e].get(b, (0, 0, 0))) for b in bins] for e in chosen],
        "more": len(worst) - len(chosen),
        "key": digest(*chosen, str(bins[-1]), str(len(cells)), size=4),
    }


def sources(connection: Connection, at: datetime) -> list[dict[str, Any]]:
    """Each source of the last fortnight: how much, how usual, and whether it is silent now."""
    found = [
        {**one._asdict(), "silent": any(end >= at for _, end in silences(one.times, at))}
        for one in board.sources(connection, at)
    ]
    return sorted(found, key=lambda s: (not s["silent"], s["name"]))


def failing(connection: Connection) -> list[Any]:
    """The feeds whose last poll failed."""
    return [feed for feed in stored_feeds.kept(connection) if feed.error]

"""One entity: its trend with alerts marked, its stories ranked, and what they claim, lit in their text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from voxpop.api.desk.common import Desk, Shown, named
from voxpop.api.desk.lit import Light, Piece, pieces
from voxpop.api.who import Caller, needs
from voxpop.store import board, inbox, people, queries, trends
from voxpop.store.queries import Order, Place, StoryRow, Teller
from voxpop.store.trends import Bin, Course

ORDERS: tuple[Order, ...] = get_args(Order)
_MOST_ALERTS = 20


class Voice(NamedTuple):
    """A document of a story, its text cut into pieces."""

    of: Teller
    pieces: list[Piece]


class Told(NamedTuple):
    """A story with the documents that tell it."""

    of: StoryRow
    voices: list[Voice]


def _older(ranked: queries.Ranked) -> str:
    """The query of the page behind this one; empty where nothing is older."""
    if not ranked.more:
        return ""
    last = ranked.stories[-1]
    return urlencode({"before": last.last.isoformat(), "story": last.story})


def routes(desk: Desk) -> APIRouter:
    """The router of entities."""
    router = APIRouter()

    @router.get("/entities/{entity}", response_class=HTMLResponse)
    def entity_page(
        request: Request,
        caller: Annotated[Caller, needs("viewer")],
        entity: str,
        by: str = "latest",
        before: datetime | None = None,
        story: str = "",
    ) -> HTMLResponse:
        order = next((key for key in ORDERS if key == by), ORDERS[0])
        behind = Place(before, story) if before and order == "latest" else None
        with desk.engine.connect() as connection:
            given, model = named(connection, entity), desk.model(connection)
            at = board.watermark(connection)
            if model is None or at is None:
                return desk.page(request, "empty", counts=queries.counts(connection))
            ids = inbox.about(connection, [entity], at - timedelta(days=90))
            raised = desk.shown(connection, ids[:_MOST_ALERTS])
            course = trends.course(connection, model, entity, at - timedelta(days=90))
            ranked = queries.ranked(connection, entity, model, order, behind)
            mover = next((m for m in desk.movers(connection, model, at) if m.entity == entity), None)
            lists = people.lists_of(connection, caller.person)
            name = desk.named(request, connection, entity)
        return desk.page(
            request,
            "entity",
            entity=entity,
            name=name,
            given=given,
            mover=mover,
            orders=ORDERS,
            order=order,
            stories=lit_stories(ranked.stories),
            since=ranked.since,
            full=len(ranked.stories) == queries.MOST_STORIES,
            more=ranked.more,
            behind=behind,
            older=_older(ranked) if order == "latest" else "",
            mentions=queries.MOST_MENTIONS,
            raised=raised,
            more_alerts=len(ids) > len(raised),
            trend=chart(course, raised),
            lists=lists,
            on_lists=[key for key, of in lists.items() if entity in of],
        )

    return router


def lit_stories(stories: Iterable[StoryRow]) -> list[Told]:
    """The stories, the text of each teller lit where it names the entity and where it claims something."""
    return [Told(story, [Voice(t, lit(t)) for t in story.tellers]) for story in stories]


def lit(teller: Teller) -> list[Piece]:
    """The teller's text in pieces."""
    return pieces(teller.text, teller.spans, [Light(c.start, c.end, c.question) for c in teller.claims])


def chart(course: Course, raised: Sequence[Shown]) -> dict[str, Any]:
    """Series for the chart: stories by kind and mean sentiment, with the alerts.

    A bin in which nothing was told is there too, so that the line of sentiment has a gap where it has no data.
    """
    if not course.bins:
        return {}
    told, step = {one.start: one for one in course.bins}, timedelta(hours=course.hours)
    first, last = course.bins[0].start, course.bins[-1].start
    times = (first + n * step for n in range((last - first) // step + 1))
    bins = [told.get(at) or Bin(at, 0, 0, 0, 0, None) for at in times]
    return {
        "hours": course.hours,
        "start": [one.start.isoformat() for one in bins],
        "negative": [one.negative for one in bins],
        "unread": [one.unread for one in bins],
        "positive": [one.positive for one in bins],
        "other": [one.stories - one.negative - one.positive - one.unread for one in bins],
        "sentiment": [None if one.sentiment is None else round(one.sentiment, 3) for one in bins],
        "alerts": [
            {"at": one.alert.fired_at.isoformat(), "id": one.alert.id, "severity": one.severity} for one in raised
        ],
    }

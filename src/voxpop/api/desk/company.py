"""One entity: its trend with alerts marked, its stories ranked, and what they claim, lit in their text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from voxpop.api.desk.common import Desk, Shown, named, sentence
from voxpop.api.desk.lit import Light, Piece, pieces
from voxpop.api.templating import language
from voxpop.api.who import Caller, needs
from voxpop.records import TrendPoint
from voxpop.store import board, inbox, people, queries, trends
from voxpop.store.queries import StoryRow, Teller

ORDERS = ("latest", "reach", "negative")
_MOST_ALERTS = 20


class Voice(NamedTuple):
    """A document of a story, its text cut into pieces."""

    of: Teller
    pieces: list[Piece]


class Told(NamedTuple):
    """A story with the documents that tell it."""

    of: StoryRow
    voices: list[Voice]


def routes(desk: Desk) -> APIRouter:
    """The router of entities."""
    router = APIRouter()

    @router.get("/entities/{entity}", response_class=HTMLResponse)
    def entity_page(
        request: Request, caller: Annotated[Caller, needs("viewer")], entity: str, by: str = "latest"
    ) -> HTMLResponse:
        order = by if by in ORDERS else "latest"
        with desk.engine.connect() as connection:
            name, model = named(connection, entity), desk.model(connection)
            at = board.watermark(connection)
            if model is None or at is None:
                return desk.page(request, "empty", counts=queries.counts(connection))
            ids = inbox.about(connection, [entity], at - timedelta(days=90))
            raised = desk.shown(connection, ids[:_MOST_ALERTS])
            points = trends.latest(connection, model, entity=entity, since=at - timedelta(days=90))
            stories = queries.stories(connection, entity, model, by=order)
            mover = next((m for m in board.movers(connection, model, at) if m.entity == entity), None)
            lists = people.lists_of(connection, caller.name)
        return desk.page(
            request,
            "entity",
            entity=entity,
            name=name,
            mover=mover,
            orders=ORDERS,
            order=order,
            stories=lit_stories(stories),
            raised=raised,
            trend=chart(points, raised),
            lists=lists,
            on_lists=[key for key, of in lists.items() if entity in of],
            said=lambda one: sentence(language(request), one),
        )

    return router


def lit_stories(stories: Iterable[StoryRow]) -> list[Told]:
    """The stories, the text of each teller lit where it names the entity and where it claims something."""
    return [Told(story, [Voice(t, lit(t)) for t in story.tellers]) for story in stories]


def lit(teller: Teller) -> list[Piece]:
    """The teller's text in pieces."""
    return pieces(teller.text, teller.spans, [Light(c.start, c.end, c.question) for c in teller.claims])


def chart(points: Sequence[TrendPoint], raised: Sequence[Shown]) -> dict[str, Any]:
    """Series for the chart: stories by kind and mean sentiment, in bins of 1, 6 or 24 hours by the length shown."""
    if not points:
        return {}
    span = points[-1].start - points[0].start
    width = next((w for w in (1, 6) if span <= timedelta(hours=200 * w)), 24)
    bins: dict[datetime, list[TrendPoint]] = {}
    for point in points:
        bins.setdefault(_bin(point.start, width), []).append(point)

    def total(field: str) -> list[int]:
        return [sum(getattr(p, field) for p in of) for of in bins.values()]

    stories, negative, positive, unread = map(
        total, ("stories", "negative_stories", "positive_stories", "unread_stories")
    )
    return {
        "hours": width,
        "start": [at.isoformat() for at in bins],
        "negative": negative,
        "unread": unread,
        "positive": positive,
        "other": [s - n - p - u for s, n, p, u in zip(stories, negative, positive, unread, strict=True)],
        "sentiment": [_mood(of) for of in bins.values()],
        "alerts": [
            {"at": one.alert.fired_at.isoformat(), "id": one.alert.id, "severity": one.severity} for one in raised
        ],
    }


def _bin(at: datetime, width: int) -> datetime:
    at = at.astimezone(UTC)
    return at.replace(hour=at.hour - at.hour % width)


def _mood(points: Sequence[TrendPoint]) -> float | None:
    """Mean sentiment of the stories that were read."""
    read = [(p.sentiment, p.stories - p.unread_stories) for p in points if p.sentiment is not None]
    weight = sum(n for _, n in read)
    return round(sum(mood * n for mood, n in read) / weight, 3) if weight else None

"""What ``/v1`` gives to read, as it was known at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import Connection

from voxpop import pointintime
from voxpop.api import conditional, cursors, export, shapes
from voxpop.api.cursors import Place
from voxpop.api.described import PROBLEMS
from voxpop.api.pace import paced
from voxpop.api.shapes import Moment, Word
from voxpop.api.who import needs
from voxpop.app import App
from voxpop.errors import Refused
from voxpop.records import Question
from voxpop.store import gates, listing, queries
from voxpop.store import models as model_versions
from voxpop.store.asof import Span

ALWAYS: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
MOST_STORY_DAYS: Final = 92
MOST_STORY_DOCUMENTS: Final = 20_000

Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of a page.")]
Cursor = Annotated[str | None, Query(max_length=4096, description="`next` of the page before.")]
AsOf = Annotated[
    Moment | None, Query(description="Only what was known then; default: now.", examples=["2026-03-15T09:30:00Z"])
]
Entities = Annotated[list[Word] | None, Query(max_length=100, description="Ids; repeat it for several. Default: all.")]
One = Annotated[Word, Query(description="Id of an entity.", examples=["acme"])]
Start = Annotated[Moment | None, Query(description="From then on.", examples=["2026-03-01T00:00:00Z"])]
End = Annotated[Moment | None, Query(description="Before then.", examples=["2026-04-01T00:00:00Z"])]


class Paged:
    """One page of one question.

    Attributes:
        as_of: what is asked for, else what the cursor says, else now.
        after: the key of the last row of the page before; None: this is the first.
    """

    def __init__(self, of: str, filters: dict[str, Any], as_of: datetime | None, cursor: str | None, kind: Any) -> None:
        self._question = cursors.question(of, {**filters, "as_of": as_of})
        self.as_of, self.after = as_of or datetime.now(UTC), None
        if cursor is not None:
            self.as_of, self.after = cursors.read(cursor, self._question, kind)

    def answer(
        self, request: Request, rows: Sequence[dict[str, Any]], limit: int, key: Callable[[dict[str, Any]], Any]
    ) -> Response:
        """The page of ``rows``, of which there is one more than ``limit`` where another page follows."""
        items, more = rows[:limit], len(rows) > limit
        after = cursors.write(Place(self._question, self.as_of, key(items[-1]))) if more else None
        body = {"items": items, "next": after, "as_of": self.as_of}
        answer = conditional.answer(request, body, (items, more))
        if after is not None:
            answer.headers["link"] = f'<{request.url.include_query_params(cursor=after)}>; rel="next"'
        return answer


async def _known(request: Request) -> None:
    """Refuses a parameter that is none: one that is misspelt would silently ask for something else."""
    route: APIRoute = request.scope["route"]
    names = {parameter.alias for parameter in route.dependant.query_params}
    if unknown := sorted(request.query_params.keys() - names):
        raise Refused(f"{unknown[0]!r} is no parameter of this; {', '.join(sorted(names))} are", unknown[0])


def routes(app: App) -> APIRouter:
    """The router of what is read."""
    needed = [needs("viewer"), paced, Depends(_known)]
    router = APIRouter(prefix="/v1", dependencies=needed, responses=PROBLEMS)
    _lists(app, router)
    _of_an_entity(app, router)
    return router


def _lists(app: App, router: APIRouter) -> None:
    @router.get("/entities", response_model=shapes.Page[shapes.Entity], tags=["read"])
    def entities(
        request: Request,
        active: bool | None = True,
        sector: Word | None = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response:
        """Who is watched, by id, with what was told of them on the last day that is known."""
        page = Paged("entities", {"active": active, "sector": sector}, as_of, cursor, str)
        with app.engine.connect() as connection:
            last = min(page.as_of, queries.watermark(connection) or page.as_of)
            rows = listing.entities(
                connection,
                model=model_versions.active(connection),
                since=last - timedelta(hours=24),
                until=last,
                as_of=page.as_of,
                active=active,
                sector=sector,
                after=page.after,
                limit=limit + 1,
            )
        return page.answer(request, rows, limit, lambda row: row["id"])

    @router.get("/trends", response_model=shapes.Page[shapes.TrendPoint], tags=["read"], responses=export.RESPONSES)
    def trends(
        request: Request,
        entity: Entities = None,
        start: Start = None,
        end: End = None,
        model: Annotated[Word | None, Query(description="A model version; default: the one that counts.")] = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 1000,
        format: Annotated[
            Literal["json", "csv", "parquet"], Query(description="csv and parquet give all at once, without pages.")
        ] = "json",
    ) -> Response:
        """Stories, sentiment and reach of entities by the hour, by entity and start."""
        filters = {"entity": entity, "start": start, "end": end, "model": model}
        page = Paged("trends", filters, as_of, cursor, tuple[str, datetime])
        with app.engine.connect() as connection:
            _require(connection, entity or ())
            version = model or model_versions.active(connection)
            span = {"start": start or ALWAYS[0], "end": end or ALWAYS[1], "as_of": page.as_of}
            asked = listing.Trends(model=version, entities=entity, **span)
            if format != "json":
                return export.trends(connection, asked, format)
            rows = listing.trends(connection, asked, after=page.after, limit=limit + 1)
        return page.answer(request, rows, limit, lambda row: (row["entity"], row["start"]))

    @router.get("/alerts", response_model=shapes.Page[shapes.Alert], tags=["read"])
    def alerts(
        request: Request,
        entity: Entities = None,
        rule: Word | None = None,
        state: Literal["firing", "resolved"] | None = None,
        start: Start = None,
        end: End = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response:
        """Alerts by the time at which they fired, the last first, with evidence and moves."""
        filters = {"entity": entity, "rule": rule, "state": state, "start": start, "end": end}
        page = Paged("alerts", filters, as_of, cursor, tuple[datetime, str])
        with app.engine.connect() as connection:
            rows = listing.alerts(
                connection,
                as_of=page.as_of,
                start=start or ALWAYS[0],
                end=end or ALWAYS[1],
                entities=entity,
                rule=rule,
                state=state,
                after=page.after,
                limit=limit + 1,
            )
        return page.answer(request, rows, limit, lambda row: (row["fired_at"], row["id"]))

    @router.get("/alerts/{alert}", response_model=shapes.Alert, tags=["read"])
    def alert(request: Request, alert: Word, as_of: AsOf = None) -> Response:
        """One alert."""
        when = as_of or datetime.now(UTC)
        with app.engine.connect() as connection:
            rows = listing.alerts(connection, as_of=when, start=ALWAYS[0], end=ALWAYS[1], id=alert, limit=1)
        if not rows:
            raise HTTPException(404, "there is no such alert")
        return conditional.answer(request, rows[0], rows[0])


def _of_an_entity(app: App, router: APIRouter) -> None:
    @router.get("/claims", response_model=shapes.Page[shapes.Claim], tags=["read"])
    def claims(
        request: Request,
        entity: One,
        question: Question | None = None,
        start: Start = None,
        end: End = None,
        model: Word | None = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response:
        """What documents claim about an entity, word for word, the last published first."""
        filters = {"entity": entity, "question": question, "start": start, "end": end, "model": model}
        page = Paged("claims", filters, as_of, cursor, tuple[datetime, str, str])
        with app.engine.connect() as connection:
            _require(connection, [entity])
            rows = listing.claims(
                connection,
                entity=entity,
                model=model or model_versions.active(connection) or "",
                start=start or ALWAYS[0],
                end=end or ALWAYS[1],
                as_of=page.as_of,
                question=question,
                after=page.after,
                limit=limit + 1,
            )
        return page.answer(request, rows, limit, lambda row: (row["published_at"], row["document"], row["question"]))

    @router.get("/stories", response_model=shapes.Page[shapes.Story], tags=["read"])
    def stories(
        request: Request,
        entity: One,
        start: Start = None,
        end: End = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response:
        """Stories about an entity that were first told in a span of 92 days at most, the last first.

        They are made of the documents that were known at `as_of`. Default: the fortnight before it, or before the last
        publication where that is earlier.
        """
        filters = {"entity": entity, "start": start, "end": end}
        page = Paged("stories", filters, as_of, cursor, tuple[datetime, str])
        with app.engine.connect() as connection:
            _require(connection, [entity])
            model = model_versions.active(connection)
            until = end or min(page.as_of, queries.watermark(connection) or page.as_of) + timedelta(microseconds=1)
            since = start or until - timedelta(days=14)
            span = Span([entity], model or "", since, until, page.as_of)
            rows = _stories(connection, span, app.settings.story_window_hours)
        if page.after is not None:
            rows = [row for row in rows if (row["first"], row["story"]) < page.after]
        return page.answer(request, rows[: limit + 1], limit, lambda row: (row["first"], row["story"]))


def _stories(connection: Connection, span: Span, window_hours: int) -> list[dict[str, Any]]:
    """The last first; refused where it would take long."""
    if span.end - span.start > timedelta(days=MOST_STORY_DAYS):
        raise Refused(f"stories are made for {MOST_STORY_DAYS} days at most: give a later start or an earlier end")
    if gates.more_than(connection, span.entities[0], span.start, span.end, MOST_STORY_DOCUMENTS):
        raise Refused(f"more than {MOST_STORY_DOCUMENTS:,} documents name it in this span: ask about a shorter one")
    rows = pointintime.stories_known(connection, span, timedelta(hours=window_hours))
    return sorted(rows, key=lambda row: (row["first"], row["story"]), reverse=True)


def _require(connection: Connection, entities: Sequence[str]) -> None:
    """404 where nobody ever watched one of them."""
    for entity in entities:
        if queries.name_of(connection, entity) is None:
            raise HTTPException(404, f"nobody watches {entity}")

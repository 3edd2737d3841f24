"""What ``/v1`` gives to read, as it was known at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from sqlalchemy import Connection

from voxpop import pointintime
from voxpop.api import conditional, export, shapes
from voxpop.api.described import PROBLEMS
from voxpop.api.pace import paced
from voxpop.api.paging import ALWAYS, AlertId, AsOf, Cursor, End, Entities, Limit, One, Paged, Start, known
from voxpop.api.shapes import Word
from voxpop.api.who import needs
from voxpop.app import App
from voxpop.errors import Refused
from voxpop.records import Question
from voxpop.store import alerts as stored_alerts
from voxpop.store import gates, listing, moves, people, queries
from voxpop.store import models as model_versions
from voxpop.store.asof import Span
from voxpop.store.locks import settled

MOST_STORY_DAYS: Final = 92
MOST_STORY_DOCUMENTS: Final = 20_000


def routes(app: App) -> APIRouter:
    """The router of what is read."""
    router = APIRouter(prefix="/v1", dependencies=[needs("viewer"), paced, known], responses=PROBLEMS)
    for part in (_entities, _trends, _alerts, _alert, _comments, _silences, _claims, _stories):
        part(app, router)
    return router


def _entities(app: App, router: APIRouter) -> None:
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
        with app.engine.connect() as connection:
            page = Paged("entities", {"active": active, "sector": sector}, as_of, cursor, str, connection)
            last = min(page.as_of, queries.watermark(connection) or page.as_of)
            rows = listing.entities(
                connection,
                model=model_versions.active(connection, page.as_of),
                since=last - timedelta(hours=24),
                until=last,
                as_of=page.as_of,
                active=active,
                sector=sector,
                after=page.after,
                limit=limit + 1,
            )
        return page.answer(request, rows, limit, lambda row: row["id"])


def _trends(app: App, router: APIRouter) -> None:
    @router.get("/trends", response_model=shapes.Page[shapes.TrendPoint], tags=["read"], responses=export.RESPONSES)
    def trends(
        request: Request,
        entity: Entities = None,
        start: Start = None,
        end: End = None,
        model: Annotated[Word | None, Query(description="A model version; default: the one that counted then.")] = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 1000,
        format: Annotated[
            Literal["json", "csv", "parquet"], Query(description="csv and parquet give all at once, without pages.")
        ] = "json",
    ) -> Response:
        """Stories, sentiment and reach of entities by the hour, by entity and start."""
        filters = {"entity": entity, "start": start, "end": end, "model": model}
        with app.engine.connect() as connection:
            page = Paged("trends", filters, as_of, cursor, tuple[str, datetime], connection)
            _require(connection, entity or ())
            version = model or model_versions.active(connection, page.as_of)
            span = {"start": start or ALWAYS[0], "end": end or ALWAYS[1], "as_of": page.as_of}
            asked = listing.Trends(model=version, entities=entity, **span)
            if format != "json":
                return export.trends(connection, asked, format)
            rows = listing.trends(connection, asked, after=page.after, limit=limit + 1)
        return page.answer(request, rows, limit, lambda row: (row["entity"], row["start"]))


def _alerts(app: App, router: APIRouter) -> None:
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
        with app.engine.connect() as connection:
            page = Paged("alerts", filters, as_of, cursor, tuple[datetime, str], connection)
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


def _alert(app: App, router: APIRouter) -> None:
    @router.get("/alerts/{alert}", response_model=shapes.Alert, tags=["read"])
    def alert(request: Request, alert: AlertId, as_of: AsOf = None) -> Response:
        """One alert."""
        with app.engine.connect() as connection:
            when = settled(connection, as_of)
            rows = listing.alerts(connection, as_of=when, start=ALWAYS[0], end=ALWAYS[1], id=alert, limit=1)
        if not rows:
            raise HTTPException(404, "there is no such alert")
        return conditional.answer(request, rows[0], rows[0])


def _comments(app: App, router: APIRouter) -> None:
    @router.get("/alerts/{alert}/comments", response_model=shapes.Page[shapes.Comment], tags=["read"])
    def comments(
        request: Request, alert: AlertId, as_of: AsOf = None, cursor: Cursor = None, limit: Limit = 100
    ) -> Response:
        """What people wrote about an alert, the oldest first."""
        page = Paged("comments", {"alert": alert}, as_of, cursor, tuple[datetime, str])
        with app.engine.connect() as connection:
            if not stored_alerts.stored(connection, [alert]):
                raise HTTPException(404, "there is no such alert")
            said = people.comments_on(connection, [alert]).get(alert, [])
        rows = [{"alert": alert, **one._asdict()} for one in said if one.at <= page.as_of]
        rows = [row for row in rows if page.after is None or (row["at"], row["id"]) > page.after]
        return page.answer(request, rows[: limit + 1], limit, lambda row: (row["at"], row["id"]))


def _silences(app: App, router: APIRouter) -> None:
    @router.get("/silences", response_model=shapes.Page[shapes.Silence], tags=["read"])
    def silences(request: Request, as_of: AsOf = None, cursor: Cursor = None, limit: Limit = 100) -> Response:
        """The silences that were in force, by their beginning. `until` is as it is known now, not as of then."""
        page = Paged("silences", {}, as_of, cursor, tuple[datetime, str])
        with app.engine.connect() as connection:
            found = moves.silences(connection, page.as_of)
        rows = [one._asdict() for one in found if one.starts_at <= page.as_of]
        rows = [row for row in rows if page.after is None or (row["starts_at"], row["id"]) > page.after]
        return page.answer(request, rows[: limit + 1], limit, lambda row: (row["starts_at"], row["id"]))


def _claims(app: App, router: APIRouter) -> None:
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
        with app.engine.connect() as connection:
            page = Paged("claims", filters, as_of, cursor, tuple[datetime, str, str], connection)
            _require(connection, [entity])
            rows = listing.claims(
                connection,
                entity=entity,
                model=model or model_versions.active(connection, page.as_of) or "",
                start=start or ALWAYS[0],
                end=end or ALWAYS[1],
                as_of=page.as_of,
                question=question,
                after=page.after,
                limit=limit + 1,
            )
        return page.answer(request, rows, limit, lambda row: (row["published_at"], row["document"], row["question"]))


def _stories(app: App, router: APIRouter) -> None:
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
        with app.engine.connect() as connection:
            page = Paged("stories", filters, as_of, cursor, tuple[datetime, str], connection)
            _require(connection, [entity])
            model = model_versions.active(connection, page.as_of)
            until = end or min(page.as_of, queries.watermark(connection) or page.as_of) + timedelta(microseconds=1)
            since = start or until - timedelta(days=14)
            span = Span([entity], model or "", since, until, page.as_of)
            rows = _known_stories(connection, span, app.settings.story_window_hours)
        if page.after is not None:
            rows = [row for row in rows if (row["first"], row["story"]) < page.after]
        return page.answer(request, rows[: limit + 1], limit, lambda row: (row["first"], row["story"]))


def _known_stories(connection: Connection, span: Span, window_hours: int) -> list[dict[str, Any]]:
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

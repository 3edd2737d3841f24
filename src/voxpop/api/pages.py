"""The pages and the JSON endpoints: read, shape, render."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from voxpop import alerting
from voxpop.api.marks import pieces
from voxpop.api.templating import templates
from voxpop.api.who import needs
from voxpop.app import App
from voxpop.records import Alert, TrendPoint
from voxpop.signals.meaning import OPERATIONAL
from voxpop.signals.windows import hour_of, silences
from voxpop.store import alerts, counts, deadletters, moves, queries, trends
from voxpop.store import models as model_versions
from voxpop.text.mask import mask

templates.env.globals["pieces"] = pieces
templates.env.globals["operational"] = OPERATIONAL

ORDERS = {"latest": "latest first", "reach": "most carried", "negative": "most negative"}


def routes(app: App) -> APIRouter:
    """The router over the store of ``app``."""
    router = APIRouter(dependencies=[needs("viewer")])

    def page(request: Request, template: str, **values: Any) -> HTMLResponse:
        return templates.TemplateResponse(request, f"{template}.html", values)

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    def overview(request: Request) -> HTMLResponse:
        with app.engine.connect() as connection:
            model, stored = model_versions.active(connection), queries.counts(connection)
            if model is None or stored.watermark is None:
                return page(request, "empty", counts=stored)
            return page(
                request,
                "overview",
                counts=stored,
                model=model,
                alerts=[_shown(connection, alert) for alert in reversed(alerts.stored(connection))],
                entities=queries.entities(connection, model, stored.watermark),
                heat=_heat(queries.heat(connection, model, stored.watermark)),
                sources=_sources(counts.heard(connection), stored.watermark),
            )

    @router.get("/entities/{entity}", response_class=HTMLResponse, include_in_schema=False)
    def entity_page(request: Request, entity: str, by: str = "latest") -> HTMLResponse:
        with app.engine.connect() as connection:
            name, model = queries.name_of(connection, entity), model_versions.active(connection)
            if name is None or model is None:
                raise HTTPException(404, f"nobody watches {entity}")
            order = by if by in ORDERS else "latest"
            return page(
                request,
                "entity",
                entity=entity,
                name=name,
                orders=ORDERS,
                order=order,
                stories=queries.stories(connection, entity, model, by=order),
                alerts=[a for a in alerts.stored(connection) if a.entity == entity],
                trend=_chart(trends.latest(connection, model, entity=entity), alerts.stored(connection), entity),
            )

    @router.get("/alerts/{alert_id}", response_class=HTMLResponse, include_in_schema=False)
    def alert_page(request: Request, alert_id: str) -> HTMLResponse:
        with app.engine.connect() as connection:
            found = [a for a in alerts.stored(connection) if a.id == alert_id]
            if not found:
                raise HTTPException(404, "there is no such alert")
            shown = _shown(connection, found[0])
            evidence = queries.stories(
                connection, found[0].entity, found[0].model, by="reach", documents=found[0].evidence
            )
            lived = moves.moves_of(connection, [alert_id]).get(alert_id, [])
            return page(request, "alert", **shown, stories=evidence, moves=lived)

    @router.get("/dead-letters", response_class=HTMLResponse, include_in_schema=False)
    def dead_letters(request: Request) -> HTMLResponse:
        with app.engine.connect() as connection:
            total, rows = deadletters.listed(connection, None, 100)
        shown = [
            {**row._asdict(), "reason": mask(row.reason), "payload": mask(row.payload[:600].decode("utf-8", "replace"))}
            for row in rows
        ]
        return page(request, "dead_letters", total=total, rows=shown)

    return router


def _shown(connection: Connection, alert: Alert) -> dict[str, Any]:
    name = queries.name_of(connection, alert.entity) or alert.entity
    return {"alert": alert, "name": name, "sentence": alerting.line_of(connection, alert, name)}


def _sources(heard: dict[str, list[datetime]], watermark: datetime) -> list[dict[str, Any]]:
    """Each source, when it was last heard, and where it fell silent."""
    return [
        {"name": name, "count": len(times), "last": times[-1], "silences": silences(times, watermark)}
        for name, times in sorted(heard.items())
    ]


def _heat(cells: Sequence[tuple[str, datetime, int]]) -> dict[str, Any]:
    """Rows of a table: an entity, and for each day the count and its share of the largest."""
    days = sorted({day for _, day, _ in cells})
    most = max((count for _, _, count in cells), default=1)
    found = {(entity, day): count for entity, day, count in cells}
    rows = {
        entity: [(day, found.get((entity, day), 0), found.get((entity, day), 0) / most) for day in days]
        for entity in dict.fromkeys(entity for entity, _, _ in cells)
    }
    return {"days": days, "rows": sorted(rows.items(), key=lambda row: -max(count for _, count, _ in row[1]))}


def _chart(points: Sequence[TrendPoint], raised: Sequence[Alert], entity: str) -> dict[str, Any]:
    """Series for the chart: stories by kind and mean sentiment, in bins of 1, 6 or 24 hours by the length shown."""
    if not points:
        return {}
    span = points[-1].start - points[0].start
    width = next((w for w in (1, 6) if span <= timedelta(hours=200 * w)), 24)
    bins: dict[datetime, list[TrendPoint]] = {}
    for point in points:
        at = point.start.replace(hour=point.start.hour - point.start.hour % width)
        bins.setdefault(at, []).append(point)

    def total(field: str) -> list[int]:
        return [sum(getattr(p, field) for p in of) for of in bins.values()]

    stories, negative, positive, unread = map(
        total, ("stories", "negative_stories", "positive_stories", "unread_stories")
    )
    moods = [[p.sentiment for p in of if p.sentiment is not None] for of in bins.values()]
    return {
        "hours": width,
        "start": [at.isoformat() for at in bins],
        "negative": negative,
        "unread": unread,
        "positive": positive,
        "other": [s - n - p - u for s, n, p, u in zip(stories, negative, positive, unread, strict=True)],
        "sentiment": [round(sum(of) / len(of), 3) if of else None for of in moods],
        "alerts": [
            {"at": hour_of(a.fired_at).isoformat(), "text": f"{a.stories} stories, {a.expected:.1f} usual"}
            for a in raised
            if a.entity == entity
        ],
    }

"""The JSON endpoints: read, shape."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, HTTPException

from voxpop.api.who import needs
from voxpop.app import App
from voxpop.records import Alert, TrendPoint
from voxpop.store import alerts, queries, trends
from voxpop.store import models as model_versions


def routes(app: App) -> APIRouter:
    """The router over the store of ``app``."""
    router = APIRouter(dependencies=[needs("viewer")])

    @router.get("/v1/alerts", summary="Alerts, the newest first")
    def alerts_json() -> list[dict[str, Any]]:
        with app.engine.connect() as connection:
            return [_plain(alert) for alert in reversed(alerts.stored(connection))]

    @router.get("/v1/trends", summary="Hourly trend of an entity")
    def trends_json(entity: str, as_of: datetime | None = None) -> list[dict[str, Any]]:
        with app.engine.connect() as connection:
            model = model_versions.active(connection)
            if model is None or queries.name_of(connection, entity) is None:
                raise HTTPException(404, f"nobody watches {entity}")
            return [_plain(point) for point in trends.latest(connection, model, entity=entity, as_of=as_of)]

    return router


def _plain(record: Alert | TrendPoint) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}

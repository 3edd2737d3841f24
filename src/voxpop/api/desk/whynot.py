"""Why was nobody told? The walk of ``voxpop why``, as a form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, text

from voxpop import why
from voxpop.api.desk.common import Desk
from voxpop.errors import SettingError
from voxpop.store import queries


def routes(desk: Desk) -> APIRouter:
    """The router of the form."""
    router = APIRouter()

    @router.get("/why", response_class=HTMLResponse)
    def page(
        request: Request, entity: str = "", at: str = "", hours: Annotated[int, Query(ge=1, le=24 * 31)] = 24
    ) -> HTMLResponse:
        wrong, answer = "", None
        with desk.engine.connect() as connection:
            model, known = desk.model(connection), queries.counts(connection).watermark
            names = watched(connection)
            if entity.strip() and (model is None or known is None):
                wrong = "nothing_read"
            elif entity.strip() and model and known:
                try:
                    end = time(at) if at.strip() else known + timedelta(seconds=1)
                    span = timedelta(hours=hours)
                    rules, now = desk.rules(), datetime.now(UTC)
                    answer = why.why(connection, entity.strip(), model, rules, end, now, span)
                except ValueError:
                    wrong = "no_time"
                except SettingError:
                    wrong = "never_watched"
        return desk.page(request, "why", names=names, entity=entity, at=at, hours=hours, wrong=wrong, answer=answer)

    return router


def time(written: str) -> datetime:
    """A time as the form sends it, UTC where it has no zone.

    Raises:
        ValueError: it is none.
    """
    at = datetime.fromisoformat(written.strip())
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def watched(connection: Connection) -> list[tuple[str, str]]:
    """(id, name) of every watched entity, by name."""
    rows = connection.execute(text("SELECT entity_id, name FROM entities WHERE active ORDER BY lower(name), entity_id"))
    return [(row[0], row[1]) for row in rows]

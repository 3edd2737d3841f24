"""Why was nobody told? The walk of ``voxpop why``, as a form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from voxpop import why
from voxpop.api.desk.common import Desk
from voxpop.errors import SettingError
from voxpop.store import gates, queries
from voxpop.why import Answer, Figure


def routes(desk: Desk) -> APIRouter:
    """The router of the form."""
    router = APIRouter()

    @router.get("/why", response_class=HTMLResponse)
    def page(
        request: Request, entity: str = "", at: str = "", hours: Annotated[int, Query(ge=1, le=24 * 31)] = 24
    ) -> HTMLResponse:
        wrong, answer = "", None
        with desk.engine.connect() as connection:
            model, known = desk.model(connection), queries.watermark(connection)
            names = desk.watched(request, connection)
            if entity.strip() and (model is None or known is None):
                wrong = "nothing_read"
            elif entity.strip() and model and known:
                try:
                    end = time(at) if at.strip() else known + timedelta(seconds=1)
                    span = timedelta(hours=hours)
                    rules, now = desk.rules(), datetime.now(UTC)
                    asked = desk.entity(request, connection, entity) or entity.strip()
                    found = why.why(connection, asked, model, rules, end, now, span)
                    answer = _called(found, desk.named(request, connection, found.entity))
                except ValueError:
                    wrong = "no_time"
                except SettingError:
                    wrong = "several_called" if len(gates.called(connection, asked)) > 1 else "never_watched"
        return desk.page(request, "why", names=names, entity=entity, at=at, hours=hours, wrong=wrong, answer=answer)

    return router


def time(written: str) -> datetime:
    """A time as the form sends it, UTC where it has no zone.

    Raises:
        ValueError: it is none.
    """
    at = datetime.fromisoformat(written.strip())
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _called(answer: Answer, name: str) -> Answer:
    """The answer, in which the entity is called ``name``."""

    def figure(one: Figure) -> Figure:
        return one._replace(values={**one.values, "name": name}) if "name" in one.values else one

    gates = [gate._replace(figures=tuple(map(figure, gate.figures))) for gate in answer.gates]
    return answer._replace(name=name, gates=gates)

"""How the installation is: how far it reads, what it refused, what drifted, when its jobs ran."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection, text

from voxpop.alarms import history
from voxpop.api import refusals
from voxpop.api.desk.common import Desk, done
from voxpop.api.desk.overview import failing
from voxpop.api.templating import language
from voxpop.api.who import Caller, audit, needs
from voxpop.errors import VoxpopError
from voxpop.jobs import JOBS
from voxpop.readmit import readmit
from voxpop.records import TOPICS
from voxpop.store import access, board, deadletters, drifts, positions, runs
from voxpop.text.mask import mask

GROUPS = {"prepare-news": TOPICS["news"], "prepare-social": TOPICS["social"], "analyst": TOPICS["document"]}
_LATE = 3
"""A job that ended more than so many of its cadences ago is late."""
_MOST_LETTERS = 100
_MINUTE = 60.0


class Lag(NamedTuple):
    """A consumer group: how far it is, and how far the log."""

    group: str
    topic: str
    done: int
    end: int

    @property
    def waiting(self) -> int:
        """Records that it has not handled."""
        return max(0, self.end - self.done)


class Speed:
    """How fast records are handled, by what was seen of the offsets within the last minutes."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[str, int]]] = deque(maxlen=120)
        self._lock = threading.Lock()

    def look(self, lags: list[Lag]) -> dict[str, float | None]:
        """Records a second of each group since it was last looked at, over a minute at most; None at the first look."""
        now, offsets = time.monotonic(), {lag.group: lag.done for lag in lags}
        with self._lock:
            before = next((seen for seen in self._seen if now - seen[0] <= _MINUTE and now - seen[0] >= 1), None)
            self._seen.append((now, offsets))
        if before is None:
            return dict.fromkeys(offsets)
        return {group: max(0.0, (n - before[1].get(group, n)) / (now - before[0])) for group, n in offsets.items()}


def routes(desk: Desk) -> APIRouter:
    """The router of the installation."""
    router = APIRouter()
    _page(desk, router)
    _dead_letters(desk, router)
    _replay(desk, router)
    return router


def _page(desk: Desk, router: APIRouter) -> None:
    speed = Speed()

    @router.get("/system", response_class=HTMLResponse)
    def page(request: Request, caller: Annotated[Caller, needs("viewer")]) -> HTMLResponse:
        with desk.engine.connect() as connection:
            model, at = desk.model(connection), board.watermark(connection)
            lags, away = lag(desk, connection)
            values: dict[str, Any] = {
                "model": model,
                "at": at,
                "learning": history.learns(connection, model) if model else None,
                "published": throughput(connection, at) if at else {},
                "drift": drift(connection, model, at) if model and at else {},
                "letters": letters(connection),
                "jobs": jobs(connection, datetime.now(UTC)),
                "failing": failing(connection),
                "deliveries": waiting_messages(connection),
                "trail": access.audited(connection, limit=30) if caller.may("admin") else None,
            }
        return desk.page(request, "system", lags=lags, speeds=speed.look(lags), away=away, **values)


def _dead_letters(desk: Desk, router: APIRouter) -> None:
    @router.get("/dead-letters", response_class=HTMLResponse)
    def dead_letters(request: Request, stage: str = "") -> HTMLResponse:
        with desk.engine.connect() as connection:
            total, rows = deadletters.listed(connection, stage or None, _MOST_LETTERS)
            stages = letters(connection)
        lang = language(request)
        shown = [
            row._asdict()
            | {"reason": mask(refusals.said(lang, row.reason))}
            | {"payload": mask(row.payload[:600].decode("utf-8", "replace"))}
            for row in rows
        ]
        return desk.page(request, "dead_letters", total=total, rows=shown, stages=stages, stage=stage)


def _replay(desk: Desk, router: APIRouter) -> None:
    @router.post("/dead-letters/replay")
    def replay(
        request: Request,
        caller: Annotated[Caller, needs("analyst")],
        letter: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "/dead-letters",
    ) -> Response:
        """Sends one through its stage once more, or all; what is still not fit stays."""
        told = readmit(desk.app, [letter] if letter else None)
        with desk.engine.begin() as connection:
            audit(connection, caller, "dead letters replayed", letter or "all", told._asdict())
        if told.refused and letter:
            return desk.page(request, "notice", 409, message="still_refused", back=next)
        return done(request, next)


def lag(desk: Desk, connection: Connection) -> tuple[list[Lag], str]:
    """How far each group is; where the log does not answer, nothing and why."""
    try:
        log = desk.app.log
        ids = log.topic_ids(GROUPS.values())
        found = []
        for group, topic in GROUPS.items():
            done_to = positions.offsets(connection, group, ids)
            ends = log.ends(topic)
            handled = sum(min(end, done_to.get((topic, number), 0)) for number, end in ends.items())
            found.append(Lag(group, topic, handled, sum(ends.values())))
    except VoxpopError as error:
        return [], str(error)
    return found, ""


def throughput(connection: Connection, at: datetime) -> dict[str, Any]:
    """Documents by the hour of their publication, two days back."""
    heard = dict(board.published(connection, at))
    last = at.replace(minute=0, second=0, microsecond=0)
    hours = [last - timedelta(hours=n) for n in range(48)][::-1]
    return {"start": [h.isoformat() for h in hours], "documents": [heard.get(h, 0) for h in hours]}


def drift(connection: Connection, model: str, at: datetime) -> dict[str, Any]:
    """The index of each measure by day, five weeks back."""
    found: dict[str, list[tuple[str, float]]] = {}
    for row in drifts.since(connection, model, at - timedelta(days=35)):
        found.setdefault(row.measure, []).append((row.until.isoformat(), round(row.score, 4)))
    return {measure: {"at": [a for a, _ in of], "score": [s for _, s in of]} for measure, of in found.items()}


def letters(connection: Connection) -> list[tuple[str, int, datetime]]:
    """(stage, dead letters, the newest) of each stage that has any."""
    rows = connection.execute(
        text("SELECT stage, count(*), max(received_at) FROM dead_letters GROUP BY stage ORDER BY stage")
    )
    return [(row[0], row[1], row[2]) for row in rows]


def jobs(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """Each job of the table: its cadence, its last run, and whether that failed or is overdue."""
    known = runs.last(connection)
    found = []
    for job in JOBS:
        run = known.get(job.name)
        state = "never" if run is None else "failed" if run.error else "fine"
        if run is not None and state == "fine" and now - run.ended_at > _LATE * job.every + timedelta(seconds=30):
            state = "late"
        found.append({"name": job.name, "every": job.every, "run": run, "state": state})
    return found


def waiting_messages(connection: Connection) -> list[Any]:
    """Messages that wait for a receiver, by receiver: how many, since when, and what it said last."""
    return list(
        connection.execute(
            text(
                "SELECT receiver, count(*) AS waiting, min(received_at) AS since, max(said) AS said"
                " FROM deliveries WHERE state = 'waiting' GROUP BY receiver ORDER BY receiver"
            )
        )
    )

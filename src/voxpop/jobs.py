"""The scheduled work, in one table. ``voxpop run`` and the DAGs both read it.

A job is a function of its surroundings and of ``now``. It may run twice, late or after a kill: what it writes is keyed
by nature, and it works on what is stored, never on what it remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np
from sqlalchemy import Engine

from voxpop import alerting, alertsfile, rules
from voxpop.errors import VoxpopError
from voxpop.intake import take
from voxpop.log.base import Log
from voxpop.records import Alert, Document, Mention, TrendPoint, digest
from voxpop.settings import Settings
from voxpop.signals import surge
from voxpop.signals.windows import HOUR, hour_of
from voxpop.sources import feeds
from voxpop.sources.fetch import Fetcher
from voxpop.stages import TOPICS, document_message
from voxpop.store import alerts, rereading, trends
from voxpop.store import feeds as stored_feeds
from voxpop.text import stories
from voxpop.text.entities import Linker

SURGE = "surge"
LEARNING = timedelta(days=7)
"""Until so much of the stream is known the desk has no cut, so nothing alarms; then the cut is set anew as often."""
QUIET = timedelta(hours=24)
"""An entity that stays below the cut for so long is over its episode."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What jobs work on."""

    settings: Settings
    engine: Engine
    log: Log
    model: str
    """The model version whose opinions count."""
    linker: Callable[[], Linker]
    fetcher: Fetcher


@dataclass(frozen=True, kw_only=True)
class Job:
    """A function that runs every so often; it returns how much it did, for the log."""

    name: str
    every: timedelta
    function: Callable[[Surroundings, datetime], int]


def refresh_trends(around: Surroundings, now: datetime) -> int:
    """Computes every stale window anew."""
    done = 0
    while True:
        with around.engine.begin() as connection:
            taken = trends.refresh(connection, around.model)
        done += taken
        if not taken:
            return done


class Grid(NamedTuple):
    """The trend points as the surge rule sees them."""

    start: datetime
    """The first hour."""
    entities: tuple[str, ...]
    points: dict[tuple[str, datetime], TrendPoint]
    stories: surge.Stories

    def hour(self, index: int) -> datetime:
        return self.start + index * HOUR


def grid_of(points: Sequence[TrendPoint], first: datetime, last: datetime) -> Grid:
    """Lays the points out over the hours from ``first`` to ``last``."""
    start = hour_of(first)
    entities = tuple(sorted({p.entity for p in points}))
    rows = {entity: row for row, entity in enumerate(entities)}
    shape = (len(entities), int((hour_of(last) - start) / HOUR) + 1)
    stories = surge.Stories(*(np.zeros(shape, dtype=np.int64) for _ in range(3)))
    for p in points:
        cell = rows[p.entity], int((p.start - start) / HOUR)
        stories.adverse[cell] = p.negative_stories + p.unread_stories
        stories.positive[cell] = p.positive_stories
        stories.other[cell] = p.stories - p.positive_stories - p.negative_stories - p.unread_stories
    return Grid(start, entities, {(p.entity, p.start): p for p in points}, stories)


def calibrate(around: Surroundings, now: datetime) -> int:
    """Sets the cut at the end of each learning span of the stream, from what had been said by then."""
    with around.engine.begin() as connection:
        span = alerts.span(connection)
        if span is None:
            return 0
        known = {at for at, _ in alerts.cuts(connection, SURGE, around.model)}
        grid = grid_of(trends.latest(connection, around.model), *span)
        score = surge.judge(grid.stories).score
        due = [d for d in _learned(grid.start, span[1]) if d not in known]
        for at in due:
            cut = surge.calibrate(score[:, : int((at - grid.start) / HOUR)], around.settings.alert_budget_per_day)
            alerts.save_cut(connection, SURGE, around.model, at, cut, around.settings.alert_budget_per_day)
        return len(due)


def _learned(start: datetime, last: datetime) -> list[datetime]:
    return [start + n * LEARNING for n in range(1, int((last - start) / LEARNING) + 1)]


def raise_alerts(around: Surroundings, now: datetime) -> int:
    """Judges every hour of the stream that has a cut, and stores the alerts that this raises."""
    with around.engine.begin() as connection:
        span = alerts.span(connection)
        cuts = alerts.cuts(connection, SURGE, around.model)
        if span is None or not cuts:
            return 0
        grid = grid_of(trends.latest(connection, around.model), *span)
        judged = surge.judge(grid.stories)
        limits = _limits(grid, cuts)
        raised = alerts.windows(connection, SURGE, around.model)
        new = 0
        for row, entity in enumerate(grid.entities):
            for episode in surge.episodes(judged.score[row], limits, quiet=int(QUIET / HOUR)):
                alert = _alert(around.model, grid, row, judged, limits, episode)
                end = grid.hour(episode.end)
                alert = msgspec.structs.replace(
                    alert,
                    id=_id_of(entity, alert.window_start, raised),
                    evidence=alerts.evidence(connection, entity, around.model, alert.window_start, end),
                )
                new += alerts.save(connection, alert, "resolved" if span[1] - end >= QUIET else "firing")
        return new


def _limits(grid: Grid, cuts: Sequence[tuple[datetime, float]]) -> surge.Scores:
    """The cut of each hour: the last one set before it; infinite while there is none."""
    limits = np.full(grid.stories.adverse.shape[1], np.inf)
    for at, cut in cuts:
        limits[max(0, int((at - grid.start) / HOUR)) :] = cut
    return limits


def _alert(
    model: str, grid: Grid, row: int, judged: surge.Judgement, limits: surge.Scores, episode: surge.Episode
) -> Alert:
    """The alert of an episode, with the figures of its peak; it fires at the end of the hour that crossed the cut."""
    peak, entity = episode.peak, grid.entities[row]
    start = grid.hour(episode.start + 1 - int(judged.horizon[row, episode.start]))
    span = [grid.points.get((entity, grid.hour(h))) for h in range(episode.start, episode.end)]
    return Alert(
        id="",
        entity=entity,
        rule=SURGE,
        fired_at=grid.hour(episode.start + 1),
        window_start=start,
        score=float(judged.score[row, peak]),
        cut=float(limits[peak]),
        stories=int(judged.seen[row, peak]),
        hours=int(judged.horizon[row, peak]),
        negative_stories=sum(p.negative_stories for p in span if p is not None),
        unread_stories=sum(p.unread_stories for p in span if p is not None),
        expected=float(judged.expected[row, peak]),
        model=model,
    )


def _id_of(entity: str, start: datetime, raised: dict[tuple[str, datetime], str]) -> str:
    """The id of the alert that was raised for this episode before its start moved by late news, else a new one."""
    for (of, at), alert_id in raised.items():
        if of == entity and abs(at - start) < QUIET:
            return alert_id
    return digest(SURGE, entity, start.isoformat())


def relink(around: Surroundings, now: datetime) -> int:
    """Links the stored documents anew after a change of the watchlist; those whose mentions change are read again."""
    linker, done = around.linker(), 0
    while True:
        with around.engine.begin() as connection:
            found = rereading.older_links(connection, linker.version, limit=500)
            changed = []
            for document in found:
                mentions = linker.link(
                    document.text,
                    title_end=document.title_end,
                    published_at=document.published_at,
                    lang=document.lang,
                )
                if _links(mentions) != _links(document.mentions):
                    changed.append(_relinked(document, mentions, linker.version))
            around.log.publish(TOPICS["document"], [document_message(d) for d in changed])
            rereading.mark_linked(connection, [(d.id, d.revision) for d in found], linker.version)
        done += len(changed)
        if not found:
            return done


def _links(mentions: Sequence[Mention]) -> list[tuple[str, int, int, str]]:
    return [(m.entity, m.start, m.end, m.relevance) for m in mentions]


def _relinked(document: Document, mentions: tuple[Mention, ...], version: str) -> Document:
    words = stories.normalise(document.text, document.title_end)
    return msgspec.structs.replace(
        document, mentions=mentions, linked_with=version, words=words, bands=stories.bands(words)
    )


def expire(around: Surroundings, now: datetime) -> int:
    """Deletes raw items and dead letters that are older than the settings allow."""
    before = now - timedelta(days=around.settings.raw_days)
    with around.engine.begin() as connection:
        return rereading.expire_raw(connection, before)


def poll_feeds(around: Surroundings, now: datetime) -> int:
    """Polls each kept feed whose turn it is; one that fails is noted and the others go on."""
    done, pause = 0, timedelta(seconds=around.settings.feed_interval_seconds)
    with around.engine.connect() as connection:
        due = [k for k in stored_feeds.kept(connection) if k.polled_at is None or now - k.polled_at >= pause]
    for kept in due:
        state, error = None, None
        try:
            feed, before = msgspec.convert(kept.detail, feeds.Feed), msgspec.convert(kept.state, feeds.FeedState)
            polled = feeds.poll(feed, before, around.fetcher, received_at=now, now=now)
            take([*polled.items, *polled.refused], around.log, around.engine)
            done += len(polled.items)
            state = msgspec.to_builtins(polled.state)
        except VoxpopError as failure:
            error = str(failure)
        with around.engine.begin() as connection:
            stored_feeds.polled(connection, kept.name, now, state, error)
    return done


def raise_by_rules(around: Surroundings, now: datetime) -> int:
    """Stores the alerts of the rules beside surges."""
    with around.engine.begin() as connection:
        return rules.raise_alerts(connection, around.model)


def notify(around: Surroundings, now: datetime) -> int:
    """Makes the moves of alerts that are due, and tells people; the alerts file is read anew each time."""
    s = around.settings
    told = alertsfile.load(s.alerts_file, f"http://{s.host}:{s.port}")
    return alerting.run(around.engine, told, s.home, now)


JOBS: tuple[Job, ...] = (
    Job(name="feeds", every=timedelta(seconds=15), function=poll_feeds),
    Job(name="relink", every=timedelta(minutes=1), function=relink),
    Job(name="trends", every=timedelta(minutes=1), function=refresh_trends),
    Job(name="calibrate", every=timedelta(hours=1), function=calibrate),
    Job(name="alerts", every=timedelta(minutes=1), function=raise_alerts),
    Job(name="rules", every=timedelta(minutes=1), function=raise_by_rules),
    Job(name="notify", every=timedelta(seconds=15), function=notify),
    Job(name="upkeep", every=timedelta(hours=6), function=expire),
)

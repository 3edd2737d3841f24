"""The scheduled work, in one table. ``voxpop run`` and the DAGs both read it.

A job is a function of its surroundings and of ``now``: the end of the window, where a scheduler runs it for one. It may
run twice, late or after a kill: what it writes is keyed by nature, and it works on what is stored: what it remembers
only saves reading it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from voxpop import alarms, alerting, alertsfile, polling, retention
from voxpop.alarms import drifts, history, notice, rules
from voxpop.alarms.past import Memory
from voxpop.backlog import waiting
from voxpop.errors import ReceiverUnavailable
from voxpop.log.base import Log
from voxpop.records import TOPICS, Document, Mention
from voxpop.reports import jobs as report_jobs
from voxpop.settings import Settings
from voxpop.signals.windows import Window, hour_of
from voxpop.sources import feeds
from voxpop.stages import document_message
from voxpop.store import deliveries, rereading, runs, trends
from voxpop.store import feeds as stored_feeds
from voxpop.text import stories
from voxpop.text.entities import Linker
from voxpop.text.mask import mask

if TYPE_CHECKING:
    from voxpop.sources.fetch import Fetcher

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What jobs work on."""

    settings: Settings
    engine: Engine
    log: Log
    model: str
    """The model version whose opinions count."""
    linker: Callable[[], Linker]
    fetcher: Callable[[], Fetcher]
    memory: Memory = field(default_factory=Memory)
    """What earlier looks of this process have read of the stream, so that the next ones are quick."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A function that runs every so often; it returns how much it did, for the log."""

    name: str
    every: timedelta
    function: Callable[[Surroundings, datetime], int]
    reopen: Callable[[Surroundings, Window], None] | None = None
    """Marks a window to be worked on again, where a scheduler asks for it; else the job knows what is left to do."""
    model: bool = True
    """Whether it works on what a model has read: until one has, it is left out."""
    apart: bool = False
    """Whether it waits for servers of strangers: its rounds are its own, so that no other job waits for it."""


def reopen_trends(around: Surroundings, window: Window) -> None:
    """Marks the hours that end in ``window``: each is computed once more when it is over, and again in a backfill."""
    with around.engine.begin() as connection:
        trends.reopen(connection, hour_of(window.start), hour_of(window.end))


_WINDOWS = 2000
"""Most windows that are computed in one transaction."""


def refresh_trends(around: Surroundings, now: datetime) -> int:
    """Computes every stale window anew."""
    done = 0
    with around.engine.connect() as connection:
        learned = history.learning(connection, around.model)
        learns = history.learns(connection, around.model)
    since, beside = hour_of(learned.since) if learned else None, learns.name if learns else None
    while True:
        with around.engine.begin() as connection:
            taken = trends.refresh(connection, around.model, limit=_WINDOWS, since=since, beside=beside)
        done += taken
        if taken < _WINDOWS:
            return done


def calibrate(around: Surroundings, now: datetime) -> int:
    """Sets the cuts at the end of each learning span of the stream, from what had been said by then."""
    return alarms.calibrate(around.engine, around.model, around.settings.alert_budget_per_day, around.memory)


def raise_alerts(around: Surroundings, now: datetime) -> int:
    """Judges what is stored by the cuts in force, and stores the alerts that this raises.

    The first cuts are set here, as soon as the stream is read to its end: a history that was brought in between two
    runs of ``calibrate`` would else alarm nobody for an hour.
    """
    if _first_cuts_due(around, now):
        calibrate(around, now)
    return alarms.raise_alerts(around.engine, around.model, around.memory)


def _first_cuts_due(around: Surroundings, now: datetime) -> bool:
    """Whether there are none and all is read that they are to rest on: what has been judged by a cut stays so."""
    with around.engine.connect() as connection:
        if not alarms.uncut(connection, around.model) or trends.stale(connection, now):
            return False
    return waiting(around) == 0


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


_ATTEMPTS = 20
"""Attempts at a message that are kept, the last ones: what never answers is tried again every hour."""


def expire(around: Surroundings, now: datetime) -> int:
    """Deletes raw items, dead letters and documents that are older than the settings allow, and attempts to send."""
    before = now - timedelta(days=around.settings.raw_days)
    with around.engine.begin() as connection:
        done = rereading.expire_raw(connection, before) + deliveries.prune_log(connection, _ATTEMPTS)
    return done + retention.expire(around.engine, around.settings, now)


def poll_feeds(around: Surroundings, now: datetime) -> int:
    """Polls each kept feed whose turn it is."""
    pause = timedelta(seconds=around.settings.feed_interval_seconds)
    return polling.poll(around.engine, around.log, around.fetcher(), pause, now)


def raise_by_rules(around: Surroundings, now: datetime) -> int:
    """Stores the alerts about what is serious however few tell it, and of opinion that slides."""
    s = around.settings
    standing = alertsfile.load(s.alerts_file, f"http://{s.host}:{s.port}").standing
    with around.engine.begin() as connection:
        return rules.raise_alerts(connection, around.model, standing)


def raise_by_drift(around: Surroundings, now: datetime) -> int:
    """Judges the last day that is over for drift, and stores the alerts to operators that this raises."""
    with around.engine.begin() as connection:
        return drifts.raise_alerts(connection, around.model, now)


def raise_silences(around: Surroundings, now: datetime) -> int:
    """Stores the alerts of sources that fell silent."""
    with around.engine.begin() as connection:
        return rules.raise_silences(connection, around.model, _asked_in_vain(connection, now))


def _asked_in_vain(connection: Connection, now: datetime) -> dict[str, datetime]:
    """Up to when each feed was polled that has brought nothing new for a day; none until polling has settled."""
    since, found = stored_feeds.polling_since(connection), {}
    for kept in stored_feeds.kept(connection):
        if since is None or kept.polled_at is None:
            continue
        at = min(now, kept.polled_at)
        brought = [entry.first for entry in msgspec.convert(kept.state, feeds.FeedState).seen.values()]
        if at - since >= polling.SETTLED and all(at - first >= rules.QUIET for first in brought):
            found[kept.name] = at  # what it brought before has long been read
    return found


def notify(around: Surroundings, now: datetime) -> int:
    """Makes the moves of alerts that are due, and tells people; the alerts file is read anew each time."""
    s = around.settings
    told = alertsfile.load(s.alerts_file, f"http://{s.host}:{s.port}")
    noted = notice.tell(around.engine, around.model, told, s.home, now)
    return noted + alerting.run(around.engine, told, s.home, now)


def beat(around: Surroundings, now: datetime) -> int:
    """Gives the sign of life that the settings ask for; one that nobody takes is logged, and the next is due anyway."""
    if not around.settings.heartbeat_url:
        return 0
    from voxpop.notify import heartbeat  # httpx, which few processes need

    try:
        heartbeat.give(around.settings.heartbeat_url)
    except ReceiverUnavailable as failure:
        logger.warning("no sign of life could be given: %s", failure)
        return 0
    return 1


def run(job: Job, around: Surroundings, now: datetime) -> int:
    """Runs the job and notes for people how it went; returns how much it did."""
    started, done, error = datetime.now(UTC), None, None
    try:
        done = job.function(around, now)
    except Exception as failure:
        error = mask(f"{type(failure).__name__}: {str(failure).partition(chr(10))[0]}")[:_MOST_SAID]
        raise
    finally:
        try:
            with around.engine.begin() as connection:
                runs.keep(connection, job.name, started, datetime.now(UTC), done, error)
        except SQLAlchemyError:  # what keeps a job from being noted must not keep it from running
            logger.warning("how the job %s went could not be noted", job.name, exc_info=True)
    return done


_MOST_SAID = 300
"""Characters of an error that are kept; what follows its first line may quote a document."""


JOBS: tuple[Job, ...] = (
    Job(name="feeds", every=timedelta(seconds=15), function=poll_feeds, model=False, apart=True),
    Job(name="relink", every=timedelta(minutes=1), function=relink),
    Job(name="trends", every=timedelta(minutes=1), function=refresh_trends, reopen=reopen_trends),
    Job(name="calibrate", every=timedelta(hours=1), function=calibrate),
    Job(name="alerts", every=timedelta(minutes=1), function=raise_alerts),
    Job(name="rules", every=timedelta(minutes=1), function=raise_by_rules),
    Job(name="silences", every=timedelta(hours=3), function=raise_silences),
    Job(name="drift", every=timedelta(hours=1), function=raise_by_drift),
    Job(name="notify", every=timedelta(seconds=5), function=notify, apart=True),
    Job(name="heartbeat", every=timedelta(minutes=1), function=beat, model=False),
    Job(name="upkeep", every=timedelta(hours=1), function=expire),
    Job(name="morning", every=timedelta(minutes=15), function=report_jobs.morning),
    Job(name="weekly", every=timedelta(minutes=15), function=report_jobs.weekly),
)

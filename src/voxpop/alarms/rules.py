"""Rules beside surges: what one story is enough for, sentiment that slides for days, and feeds that fell silent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil, log
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection

from voxpop.alarms import history
from voxpop.records import Alert, digest
from voxpop.signals import slide
from voxpop.signals.meaning import FEED, RISK, SLIDE, STANDING
from voxpop.signals.slide import Slide
from voxpop.signals.windows import HOUR, LONG, Gap, silences_of
from voxpop.store import alerts, counts, daily, facts, serious
from voxpop.store.alerts import Raised
from voxpop.store.daily import Day
from voxpop.store.serious import Report

CRITICAL = 3
"""Severity of an event that alarms by a single story."""
SURE = 0.95
"""Least probability that the story reports it: of 12 as sure in documents held out of training 9 were right."""
NEGATIVE = 0.8
"""Least probability that a story of a source of standing is negative. It may be lower than what others need: what such
a source says has been checked, so that only the reading of it is in doubt."""
QUIET = timedelta(hours=24)
"""Reports closer to each other than this are one alert, which is over so long after the last."""
BACK = timedelta(days=63)
"""What is older is not judged any more, unless its alert is still open."""
DAY = timedelta(days=1)
_MOST_CITED = 20


def raise_alerts(connection: Connection, model: str, standing: Collection[str] = ()) -> int:
    """Stores the alerts of these rules, from what is stored; returns how many are new.

    Args:
        standing: sources one negative story of which is enough.
    """
    span = alerts.span(connection)
    if span is None:
        return 0
    stream = Stream(connection, model, *span)
    new = _risks(stream) + _slides(stream)
    return new + (_standing(stream, standing) if standing else 0)


class Stream(NamedTuple):
    """What is judged."""

    connection: Connection
    model: str
    first: datetime
    last: datetime
    """The watermark."""


def _risks(stream: Stream) -> int:
    """An alert where a single story reports what is always serious."""
    known, since = _known_and_since(stream, RISK)
    reports = serious.reports(stream.connection, stream.model, since, severity=CRITICAL, least=SURE)
    return _reported(stream, RISK, SURE, reports, known, since)


def _standing(stream: Stream, sources: Collection[str]) -> int:
    """An alert where a source of standing tells a single negative story."""
    known, since = _known_and_since(stream, STANDING)
    reports = serious.by_standing(stream.connection, stream.model, since, sources, least=NEGATIVE)
    return _reported(stream, STANDING, NEGATIVE, reports, known, since)


def _known_and_since(stream: Stream, rule: str) -> tuple[list[Raised], datetime]:
    """The alerts of the rule that may still change, and from when on it has to look."""
    since = stream.last - BACK
    known = alerts.raised(stream.connection, rule, since)
    return known, min([since, *(one.window_start for one in known)])


def _reported(
    stream: Stream, rule: str, cut: float, reports: Iterable[Report], known: Sequence[Raised], since: datetime
) -> int:
    new = 0
    for episode in episodes(reports):
        first, last = episode[0], episode[-1]
        alert_id = _known(known, first.entity, first.at)
        if alert_id is None and first.at - since < QUIET and since > stream.first:
            continue  # it may have begun before what was looked at
        alert = Alert(
            id=alert_id or digest(rule, first.entity, first.at.isoformat()),
            entity=first.entity,
            rule=rule,
            fired_at=first.at,
            window_start=first.at,
            score=max(report.score for report in episode),
            cut=cut,
            hours=max(1, ceil((last.at - first.at) / HOUR)),
            stories=len(episode),
            expected=0.0,
            negative_stories=len(episode),
            unread_stories=0,
            model=stream.model,
            evidence=tuple(report.document for report in episode[:_MOST_CITED]),
        )
        state = "resolved" if stream.last - last.at >= QUIET else "firing"
        new += alerts.save(stream.connection, alert, state, last.at)
    return new


def episodes(reports: Iterable[Report]) -> list[list[Report]]:
    """Reports of one entity that follow each other within a day; they come by entity and time."""
    found: list[list[Report]] = []
    for report in reports:
        last = found[-1][-1] if found else None
        if last is not None and last.entity == report.entity and report.at - last.at < QUIET:
            found[-1].append(report)
        else:
            found.append([report])
    return found


def _slides(stream: Stream) -> int:
    """An alert for each entity of which opinion gets worse over days; looked at once a day that has ended."""
    until = stream.last.replace(hour=0, minute=0, second=0, microsecond=0)
    mark = f"slides/{stream.model}"
    if facts.get(stream.connection, mark) == until.isoformat():
        return 0
    facts.put(stream.connection, mark, until.isoformat())
    learning = history.learning(stream.connection, stream.model)
    first = learning.read_from if learning else stream.first
    since = min(until, max(first, until - BACK)).replace(hour=0, minute=0, second=0, microsecond=0)
    days = daily.days(stream.connection, stream.model, since, until)
    known = alerts.raised(stream.connection, SLIDE, since)
    new = sum(_slid(stream, one, entity, since, until, known) for one, entity in _found(days, since, until))
    alerts.resolve(stream.connection, SLIDE, until - DAY)  # what another version saw, and this one does not
    return new


def _found(days: Sequence[Day], since: datetime, until: datetime) -> list[tuple[Slide, str]]:
    entities = {entity: n for n, entity in enumerate(dict.fromkeys(day.entity for day in days))}
    counts_of = np.zeros((2, len(entities), (until - since) // DAY), dtype=np.int64)
    for day in days:
        counts_of[:, entities[day.entity], (day.start - since) // DAY] = day.negative, day.read
    names = list(entities)
    return [(one, names[one.entity]) for one in slide.slides(counts_of[0], counts_of[1])]


def _slid(stream: Stream, one: Slide, entity: str, since: datetime, until: datetime, known: Sequence[Raised]) -> int:
    start, end = since + one.start * DAY, since + (one.last + 1) * DAY
    rule = slide.Rule()
    alert = Alert(
        id=_known(known, entity, start, rule.guard * DAY) or digest(SLIDE, entity, start.isoformat()),
        entity=entity,
        rule=SLIDE,
        fired_at=since + (one.fired + 1) * DAY,
        window_start=start,
        score=one.score / log(10),
        cut=rule.cut / log(10),
        hours=(end - start) // HOUR,
        stories=one.read,
        expected=one.share * one.read,
        negative_stories=one.negative,
        unread_stories=0,
        model=stream.model,
        evidence=alerts.evidence(stream.connection, entity, stream.model, start, end, _MOST_CITED),
    )
    return alerts.save(stream.connection, alert, "firing" if end == until else "resolved", end)


def raise_silences(connection: Connection, model: str, asked: Mapping[str, datetime] | None = None) -> int:
    """Stores an alert for each source that fell silent, to operators; its entity is the source. How many are new.

    Args:
        asked: up to when each source that is a feed was asked and had nothing to say. Of another it is known only up to
            the watermark, which stands still once nobody speaks.
    """
    span = alerts.span(connection)
    if span is None:
        return 0
    asked = asked or {}
    stream, since, new = Stream(connection, model, *span), span[1] - BACK, 0
    known = alerts.raised(connection, FEED, since)
    for heard in counts.gaps(connection, since, LONG):
        until = max(stream.last, asked.get(heard.source, stream.last))
        gaps = [Gap(*gap) for gap in heard.gaps] + [Gap(heard.documents - 1, heard.last, until)]
        for start, end in silences_of(gaps):
            source, hours = heard.source, (end - start) / HOUR
            usual = heard.documents / max(1.0, (heard.last - heard.first) / HOUR) * hours
            alert = Alert(
                id=_known(known, source, start) or digest(FEED, source, start.isoformat()),
                entity=source,
                rule=FEED,
                fired_at=min(end, start + QUIET),
                window_start=start,
                score=0.0,
                cut=0.0,
                hours=ceil(hours),
                stories=0,
                expected=usual,
                negative_stories=0,
                unread_stories=0,
                model=stream.model,
            )
            silent_still = start == heard.last
            new += alerts.save(stream.connection, alert, "firing" if silent_still else "resolved", end)
    alerts.resolve_heard(connection, FEED)
    return new


def _known(known: Iterable[Raised], entity: str, start: datetime, within: timedelta = QUIET) -> str | None:
    """The id of the alert that this was raised as before late news moved its beginning."""
    return next((one.id for one in known if one.entity == entity and abs(one.window_start - start) < within), None)

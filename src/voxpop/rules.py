"""Rules beside surges: what is serious however few tell it, and feeds that fell silent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import Connection

from voxpop.records import Alert, digest
from voxpop.signals.meaning import FEED, RISK
from voxpop.signals.windows import HOUR, silences
from voxpop.store import alerts, counts, serious
from voxpop.store.serious import Report

CRITICAL = 3
"""Severity of an event that alarms by a single story."""
SURE = 0.95
"""Least probability that the story entails it: on the sample stream reports up to 0.91 were wrong too often."""
QUIET = timedelta(hours=24)
"""Reports closer to each other than this are one alert, which is over so long after the last."""
BACK = timedelta(days=63)
"""What is older is not looked at any more, so that a look costs the same however long the history is."""
_MOST_CITED = 20


def raise_alerts(connection: Connection, model: str) -> int:
    """Stores the alerts about what is always serious; returns how many are new."""
    span = alerts.span(connection)
    if span is None:
        return 0
    watermark, since, new = span[1], span[1] - BACK, 0
    known = alerts.stored(connection, since=since)
    for episode in episodes(serious.reports(connection, model, since, severity=CRITICAL, least=SURE)):
        first, last = episode[0], episode[-1]
        if span[0] < since and first.at - since < QUIET:
            continue  # its beginning may lie further back
        alert = Alert(
            id=_known(known, RISK, first.entity, first.at) or digest(RISK, first.entity, first.at.isoformat()),
            entity=first.entity,
            rule=RISK,
            fired_at=first.at,
            window_start=first.at,
            score=max(report.score for report in episode),
            cut=SURE,
            hours=max(1, ceil((last.at - first.at) / HOUR)),
            stories=len(episode),
            expected=0.0,
            negative_stories=len(episode),
            unread_stories=0,
            model=model,
            evidence=tuple(report.document for report in episode[:_MOST_CITED]),
        )
        new += alerts.save(connection, alert, "resolved" if watermark - last.at >= QUIET else "firing", last.at)
    alerts.resolve(connection, RISK, model, watermark - QUIET)
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


def raise_silences(connection: Connection, model: str) -> int:
    """Stores an alert for each source that fell silent, to operators; its entity is the source. How many are new."""
    span = alerts.span(connection)
    if span is None:
        return 0
    watermark, since, new = span[1], span[1] - BACK, 0
    known = alerts.stored(connection, since=since)
    for source, times in sorted(counts.heard(connection, since).items()):
        for start, end in silences(times, watermark):
            hours = (end - start) / HOUR
            usual = len(times) / max(1.0, (times[-1] - times[0]) / HOUR) * hours
            alert = Alert(
                id=_known(known, FEED, source, start) or digest(FEED, source, start.isoformat()),
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
                model=model,
            )
            new += alerts.save(connection, alert, "firing" if end == watermark else "resolved", end)
    alerts.resolve_heard(connection, FEED)
    return new


def _known(known: Iterable[Alert], rule: str, entity: str, start: datetime) -> str | None:
    """The id of the alert that this was raised as before late news moved its beginning."""
    same = (a for a in known if (a.rule, a.entity) == (rule, entity) and abs(a.window_start - start) < QUIET)
    return next((alert.id for alert in same), None)

"""Why was nobody told? Every gate between a publication and a message, with its figures, in the order of the stream."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection

from voxpop import alarms, alerting, past
from voxpop.alertsfile import Rules
from voxpop.errors import SettingError
from voxpop.records import Alert
from voxpop.signals import surge
from voxpop.signals.episodes import Episode
from voxpop.store import alerts, deliveries, gates, queries
from voxpop.store import feeds as stored_feeds
from voxpop.store.gates import Linked, Watched


class Gate(NamedTuple):
    """A step on the way to a message: whether it let something through, and its figures."""

    name: str
    passed: bool
    figures: str


class Answer(NamedTuple):
    """The gates that were reached, the last of which stopped it unless a message went out."""

    entity: str
    name: str
    start: datetime
    end: datetime
    gates: list[Gate]

    @property
    def stopped_by(self) -> Gate | None:
        """The gate that stopped it; None: people were told."""
        return next((gate for gate in self.gates if not gate.passed), None)


class Peak(NamedTuple):
    """The most surprising moment of a span."""

    hour: datetime
    score: float
    seen: int
    expected: float
    horizon: int


def why(
    connection: Connection, asked: str, model: str, rules: Rules, at: datetime, now: datetime, span: timedelta
) -> Answer:
    """Walks the gates over what was published in the ``span`` before ``at``.

    Args:
        asked: id or name of an entity.

    Raises:
        SettingError: nobody ever watched such an entity.
    """
    of = gates.entity(connection, asked)
    if of is None:
        raise SettingError(f"nobody ever watched {asked!r}; `voxpop watchlist list` shows who is watched")
    start = at - span
    found = []
    for gate in _gates(connection, of, model, rules, start, at, now):
        found.append(gate)
        if not gate.passed:
            break
    return Answer(of.entity, of.name, start, at, found)


def _gates(
    connection: Connection, of: Watched, model: str, rules: Rules, start: datetime, end: datetime, now: datetime
) -> Iterator[Gate]:
    yield Gate("watchlist", of.active, f"{of.name} is {'' if of.active else 'no longer '}watched")
    yield _feed(connection, start, end)
    linked = gates.linked(connection, of, model, start, end)
    yield _refusal(connection, of, linked)
    yield _link(of, linked)
    yield Gate("relevance", linked.central > 0, f"{linked.central} of {linked.documents} are not only in passing")
    yield Gate("story", linked.stories > 0, f"{linked.central} documents tell {linked.stories} stories")
    yield _language(linked)
    yield _opinion(linked)
    peak, cut = _peak(connection, of.entity, model, start, end), _cut(connection, model, end)
    raised = _raised(connection, of.entity, start, end)
    if raised is None:
        yield from _scores(peak, cut)
        yield Gate("alert", False, "it is over the cut, and the next run of the alerts job will raise it")
        return
    figures = f"{raised.id[:10]} by rule {raised.rule}, {raised.score:.1f} against a cut of {raised.cut:.1f}"
    yield Gate("alert", True, f"{figures}, fired at {raised.fired_at:%Y-%m-%d %H:%M}")
    yield from _after(connection, rules, raised, now)


def _feed(connection: Connection, start: datetime, end: datetime) -> Gate:
    heard, known = gates.heard(connection, start, end), queries.counts(connection).watermark
    failing = [feed.name for feed in stored_feeds.kept(connection) if feed.error]
    figures = f"{heard.documents} documents of {heard.sources} sources were published in the span"
    if known is not None and known < start:
        figures += f"; the stream is known up to {known:%Y-%m-%d %H:%M} only"
    if failing:
        figures += f"; failing now: {', '.join(failing)}"
    return Gate("feed", heard.documents > 0, figures)


def _refusal(connection: Connection, of: Watched, linked: Linked) -> Gate:
    """Stops only where nothing else about the entity came in."""
    refused = gates.refused(connection, of.names)
    by_stage = ", ".join(f"{count} at {stage}" for stage, count in refused) or "none"
    only = bool(refused) and not linked.documents and not linked.unlinked
    return Gate("refusal", not only, f"dead letters that name it: {by_stage}")


def _link(of: Watched, linked: Linked) -> Gate:
    missed = f"; {linked.unlinked} more have its name in them but were not taken to mean it" if linked.unlinked else ""
    return Gate("link", linked.documents > 0, f"{linked.documents} documents name {of.name}{missed}")


def _language(linked: Linked) -> Gate:
    return Gate("language", True, f"{linked.unread} of {linked.central} are unread, and count as adverse")


def _opinion(linked: Linked) -> Gate:
    adverse = linked.negative + linked.unread
    return Gate(
        "opinion",
        adverse > 0,
        f"{linked.negative} negative, {linked.positive} positive, {linked.neutral} neutral, {linked.unsure} unsure,"
        f" {linked.unread} unread",
    )


def _peak(connection: Connection, entity: str, model: str, start: datetime, end: datetime) -> Peak | None:
    """The most surprising moment in [start, end] as the surge rule sees it; None where it has seen nothing."""
    seen = past.read(connection, model, alarms.BACK)
    if seen is None or entity not in seen.entities:
        return None
    judged = next(of for of in alarms.judge(seen, model) if of.rule == alarms.SURGE)
    moments = judged.moments
    of_entity = moments.entity == seen.entities.index(entity)
    within = of_entity & (moments.at >= seen.hours(start)) & (moments.at <= seen.hours(end))
    if not within.any():
        return None
    best = int(np.where(within, moments.score, -1.0).argmax())
    told = judged.alert(Episode(best, best, best))
    return Peak(told.fired_at, told.score, told.stories, told.expected, told.hours)


def _cut(connection: Connection, model: str, at: datetime) -> float | None:
    """The cut in force at ``at``."""
    held = [cut for since, cut in alerts.cuts(connection, alarms.SURGE, model) if since <= at]
    return held[-1] if held else None


def _scores(peak: Peak | None, cut: float | None) -> Iterator[Gate]:
    if peak is None or peak.score == 0:
        least = surge.Rule().least_stories
        yield Gate("expected count", False, f"too few stories to judge: fewer than {least}, or no history before them")
        return
    figures = f"{peak.seen} stories in {peak.horizon} h where {peak.expected:.1f} are usual"
    yield Gate("expected count", True, f"{figures}, at the worst hour, {peak.hour:%Y-%m-%d %H:%M}")
    if cut is None:
        yield Gate("threshold", False, f"score {peak.score:.1f}, but no cut is set until a week of the stream is known")
    else:
        yield Gate("threshold", peak.score >= cut, f"score {peak.score:.1f} against a cut of {cut:.1f}")


def _raised(connection: Connection, entity: str, start: datetime, end: datetime) -> Alert | None:
    """The last alert about the entity that fired in the span, or whose window reaches into it."""
    return next(
        (
            alert
            for alert in reversed(alerts.stored(connection))
            if alert.entity == entity and alert.window_start <= end and alert.fired_at >= start
        ),
        None,
    )


def _after(connection: Connection, rules: Rules, alert: Alert, now: datetime) -> Iterator[Gate]:
    """The gates between an alert and its message."""
    (stand,) = alerting.stands(connection, rules, now, [alert.id])
    rows = [row for row in stand.case.moves if row.kind in ("told", "withheld")]
    told = [row for row in rows if row.kind == "told"]
    kept = [row.note for row in rows if row.kind == "withheld"]
    route = stand.route
    if route is None:
        yield Gate("routing", False, f"no route takes it (severity {stand.subject.severity}), so it is only shown")
        return
    yield Gate("routing", True, f"severity {stand.subject.severity}, to {', '.join(route.receivers)}")
    if kept and not told:
        yield Gate("silence", False, kept[-1])
        return
    yield Gate("silence", True, f"withheld at times: {kept[-1]}" if kept else "none")
    if not told:
        if stand.case.active:
            quiet = "quiet hours" if route.quiet_at(stand.subject, now) else "it has not fired yet, or sending is held"
        else:
            quiet = "it was over when it was first seen"
        yield Gate("hold", False, f"nobody was told yet: {quiet}")
        return
    sent = deliveries.of_alerts(connection, [alert.id])
    each = [f"{m.notice} to {m.receiver}: {m.state}, tries: {m.tries}, {m.said or 'no answer'}" for m in sent]
    figures = "; ".join(each)
    yield Gate("delivery", any(m.state == "sent" for m in sent), figures or "the notice was given up by hand")

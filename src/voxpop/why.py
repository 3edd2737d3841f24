"""Why was nobody told? Every gate between a publication and a message, with its figures, in the order of the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection

from voxpop import alarms, alerting
from voxpop.alarms import history, past
from voxpop.alarms.history import Learning
from voxpop.alerting import Stand
from voxpop.alertsfile import Rules
from voxpop.records import Alert
from voxpop.signals import surge
from voxpop.signals.episodes import Episode
from voxpop.signals.meaning import SURGE
from voxpop.signals.routing import Route
from voxpop.store import alerts, deliveries, gates, queries
from voxpop.store import feeds as stored_feeds
from voxpop.store.gates import Linked, Watched


class Word(NamedTuple):
    """A word of ours within a figure, by its kind: a rule, a severity, a note of a move."""

    kind: str
    word: str


class Figure(NamedTuple):
    """Something that a gate has counted or found: a message by its key, and what stands in its places.

    A value may be a ``Word``, or figures of its own in a row.
    """

    key: str
    values: Mapping[str, object] = MappingProxyType({})


class Gate(NamedTuple):
    """A step on the way to a message: whether it let something through, and its figures.

    ``voxpop.api.figures`` says them in a language.
    """

    name: str
    passed: bool
    figures: tuple[Figure, ...]


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
        asked: id, name, alias or ticker of an entity.

    Raises:
        SettingError: nobody ever watched such an entity, or several are called so.
    """
    of = gates.entity(connection, asked)
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
    watched = _figure("watched" if of.active else "watched_no_longer", name=of.name)
    yield Gate("watchlist", of.active, (watched,))
    yield _feed(connection, start, end)
    linked = gates.linked(connection, of, model, start, end)
    yield _refusal(connection, of, linked)
    yield _link(of, linked)
    in_passing = _figure("not_in_passing", central=linked.central, documents=linked.documents)
    yield Gate("relevance", linked.central > 0, (in_passing,))
    told = _figure("stories_told", central=linked.central, stories=linked.stories)
    yield Gate("story", linked.stories > 0, (told,))
    yield Gate("language", True, (_figure("unread", unread=linked.unread, central=linked.central),))
    learning = _learning_at(connection, model, end)
    yield _opinion(linked, asked=learning is None)
    peak, cut = _peak(connection, of.entity, model, start, end), _cut(connection, model, end)
    raised = _raised(connection, of.entity, start, end)
    if raised is None:
        if learning is not None:
            yield _learning(learning, peak, cut)
        yield from _scores(peak, cut, _due(connection, model, end))
        yield Gate("alert", False, (_figure("to_be_raised"),))
        return
    by = {"id": raised.id[:10], "rule": Word("rule", raised.rule), "score": f"{raised.score:.1f}"}
    figure = _figure("raised", **by, cut=f"{raised.cut:.1f}", at=_minute(raised.fired_at))
    yield Gate("alert", True, (figure,))
    yield from _after(connection, rules, raised, now)


def _figure(key: str, **values: object) -> Figure:
    return Figure(f"figure_{key}", values)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _feed(connection: Connection, start: datetime, end: datetime) -> Gate:
    heard, known = gates.heard(connection, start, end), queries.watermark(connection)
    failing = [feed.name for feed in stored_feeds.kept(connection) if feed.error]
    figures = [_figure("heard", documents=heard.documents, sources=heard.sources)]
    if known is not None and known < start:
        figures.append(_figure("known_up_to", at=_minute(known)))
    if failing:
        figures.append(_figure("failing", feeds=", ".join(failing)))
    return Gate("feed", heard.documents > 0, tuple(figures))


def _refusal(connection: Connection, of: Watched, linked: Linked) -> Gate:
    """Stops only where nothing else about the entity came in."""
    refused = gates.refused(connection, of.names)
    by_stage = tuple(_figure("refused_at", count=count, stage=Word("stage", stage)) for stage, count in refused)
    figure = _figure("refused", stages=by_stage) if refused else _figure("none_refused")
    only = bool(refused) and not linked.documents and not linked.unlinked
    return Gate("refusal", not only, (figure,))


def _link(of: Watched, linked: Linked) -> Gate:
    figures = [_figure("linked", documents=linked.documents, name=of.name)]
    if linked.unlinked:
        figures.append(_figure("unlinked", n=linked.unlinked))
    return Gate("link", linked.documents > 0, tuple(figures))


def _opinion(linked: Linked, *, asked: bool) -> Gate:
    """Stops only where opinions are asked."""
    labels = ("negative", "positive", "neutral", "unsure", "unread")
    figure = _figure("labels", **{label: getattr(linked, label) for label in labels})
    return Gate("opinion", not asked or linked.negative + linked.unread > 0, (figure,))


def _learning_at(connection: Connection, model: str, at: datetime) -> Learning | None:
    """How the version learned at ``at``, a time of the stream; None where it did not."""
    found = history.learning(connection, model)
    return found if found and found.since < at <= found.until else None


def _learning(found: Learning, peak: Peak | None, cut: float | None) -> Gate:
    """Lets through what is a surge by the number of stories alone."""
    times = {"since": _minute(found.since), "until": _minute(found.until)}
    figures = [_figure("learning", model=found.model, former=found.former, **times)]
    if peak is not None and cut is not None:
        figures.append(_figure("score", score=f"{peak.score:.1f}", cut=f"{cut:.1f}"))
    return Gate("learning", peak is not None and cut is not None and peak.score >= cut, tuple(figures))


def _peak(connection: Connection, entity: str, model: str, start: datetime, end: datetime) -> Peak | None:
    """The most surprising moment in [start, end] as the surge rule sees it; None where it has seen nothing."""
    seen = past.read(connection, model, alarms.BACK)
    if seen is None or entity not in seen.entities:
        return None
    judged = next(of for of in alarms.judge(seen, model) if of.rule == SURGE)
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
    of = history.of(connection, model)
    held = [cut for since, cut in history.cuts(connection, SURGE, of) if since <= at] if of else []
    return held[-1] if held else None


def _due(connection: Connection, model: str, at: datetime) -> tuple[bool, float]:
    """(whether a cut is due for ``at``, which by then the stream was known for long enough; for how many days)."""
    of = history.of(connection, model)
    if of is None:
        return False, 0.0
    days = (min(at, of.last) - of.first) / timedelta(days=1)
    return any(learned <= at for learned in of.learned()), max(0.0, days)


def _scores(peak: Peak | None, cut: float | None, due: tuple[bool, float]) -> Iterator[Gate]:
    days = f"{due[1]:.1f}"
    if peak is None or peak.score == 0:
        short = cut is None and not due[0]
        nothing = _figure("no_week", days=days) if short else _figure("too_few", least=surge.Rule().least_stories)
        yield Gate("expected count", False, (nothing,))
        return
    counted = {"seen": peak.seen, "hours": peak.horizon, "expected": f"{peak.expected:.1f}", "at": _minute(peak.hour)}
    yield Gate("expected count", True, (_figure("peak", **counted),))
    score = f"{peak.score:.1f}"
    if cut is None:
        why_none = _figure("cut_due", score=score) if due[0] else _figure("no_cut", score=score, days=days)
        yield Gate("threshold", False, (why_none,))
    else:
        yield Gate("threshold", peak.score >= cut, (_figure("score", score=score, cut=f"{cut:.1f}"),))


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
    severity = Word("severity", stand.subject.severity)
    if stand.route is None:
        yield Gate("routing", False, (_figure("no_route", severity=severity),))
        return
    yield Gate("routing", True, (_figure("route", severity=severity, receivers=", ".join(stand.route.receivers)),))
    if kept and not told:
        yield Gate("silence", False, (_figure("withheld", note=Word("note", kept[-1])),))
        return
    at_times = _figure("withheld_at_times", note=Word("note", kept[-1])) if kept else _figure("not_withheld")
    yield Gate("silence", True, (at_times,))
    if told:
        yield _delivery(connection, alert)
    else:
        yield Gate("hold", False, (_held(stand, stand.route, now),))


def _held(stand: Stand, route: Route, now: datetime) -> Figure:
    """Why nobody was told yet."""
    if not stand.case.active:
        return _figure("over_when_seen")
    return _figure("quiet_hours" if route.quiet_at(stand.subject, now) else "not_fired")


def _delivery(connection: Connection, alert: Alert) -> Gate:
    sent = deliveries.of_alerts(connection, [alert.id])
    each = [
        _figure(
            "message",
            notice=Word("notice", m.notice),
            receiver=m.receiver,
            state=Word("delivery", m.state),
            tries=m.tries,
            said=Word("note", m.said) if m.said else (_figure("no_answer"),),
        )
        for m in sent
    ]
    return Gate("delivery", any(m.state == "sent" for m in sent), tuple(each) or (_figure("given_up"),))

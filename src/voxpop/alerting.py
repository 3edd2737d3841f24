"""Alerts to people: which moves are due, what is told, to whom, and whether it may be sent.

``plan`` writes the due moves and queues the messages that tell of them, in one transaction; ``send`` brings queued
messages to their receivers. Killed anywhere, the next run goes on from the rows: a message is sent again only if the
kill fell between a receiver's answer and our row of it, and then under the same key.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine

from voxpop import notify
from voxpop.alertsfile import Rules
from voxpop.errors import SettingError, StoreError, Unavailable
from voxpop.notify import File, Message
from voxpop.records import Alert, digest
from voxpop.signals import drift, lifecycle, routing
from voxpop.signals.lifecycle import Life, Move, Now, Policy
from voxpop.signals.meaning import DRIFT, Evidence, line
from voxpop.signals.routing import Route, Silence, Subject
from voxpop.store import alerts as stored_alerts
from voxpop.store import deliveries, drifts, epoch, meaning, moves, reports
from voxpop.store.access import Person
from voxpop.store.deliveries import Delivery
from voxpop.store.moves import Case

logger = logging.getLogger(__name__)

NO_ROUTE = "no route takes it"
REPORT = "report_id"
"""Where the data of a message name the report that it brings."""
UNKNOWN_KEPT = timedelta(days=1)
"""How long a message waits whose receiver the alerts file does not name: it may have been left out by mistake."""
_MOST_CITED = 3
_MOST_SENT = 100
"""In one round, so that other jobs get their turn."""


class Stand(NamedTuple):
    """An alert where it stands: what is known of it, its life so far, and the way its messages go."""

    case: Case
    subject: Subject
    life: Life | None
    route: Route | None

    @property
    def group(self) -> str:
        assert self.route is not None
        return self.subject.group(self.route.group_by)


class Told(NamedTuple):
    """A notice that is due: of which alert, and the number of the move that tells it."""

    stand: Stand
    life: Life
    notice: str


def stands(connection: Connection, rules: Rules, now: datetime, alerts: Sequence[str] | None = None) -> list[Stand]:
    """The alerts that may still move, or those of the ids ``alerts``."""
    found = []
    for case in moves.cases(connection, now, alerts):
        subject = subject_of(case)
        life = lifecycle.fold([_move(row) for row in case.moves])
        found.append(Stand(case, subject, life, routing.route_of(rules.routes, subject)))
    return found


def subject_of(case: Case) -> Subject:
    """What routes and silences look at in an alert."""
    severity = routing.severity_of(case.score, case.cut, case.worst_event)
    sector, own = case.sector, case.own
    return Subject(alert=case.alert, entity=case.entity, rule=case.rule, severity=severity, sector=sector, own=own)


def _move(row: moves.Row) -> Move:
    return msgspec.convert(row._asdict(), Move)


def plan(connection: Connection, rules: Rules, now: datetime, *, held: bool = False) -> int:
    """Writes every move that is due and queues its messages, within the caller's transaction; returns how many.

    Args:
        held: nothing may be sent, so what would be told waits.
    """
    moves.one_planner(connection)
    found = stands(connection, rules, now)
    quelled = _quelled(found, silences_at(connection, now), now)
    told: dict[tuple[str, str], list[Told]] = {}
    count = 0
    for stand in found:
        facts = _now_of(connection, stand, now, held, quelled[stand.case.alert])
        policy = Policy() if stand.route is None else stand.route.policy
        life, due = stand.life, lifecycle.due(stand.life, facts, policy)
        for move in due:
            life = lifecycle.after(life, move)
            if move.kind == "told":
                told.setdefault((stand.group, move.note), []).append(Told(stand, life, move.note))
        moves.append(connection, stand.case.alert, stand.life.moves + 1 if stand.life else 1, map(_row, due))
        count += len(due)
    for (group, notice), of_group in told.items():
        _queue(connection, rules, group, notice, of_group, now)
    return count


def _row(move: Move) -> moves.Row:
    return moves.Row(move.kind, move.at, move.who, move.note)


def silences_at(connection: Connection, now: datetime) -> list[Silence]:
    """The silences that have not ended."""
    return [msgspec.convert(s._asdict(), Silence) for s in moves.silences(connection, now)]


def _quelled(found: Sequence[Stand], silences: Sequence[Silence], now: datetime) -> dict[str, str]:
    """Of each alert why nobody is told of it now; empty where they are.

    One that nobody is told of keeps no other from being told.
    """
    why = {stand.case.alert: _reason(stand, silences, now) for stand in found}
    live = [
        s.subject
        for s in found
        if not why[s.case.alert] and s.case.active and (s.life is None or s.life.phase != "resolved")
    ]
    return {s.case.alert: why[s.case.alert] or routing.inhibited(s.subject, live) for s in found}


def _reason(stand: Stand, silences: Sequence[Silence], now: datetime) -> str:
    if stand.route is None:
        return NO_ROUTE
    if stand.case.stored_at - stand.case.fired_at > timedelta(hours=stand.route.oldest_hours):
        return f"history: it was first seen more than {stand.route.oldest_hours:g} hours late"
    return routing.silenced(stand.subject, now, silences)


def _now_of(connection: Connection, stand: Stand, now: datetime, held: bool, withheld: str) -> Now:
    seen, severity = min(now, stand.case.stored_at), stand.subject.severity
    facts = Now(at=now, active=stand.case.active, seen=seen, severity=severity, withheld=withheld)
    if stand.route is None or withheld:
        return facts
    last = deliveries.last_of(connection, stand.group) if stand.life is None or not stand.life.told else None
    waits = last is not None and now - last < timedelta(minutes=stand.route.interval_minutes)
    return replace(facts, held=held or waits or stand.route.quiet_at(stand.subject, now))


def _queue(connection: Connection, rules: Rules, group: str, notice: str, told: Sequence[Told], now: datetime) -> None:
    """Queues one message of a group to each receiver of any of its alerts."""
    wanted: dict[str, list[Told]] = {}
    for one in told:
        for receiver in receivers_of(one.stand.route, one.life):
            wanted.setdefault(receiver, []).append(one)
    known = {alert.id: alert for alert in stored_alerts.stored(connection, [one.stand.case.alert for one in told])}
    for receiver, of_receiver in wanted.items():
        moves_told = sorted(f"{one.stand.case.alert}/{one.life.moves}" for one in of_receiver)
        key = digest(receiver, notice, *moves_told)
        message = compose(connection, rules, notice, [(o.stand, known[o.stand.case.alert]) for o in of_receiver], key)
        fields = (message.subject, message.body, message.gravity, message.data)
        ids = [one.stand.case.alert for one in of_receiver]
        deliveries.queue(connection, Delivery(key, receiver, group, notice, ids, *fields), now)


def receivers_of(route: Route | None, life: Life) -> list[str]:
    """Who is told: the route's receivers and, once it was escalated, those whom it goes up to."""
    assert route is not None
    above = route.escalate_to if life.escalated_at is not None else ()
    return list(dict.fromkeys((*route.receivers, *above)))


def evidence_of(connection: Connection, alert: Alert, name: str) -> tuple[Evidence, list[meaning.Cited]]:
    """What the alert's evidence amounts to, and the documents."""
    return evidence_at(connection, alert, name, meaning.evidence(connection, alert.id))


def evidence_at(
    connection: Connection, alert: Alert, name: str, of: meaning.Evidence, as_of: datetime = meaning.FOREVER
) -> tuple[Evidence, list[meaning.Cited]]:
    """What the documents ``of`` amount to as the alert's evidence, by what was stored at ``as_of`` (else now)."""
    cited = meaning.cited(connection, alert, of, as_of)
    theme = meaning.theme(connection, alert, of, as_of)
    figures = meaning.figures(connection, alert, as_of)
    claimed = telling([c for c in cited if c.claim and not c.corrected])
    best = claimed or next((c for c in cited if not c.corrected), cited[0] if cited else None)
    quote = "" if best is None else (best.claim if claimed else best.headline) or ""
    evidence = Evidence(
        name=name,
        topic=theme.topic,
        event=theme.event,
        quote=quote,
        factuality=(claimed.factuality or "") if claimed else "",
        source=best.source if best else "",
        url=best.url if best else None,
        **figures._asdict(),
        corrected=sum(c.corrected for c in cited),
        withdrawn=sum(c.corrected and not c.about for c in cited),
        moved=_moved(connection, alert),
        erased=len(of) - len(cited),
    )
    return evidence, cited


_NEARLY = 0.8
"""A claim is about as sure as the surest from this share of its score on."""


def telling(claimed: Sequence[meaning.Cited]) -> meaning.Cited | None:
    """Of those whose claim is about as sure as the surest the one that reports the gravest event, or else reached most:
    the surest claim alone is often an aside that few have read."""
    surest = max((c.claim_score or 0.0 for c in claimed), default=0.0)
    sure = (c for c in claimed if (c.claim_score or 0.0) >= _NEARLY * surest)
    return max(sure, key=lambda c: (c.gravity, c.reach, c.claim_score or 0.0), default=None)


def _moved(connection: Connection, alert: Alert) -> str:
    """The shares of a drift on its worst day; empty for other alerts."""
    worst = drifts.told(connection, alert.entity, alert.model, alert.score) if alert.rule == DRIFT else None
    return "" if worst is None else drift.moved(worst.recent, worst.usual)


def line_of(connection: Connection, alert: Alert, name: str) -> str:
    """What the alert says, in one line."""
    return line(alert, evidence_of(connection, alert, name)[0])


def compose(connection: Connection, rules: Rules, notice: str, of: Sequence[tuple[Stand, Alert]], key: str) -> Message:
    """The message that tells of these alerts."""
    parts, data = [], []
    for stand, alert in of:
        evidence, cited = evidence_of(connection, alert, stand.case.name)
        said, link = line(alert, evidence), f"{rules.dashboard}/alerts/{alert.id}"
        quotes = [f"- {c.source}: {' '.join(c.headline.split())[:200]}" + _at(c.url) for c in cited[:_MOST_CITED]]
        parts.append("\n".join([said, *quotes, link]))
        data.append(_data(stand, alert, said, link, cited))
    worst = max((stand.subject.severity for stand, _ in of), key=routing.SEVERITIES.index)
    names = list(dict.fromkeys(stand.case.name for stand, _ in of))
    what = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    count = "" if len(of) == 1 else f", {len(of)} alerts"
    subject = f"[{worst}] {what}: {notice}{count}"
    gravity: notify.base.Gravity = (
        "success" if notice == "resolved" else "failure" if worst == "critical" else "warning"
    )
    return Message(
        key=key, subject=subject, body="\n\n".join(parts), gravity=gravity, data={"notice": notice, "alerts": data}
    )


def _at(url: str | None) -> str:
    return f" {url}" if url else ""


def _data(stand: Stand, alert: Alert, said: str, link: str, cited: Sequence[meaning.Cited]) -> dict[str, object]:
    fields = {name: getattr(alert, name) for name in alert.__struct_fields__ if name != "evidence"}
    documents = [{"id": c.document, "url": c.url, "source": c.source, "corrected": c.corrected} for c in cited]
    more = {"name": stand.case.name, "severity": stand.subject.severity, "line": said, "link": link}
    plain: dict[str, object] = msgspec.to_builtins({**fields, **more, "evidence": documents})
    return plain


def by_person(
    connection: Connection, rules: Rules, alert: str, kind: lifecycle.ByPerson, by: Person, now: datetime
) -> None:
    """A person takes the alert on, or says that it is over.

    Raises:
        StoreError: nobody was told of such an alert yet, or the move cannot be made.
    """
    moves.one_planner(connection)
    (stand,) = stands(connection, rules, now, [alert])
    if stand.life is None or stand.life.alarmed_at is None:
        raise StoreError(f"alert {alert} has not fired yet")
    if not lifecycle.by_person(stand.life, kind):
        raise StoreError(f"alert {alert} is {stand.life.phase} already")
    moves.append(connection, alert, stand.life.moves + 1, [moves.Row(kind, now, by.name, "", by.id)])


class Sent(NamedTuple):
    """What a round of sending did."""

    sent: int
    failed: int


def send(engine: Engine, rules: Rules, home: Path, now: datetime) -> Sent:
    """Sends what is due, one message a transaction; a receiver that fails is left alone until the next round."""
    _drop_unknown(engine, rules, now)
    sent, failing = 0, set[str]()
    while sent < _MOST_SENT:
        with engine.begin() as connection:
            delivery = deliveries.next_due(connection, now, failing)
            if delivery is None:
                break
            done, said = _attempt(rules, delivery, now, _files_of(connection, delivery))
            deliveries.attempted(connection, delivery.key, now, sent=done, said=said)
            mark = epoch.advance(connection, home)
        epoch.write(home, mark)
        if done:
            sent += 1
        else:
            failing.add(delivery.receiver)
            logger.warning("%s was not told of %s: %s", delivery.receiver, delivery.subject, said)
    return Sent(sent, len(failing))


def _drop_unknown(engine: Engine, rules: Rules, now: datetime) -> None:
    """Gives up the messages that nobody can receive any more; else they would be tried for ever."""
    with engine.begin() as connection:
        for receiver in deliveries.unknown(connection, rules.receivers, now - UNKNOWN_KEPT):
            said = _unknown(receiver)
            count = deliveries.drop_of(connection, receiver, now - UNKNOWN_KEPT, said)
            logger.warning("%d messages are given up: %s", count, said)


def _unknown(receiver: str) -> str:
    return f"the alerts file names no receiver {receiver!r} any more"


def _files_of(connection: Connection, delivery: Delivery) -> dict[str, Any]:
    """HTML and files of a message that brings a report; nothing for others."""
    report = reports.load(connection, delivery.data.get(REPORT, ""))
    if report is None:
        return {}
    files = (File(name=f["name"], type=f["type"], content=b64decode(f["content"])) for f in report.files)
    return {"html": report.html, "files": tuple(files)}


def _attempt(rules: Rules, delivery: Delivery, now: datetime, files: dict[str, Any]) -> tuple[bool, str]:
    receiver = rules.receivers.get(delivery.receiver)
    if receiver is None:
        return False, _unknown(delivery.receiver)
    fields = {name: getattr(delivery, name) for name in ("key", "subject", "body", "gravity", "data")}
    try:
        return True, notify.deliver(receiver, Message(**fields, **files), now)
    except (Unavailable, SettingError) as error:
        return False, str(error)


def run(engine: Engine, rules: Rules, home: Path, now: datetime) -> int:
    """One round: moves, then messages; returns how many moves were made and messages sent.

    Where the database is not the one that this home folder last sent from, what would be told waits.
    """
    with engine.begin() as connection:
        held = bool(rules.receivers) and not epoch.agrees(connection, home)
        done = plan(connection, rules, now, held=held)
        mark = epoch.advance(connection, home) if rules.receivers and done and not held else None
    if mark is not None:
        epoch.write(home, mark)
    if held:
        logger.warning("alerts are held: the database went back or was moved; `voxpop alerts release` lets them go")
        return done
    return done + (send(engine, rules, home, now).sent if rules.receivers else 0)


def release(engine: Engine, rules: Rules, home: Path, now: datetime, who: str, *, drop: bool) -> int:
    """Lets messages go again after the database went back or was moved.

    Args:
        drop: give up what waits, and what is owed by now.

    Returns:
        How many messages wait, or were dropped.
    """
    with engine.begin() as connection:
        count = _drop(connection, rules, now, who) if drop else deliveries.waiting(connection)
        mark = epoch.advance(connection, home)
    epoch.write(home, mark)
    return count


def _drop(connection: Connection, rules: Rules, now: datetime, who: str) -> int:
    plan(connection, rules, now, held=True)
    dropped = deliveries.drop_waiting(connection, f"dropped by {who} when sending was released")
    for stand in stands(connection, rules, now):
        policy = Policy() if stand.route is None else stand.route.policy
        assert stand.life is not None
        if notice := lifecycle.owed(stand.life, now, policy):
            told = moves.Row("told", now, who, notice)  # by this person, and not by a message
            moves.append(connection, stand.case.alert, stand.life.moves + 1, [told])
            dropped += 1
    return dropped

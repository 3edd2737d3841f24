"""The life of an alert: what happens to it, who did it and when, and when people must be told.

    pending ─► firing ─► acknowledged ─► resolved ─► reopened ─► …
                  │            ▲             ▲
                  └► escalated ┴─────────────┘

A life is the list of its moves and nothing else, so a process that is killed and started again, or started twice over
the same rows, goes on where the rows end. ``due`` says which moves are due at a time, ``fold`` what life they make;
both are pure. Telling people is a move too ("told", "withheld"), written in the transaction that queues the message.

An alert that becomes graver while it lasts, whether somebody has taken it on or not, is told again, once a rise.

Grouping, repeat intervals, silences and inhibition are those of Prometheus's Alertmanager; acknowledging and
escalation are those of a pager.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from voxpop.signals.severity import SEVERITIES, Severity

Phase = Literal["pending", "firing", "acknowledged", "escalated", "resolved", "reopened"]
Kind = Literal["opened", "fired", "graver", "acknowledged", "escalated", "resolved", "reopened", "told", "withheld"]
ByPerson = Literal["acknowledged", "resolved"]
Notice = Literal["firing", "graver", "repeated", "escalated", "resolved", "reopened"]
"""What people are told of an alert."""

PHASES: dict[Kind, Phase] = {
    "opened": "pending",
    "fired": "firing",
    "acknowledged": "acknowledged",
    "escalated": "escalated",
    "resolved": "resolved",
    "reopened": "reopened",
}
ALARMING: frozenset[Phase] = frozenset({"firing", "escalated", "reopened"})
"""Phases in which nobody has taken the alert on."""
SYSTEM = "voxpop"
"""Who makes a move that no person makes."""
OVER = "over"
"""The note of a resolution that is the signal's own; a person's stands until the signal was over and comes again."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """One row of a life: what happened, by whom, when.

    ``note`` is the notice told, why it was withheld, or, of an alert that fires or becomes graver, how grave it is.
    """

    kind: Kind
    at: datetime
    who: str = SYSTEM
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """When people are told of an alert that is routed so."""

    wait: timedelta = timedelta(seconds=10)
    """A new alert is told after so long, together with others of its group that have come meanwhile."""
    repeat: timedelta = timedelta(hours=4)
    """An alert that nobody has taken on is told again after so long; zero: never."""
    escalate: timedelta = timedelta(0)
    """An alert that nobody has taken on for so long is escalated; zero: never."""


@dataclass(frozen=True, kw_only=True)
class Now:
    """What is so of an alert at a time.

    Attributes:
        active: whether the signal that raised it is still over its cut.
        seen: when it was first seen.
        severity: how grave it is.
        held: people may not be told now (quiet hours, a wait of the group), but must be later.
        withheld: why people shall not be told at all of what happens now (a silence, a graver alert); empty: nothing.
    """

    at: datetime
    active: bool
    seen: datetime
    severity: Severity = "watch"
    held: bool = False
    withheld: str = ""


@dataclass(frozen=True, kw_only=True)
class Life:
    """What the moves of an alert amount to.

    Attributes:
        phase: where it stands.
        opened_at: when it was first seen.
        over: whether the signal was over at the last look; one that is seen again after that reopens the alert.
        alarmed_at: when it last fired or was reopened.
        escalated_at: when it was escalated since.
        severity: the gravest that it has been since; None where nobody noted it.
        graver: whether it has become graver since people were last told of it, or took it on.
        told: the last notice since it last fired or was reopened.
        told_at: when that was.
        first_told_at: when the first of these was.
        withheld: why the last notice since then was withheld.
        moves: how many there are.
    """

    phase: Phase
    opened_at: datetime
    over: bool = False
    alarmed_at: datetime | None = None
    escalated_at: datetime | None = None
    severity: Severity | None = None
    graver: bool = False
    told: str = ""
    told_at: datetime | None = None
    first_told_at: datetime | None = None
    withheld: str = ""
    moves: int = 1


def fold(moves: Sequence[Move]) -> Life | None:
    """The life that ``moves``, in their order, amount to; None without any."""
    life = None
    for move in moves:
        life = after(life, move)
    return life


def after(life: Life | None, move: Move) -> Life:
    """The life with one more move.

    Raises:
        ValueError: a life begins with "opened", and only there.
    """
    if (life is None) != (move.kind == "opened"):
        raise ValueError(f"a life cannot go on with {move.kind!r}")
    if life is None:
        return Life(phase="pending", opened_at=move.at)
    life = replace(life, moves=life.moves + 1)
    if move.kind == "told":
        first = life.first_told_at or move.at
        return replace(life, told=move.note, told_at=move.at, first_told_at=first, graver=False, withheld="")
    if move.kind == "withheld":
        return replace(life, withheld=move.note)
    if move.kind in ("fired", "reopened"):
        fresh = Life(phase=PHASES[move.kind], opened_at=life.opened_at, alarmed_at=move.at, moves=life.moves)
        return replace(fresh, severity=_severity(move))
    if move.kind == "graver":
        return replace(life, severity=_severity(move), graver=True)
    if move.kind == "escalated":
        return replace(life, phase="escalated", escalated_at=move.at)
    over = life.over or (move.kind == "resolved" and move.note == OVER)
    return replace(life, phase=PHASES[move.kind], over=over, graver=False)


def _severity(move: Move) -> Severity | None:
    """How grave the alert was by this move; None in lives from before this was noted."""
    return next((severity for severity in SEVERITIES if severity == move.note), None)


def due(life: Life | None, now: Now, policy: Policy) -> list[Move]:
    """The moves that are due: those of the alert itself, then what people are told of it.

    Applying them and asking again at the same time gives none.
    """
    moves: list[Move] = []
    while (move := _change(life, now, policy)) is not None:
        moves.append(move)
        life = after(life, move)
    assert life is not None
    notice = owed(life, now.at, policy)
    if notice is None:
        return moves
    if now.withheld:
        return moves if life.withheld == now.withheld else [*moves, Move(kind="withheld", at=now.at, note=now.withheld)]
    return moves if now.held else [*moves, Move(kind="told", at=now.at, note=notice)]


def _change(life: Life | None, now: Now, policy: Policy) -> Move | None:
    """The next move of the alert itself."""
    if life is None:
        return Move(kind="opened", at=now.seen)
    if not now.active:
        return None if life.over else Move(kind="resolved", at=now.at, note=OVER)
    if life.over:
        return Move(kind="reopened", at=now.at, note=now.severity)
    if life.phase == "pending":
        waited = now.at - life.opened_at >= policy.wait
        return Move(kind="fired", at=now.at, note=now.severity) if waited else None
    if _risen(life, now):
        return Move(kind="graver", at=now.at, note=now.severity)
    return Move(kind="escalated", at=now.at) if _unanswered(life, now, policy) else None


def _risen(life: Life, now: Now) -> bool:
    """Whether it is graver than it has been since it last fired; what a person has resolved is done with."""
    if life.severity is None or life.phase == "resolved":
        return False
    return SEVERITIES.index(now.severity) > SEVERITIES.index(life.severity)


def _unanswered(life: Life, now: Now, policy: Policy) -> bool:
    """Whether people who could have answered have not, for too long."""
    if life.phase not in ("firing", "reopened") or life.first_told_at is None or policy.escalate <= timedelta(0):
        return False
    return not (now.held or now.withheld) and now.at - life.first_told_at >= policy.escalate


def owed(life: Life, at: datetime, policy: Policy) -> Notice | None:
    """What people must be told at ``at``, if anything.

    Of an end they are told if they were told of the beginning, or if that was only held back until now.
    """
    if life.alarmed_at is None:
        return None
    if life.phase == "resolved":
        unheard = not life.told and life.withheld
        return None if life.told == "resolved" or unheard else "resolved"
    if life.phase not in ALARMING:
        return "graver" if life.phase == "acknowledged" and life.graver else None
    if life.told_at is None:
        return "reopened" if life.phase == "reopened" else "firing"
    if life.escalated_at is not None and life.told_at < life.escalated_at:
        return "escalated"
    if life.graver:
        return "graver"
    repeats = policy.repeat > timedelta(0) and at - life.told_at >= policy.repeat
    return "repeated" if repeats else None


def by_person(life: Life, kind: ByPerson) -> bool:
    """Whether a person may make the move now: an alert is taken on once, and one that is resolved is done with."""
    return life.phase != "resolved" and (kind == "resolved" or life.phase != "acknowledged")

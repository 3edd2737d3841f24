"""The life of an alert over scripted and over random schedules, with restarts at the worst moments."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from voxpop.signals import lifecycle
from voxpop.signals.lifecycle import OVER, Kind, Life, Move, Now, Policy, after, due, fold, owed
from voxpop.signals.severity import SEVERITIES

START = datetime(2026, 3, 2, tzinfo=UTC)
POLICY = Policy(wait=timedelta(minutes=1), repeat=timedelta(hours=4), escalate=timedelta(minutes=20))
SCHEDULES = 10_000
STEPS = 25


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def told(moves: list[Move]) -> list[str]:
    return [move.note for move in moves if move.kind == "told"]


def kinds(moves: list[Move]) -> list[Kind]:
    return [move.kind for move in moves]


def live(moves: list[Move], minutes: float, policy: Policy = POLICY, **facts: object) -> list[Move]:
    """The life with what is due at a time."""
    now = Now(**{"at": at(minutes), "active": True, "seen": START, **facts})  # type: ignore[arg-type]
    return [*moves, *due(fold(moves), now, policy)]


def by(moves: list[Move], kind: Kind, minutes: float) -> list[Move]:
    return [*moves, Move(kind=kind, at=at(minutes), who="jane")]


def test_nobody_answers_so_it_goes_up_and_is_told_again_until_it_is_over() -> None:
    moves: list[Move] = []
    for minute in (0, 1, 5, 20, 21, 22, 100, 262, 300):
        moves = live(moves, minute)
    moves = live(moves, 301, active=False)
    assert told(moves) == ["firing", "escalated", "repeated", "resolved"]
    assert kinds(moves)[:3] == ["opened", "fired", "told"]
    assert [m.at for m in moves if m.kind == "escalated"] == [at(21)]
    assert live(moves, 900, active=False) == moves, "what is over and told moves no more"


def test_what_somebody_took_on_is_neither_repeated_nor_escalated() -> None:
    moves = by(live(live([], 0), 1), "acknowledged", 3)
    for minute in (25, 300, 900):
        moves = live(moves, minute)
    assert told(moves) == ["firing"]
    assert told(live(moves, 901, active=False)) == ["firing", "resolved"]


def test_it_comes_back_after_it_was_over_and_is_told_as_that() -> None:
    moves = live(live(live([], 0), 1), 60, active=False)
    moves = live(live(moves, 90), 91)
    assert told(moves) == ["firing", "resolved", "reopened"]
    life = fold(moves)
    assert life is not None
    assert (life.phase, life.opened_at) == ("reopened", START)


def test_what_a_person_resolved_stays_so_until_the_signal_was_over_and_comes_again() -> None:
    moves = by(live(live([], 0), 1), "resolved", 5)
    moves = live(live(moves, 6), 700)
    assert told(moves) == ["firing", "resolved"]
    moves = live(live(moves, 800, active=False), 900)
    assert told(moves) == ["firing", "resolved", "reopened"]
    assert [m.note for m in moves if m.kind == "resolved"] == ["", OVER]


def test_what_came_and_went_before_the_wait_was_over_is_told_to_nobody() -> None:
    moves = live(live([], 0), 0.5, active=False)
    assert kinds(live(moves, 50, active=False)) == ["opened", "resolved"]


def test_quiet_hours_hold_back_what_is_told_when_they_end() -> None:
    moves: list[Move] = []
    for minute in range(0, 480, 15):
        moves = live(moves, minute, held=True)
    assert told(moves) == []
    assert told(live(moves, 480)) == ["firing"]
    gone = live(live(moves, 470, active=False, held=True), 480, active=False)
    assert told(gone) == ["resolved"], "what came and went in the night is told in the morning"


def test_a_silence_withholds_for_good_but_not_what_outlasts_it() -> None:
    moves = live(live(live([], 0), 1, withheld="silence"), 200, withheld="silence")
    assert kinds(moves) == ["opened", "fired", "withheld"], "one row says so, however often it was looked at"
    assert told(live(moves, 201)) == ["firing"]
    assert told(live(live(moves, 201, active=False, withheld="silence"), 400, active=False)) == []


def test_the_end_of_what_was_told_is_told_even_if_a_silence_lay_over_it() -> None:
    moves = live(live(live([], 0), 1), 60, active=False, withheld="silence")
    assert told(live(moves, 90, active=False)) == ["firing", "resolved"]


def test_what_becomes_graver_is_told_once_a_rise() -> None:
    moves: list[Move] = []
    for minute, severity in ((0, "watch"), (1, "watch"), (2, "serious"), (3, "serious"), (4, "watch"), (5, "serious")):
        moves = live(moves, minute, severity=severity)
    assert told(moves) == ["firing", "graver"]
    moves = live(live(moves, 6, severity="critical"), 7, severity="critical")
    assert told(moves) == ["firing", "graver", "graver"]
    assert [move.note for move in moves if move.kind in ("fired", "graver")] == ["watch", "serious", "critical"]


def test_somebody_took_it_on_as_it_was_and_is_told_that_it_became_graver() -> None:
    moves = by(live(live([], 0), 1), "acknowledged", 3)
    moves = live(live(moves, 4, severity="critical"), 900, severity="critical")
    assert told(moves) == ["firing", "graver"]
    life = fold(moves)
    assert life is not None
    assert life.phase == "acknowledged", "it is still theirs: neither repeated nor escalated"


def test_who_takes_it_on_knows_how_grave_it_is() -> None:
    moves = live(live(live([], 0), 1), 2, severity="serious", held=True)
    moves = by(moves, "acknowledged", 3)
    assert told(live(moves, 4, severity="serious")) == ["firing"]


def test_a_rise_in_quiet_hours_is_told_when_they_end_and_one_in_a_silence_only_if_it_outlasts_it() -> None:
    moves = live(live(live([], 0), 1), 2, severity="serious", held=True)
    assert told(live(moves, 3, severity="serious")) == ["firing", "graver"]
    silenced = live(live(live([], 0), 1), 2, severity="serious", withheld="silence")
    assert kinds(silenced)[-2:] == ["graver", "withheld"]
    assert told(live(silenced, 3, severity="serious")) == ["firing", "graver"]


def test_what_a_person_resolved_is_not_told_to_be_graver_and_a_reopened_one_begins_anew() -> None:
    moves = by(live(live([], 0), 1), "resolved", 2)
    assert told(live(moves, 3, severity="critical")) == ["firing", "resolved"]
    again = live(live(live(live([], 0, severity="critical"), 1, severity="critical"), 60, active=False), 90)
    assert told(live(again, 91, severity="serious")) == ["firing", "resolved", "reopened", "graver"]


def test_a_life_from_before_severities_were_noted_tells_of_no_rise() -> None:
    old = [Move(kind=kind, at=START, note=note) for kind, note in (("opened", ""), ("fired", ""), ("told", "firing"))]  # type: ignore[arg-type]
    assert live(old, 1, severity="critical") == old


def test_nobody_is_called_up_over_what_nobody_was_told() -> None:
    moves: list[Move] = []
    for minute in range(100):
        moves = live(moves, minute, held=True)
    assert "escalated" not in kinds(moves)


def test_zero_means_never() -> None:
    never = Policy(wait=timedelta(0), repeat=timedelta(0), escalate=timedelta(0))
    moves: list[Move] = []
    for minute in (0, 60, 6000, 600_000):
        moves = live(moves, minute, never)
    assert kinds(moves) == ["opened", "fired", "told"]


def test_a_life_begins_once() -> None:
    with pytest.raises(ValueError, match="opened"):
        after(fold([Move(kind="opened", at=START)]), Move(kind="opened", at=START))
    with pytest.raises(ValueError, match="fired"):
        fold([Move(kind="fired", at=START)])


@pytest.mark.parametrize(("phase", "kind", "may"), [("firing", "acknowledged", True), ("resolved", "resolved", False)])
def test_a_person_may_move_what_is_not_done_with(phase: lifecycle.Phase, kind: lifecycle.ByPerson, may: bool) -> None:
    assert lifecycle.by_person(Life(phase=phase, opened_at=START), kind) is may


@dataclass
class World:
    """Rows that survive a kill, a receiver that does, too, and a schedule that is drawn."""

    random: random.Random
    policy: Policy
    now: Now
    deadly: bool = True
    life: Life | None = None
    """What the process remembers; after a restart, what the rows say."""
    moves: list[Move] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    killed_after_answer: Counter[str] = field(default_factory=Counter)

    def plan(self, now: Now) -> None:
        """Moves and messages, in one transaction that a kill undoes as one."""
        life, moves, waiting = self.life, list(self.moves), dict(self.waiting)
        for move in due(life, now, self.policy):
            life = after(life, move)
            moves.append(move)
            if move.kind == "told":
                waiting[f"{len(moves)}"] = move.note
        if self.deadly and self.random.random() < 0.2:
            self.life = fold(self.moves)
        else:
            self.life, self.moves, self.waiting = life, moves, waiting

    def send(self) -> None:
        """What waits, one by one; the process is killed before the receiver's answer, after it, or not at all."""
        for key in list(self.waiting):
            fate = self.random.random() if self.deadly else 1.0
            if fate < 0.2:
                return
            self.received.append(key)
            if fate < 0.4:
                self.killed_after_answer[key] += 1
                return
            del self.waiting[key]

    def person(self, now: datetime) -> None:
        life = self.life
        kind: lifecycle.ByPerson = self.random.choice(["acknowledged", "resolved"])
        if life is not None and life.alarmed_at is not None and lifecycle.by_person(life, kind):
            move = Move(kind=kind, at=now, who="jane")
            self.moves.append(move)
            self.life = after(life, move)


def play(seed: int) -> World:
    """A random schedule, which ends in calm: the signal settles, nothing is held, nobody is killed any more."""
    draw = random.Random(seed)
    minutes = [0, 1, 20, 240]
    wait, repeat, escalate = (timedelta(minutes=draw.choice(minutes)) for _ in range(3))
    now = Now(at=START, active=True, seen=START)
    world = World(draw, Policy(wait=wait, repeat=repeat, escalate=escalate), now)
    for _ in range(STEPS):
        active = now.active if draw.random() < 0.8 else not now.active
        withheld = draw.choice(["", "", "", "silence", "a graver alert"])
        severity = draw.choice(SEVERITIES) if draw.random() < 0.2 else now.severity
        moved = timedelta(minutes=draw.choice([0, 0.25, 1, 10, 100]))
        now = replace(now, at=now.at + moved, active=active, severity=severity, withheld=withheld)
        now = replace(now, held=draw.random() < 0.2)
        world.plan(now)
        world.send()
        if draw.random() < 0.1:
            world.person(now.at)
    world.deadly = False
    for minute in (0, 5, 300):
        world.now = replace(now, at=now.at + timedelta(minutes=minute), held=False, withheld="")
        world.plan(world.now)
        world.send()
    return world


def alarms(moves: list[Move]) -> list[list[Move]]:
    """The moves from each alarm to the next."""
    parts: list[list[Move]] = []
    for move in moves:
        if move.kind in ("fired", "reopened"):
            parts.append([])
        if parts:
            parts[-1].append(move)
    return parts


@pytest.mark.slow
def test_ten_thousand_random_schedules_lose_nothing_and_repeat_only_after_a_kill() -> None:
    seen: Counter[str] = Counter()
    for seed in range(SCHEDULES):
        world = play(seed)
        assert not world.waiting, seed
        assert world.life == fold(world.moves), f"schedule {seed}: memory and rows differ"
        keys = {f"{n}" for n, move in enumerate(world.moves, start=1) if move.kind == "told"}
        times = Counter(world.received)
        assert set(times) == keys, f"schedule {seed}: a message was lost, or nobody wrote that it was told"
        for key in keys:
            assert times[key] == 1 + world.killed_after_answer[key], f"schedule {seed}: repeated without a kill"
        *earlier, last = alarms(world.moves) or [[]]
        for part in earlier:
            ended = {"told", "withheld", "acknowledged", "resolved"} & set(kinds(part))
            assert ended, f"schedule {seed}: an alarm left no trace"
        if last and not ({"acknowledged", "withheld"} & set(kinds(last))):
            assert told(last), f"schedule {seed}: nobody was told"
        for part in (*earlier, last):
            once = Counter(note for note in told(part) if note not in ("repeated", "graver"))
            assert all(count == 1 for count in once.values()), f"schedule {seed}: {once}"
            check_repeats(part, world.policy)
            check_rises(part, ended=part is not last)
        seen.update(kinds(world.moves))
        seen.update(f"told {note}" for note in told(world.moves))
        seen["killed after an answer"] += sum(world.killed_after_answer.values())
    assert all(seen[kind] > 1000 for kind in lifecycle.PHASES), seen
    notices = ("firing", "graver", "repeated", "escalated", "resolved", "reopened")
    assert all(seen[f"told {notice}"] > 500 for notice in notices), seen
    assert seen["killed after an answer"] > 1000


def check_repeats(part: list[Move], policy: Policy) -> None:
    """Between a repeat and whatever was told before it lies the interval, and nobody had taken the alert on."""
    last: datetime | None = None
    taken = False
    for move in part:
        taken = taken or move.kind in ("acknowledged", "resolved")
        if move.kind == "told":
            if move.note == "repeated":
                assert last is not None
                assert move.at - last >= policy.repeat > timedelta(0)
                assert not taken
            last = move.at


def check_rises(part: list[Move], *, ended: bool) -> None:
    """Each rise is a rise, and is told once, by this notice or another, unless somebody acts or it is over before."""
    gravest, owed = -1, False
    for move in part:
        if move.kind in ("fired", "reopened"):
            gravest = SEVERITIES.index(move.note)
        elif move.kind == "graver":
            risen = SEVERITIES.index(move.note)
            assert risen > gravest
            gravest, owed = risen, True
        elif move.kind == "told":
            assert owed or move.note != "graver", "told of no rise, or twice of one"
            owed = False
        elif move.kind in ("acknowledged", "resolved"):
            owed = False
    assert not owed or ended, "a rise was never told"


@pytest.mark.parametrize("seed", range(200))
def test_looking_again_at_the_same_time_changes_nothing(seed: int) -> None:
    world = play(seed)
    now = world.now
    assert due(fold(world.moves), now, world.policy) == []
    life = fold(world.moves)
    assert life is not None
    assert owed(life, now.at, world.policy) is None

"""A member that is killed, or frozen and thawed, at each boundary of its loop: every record is stored once."""

from __future__ import annotations

import signal

import pytest

from tests.faults.processes import LONG, Ground, wait_for

BOUNDARIES = ("polled", "claimed", "begun", "computed", "published", "written", "stored", "told")
RECORDS = 200
FREEZES = BOUNDARIES if LONG else ("claimed", "computed", "written")


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_killed_at_a_boundary_it_neither_loses_nor_doubles_a_record(ground: Ground, boundary: str) -> None:
    ground.publish(RECORDS)
    member = ground.member(f"{boundary}:kill:3", name="one")
    assert member.wait() == -signal.SIGKILL, member.said
    assert ground.count() < RECORDS, "it was done before it was killed: nothing was shown"
    ground.member(name="one")
    ground.settled()


@pytest.mark.parametrize("boundary", FREEZES)
def test_a_member_that_thaws_after_others_took_over_writes_nothing(over_kafka: Ground, boundary: str) -> None:
    ground = over_kafka
    ground.publish(RECORDS)
    frozen = ground.member(f"{boundary}:stop:2")
    wait_for(lambda: frozen.frozen, why=lambda: frozen.said)
    ground.member()
    ground.settled()
    booked = ground.count()
    frozen.send(signal.SIGCONT)
    ground.publish(RECORDS)
    ground.settled()
    assert ground.count() == booked + RECORDS
    assert frozen.end(signal.SIGTERM) == 0


def test_a_member_that_was_frozen_while_it_stored_holds_nobody_up_and_blames_no_record(ground: Ground) -> None:
    """Frozen before it commits it holds locks; the database ends its transaction, and it does it all again."""
    ground.publish(5, keys=1)
    frozen = ground.member("written:stop:2", records=1)
    wait_for(lambda: frozen.frozen, why=lambda: frozen.said)
    wait_for(lambda: ground.writers() == 0)
    frozen.send(signal.SIGCONT)
    ground.settled()
    assert ground.dead() == []

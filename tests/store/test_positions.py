"""The fence: who may write results, and from where."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine

from voxpop.errors import Fenced
from voxpop.store import positions


def claim(connection: Connection, owner: str) -> positions.Claim:
    return positions.claim(connection, group="g", topic="t", topic_id="1", partition=0, owner=owner)


def test_results_and_offset_stand_or_fall_together(engine: Engine) -> None:
    with engine.begin() as connection:
        held = claim(connection, "a")
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        positions.advance(connection, held, 10)
        _ = 1 / 0
    with engine.begin() as connection:
        assert positions.offsets(connection, "g", {"t": "1"}) == {("t", 0): 0}
        held = positions.advance(connection, held, 10)
    with engine.begin() as connection:
        assert positions.offsets(connection, "g", {"t": "1"}) == {("t", 0): 10}
        assert held.next_offset == 10


def test_a_member_that_was_frozen_while_another_took_over_cannot_write(engine: Engine) -> None:
    with engine.begin() as connection:
        frozen = claim(connection, "frozen")
        awake = claim(connection, "awake")
    with engine.begin() as connection:
        positions.advance(connection, awake, 5)
    with pytest.raises(Fenced), engine.begin() as connection:
        positions.advance(connection, frozen, 5)


def test_a_claim_starts_where_the_last_member_stopped(engine: Engine) -> None:
    with engine.begin() as connection:
        positions.advance(connection, claim(connection, "a"), 7)
    with engine.begin() as connection:
        held = claim(connection, "b")
    assert (held.next_offset, held.epoch) == (7, 2)


def test_an_offset_cannot_move_twice_from_the_same_place(engine: Engine) -> None:
    with engine.begin() as connection:
        held = claim(connection, "a")
        positions.advance(connection, held, 5)
    with pytest.raises(Fenced), engine.begin() as connection:
        positions.advance(connection, held, 5)


def test_a_topic_made_anew_starts_at_its_own_beginning(engine: Engine) -> None:
    with engine.begin() as connection:
        positions.advance(connection, claim(connection, "a"), 7)
        again = positions.claim(connection, group="g", topic="t", topic_id="2", partition=0, owner="a")
        assert again.next_offset == 0
        assert positions.offsets(connection, "g", {"t": "1"}) == {("t", 0): 7}
        assert positions.offsets(connection, "g", {"t": "2"}) == {("t", 0): 0}
        assert positions.offsets(connection, "g", {}) == {}
        assert (positions.read(connection, "1"), positions.read(connection, "2")) == ({0: 7}, {0: 0})

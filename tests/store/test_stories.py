"""Stories are connected components, whatever the order in which documents arrive and however they are batched."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from voxpop.store import stories
from voxpop.store.locks import commit_order
from voxpop.store.stories import Entry

WINDOW = timedelta(hours=72)
START = datetime(2026, 3, 2, tzinfo=UTC)


def retells(a: str, b: str) -> bool:
    """A toy verdict: half of the words are shared. Texts that share none share no band either."""
    one, other = set(a.split()), set(b.split())
    return 2 * len(one & other) >= len(one | other)


def entry(name: str, hours: float, words: str) -> Entry:
    return Entry(name, START + timedelta(hours=hours), words, tuple(sorted(hash_of(word) for word in words.split())))


def hash_of(word: str) -> int:
    return stories.fingerprint(f"band of {word}")


def expected(entries: Sequence[Entry]) -> dict[str, str]:
    """The components by brute force: every pair is compared."""
    group = {e.document_id: {e.document_id} for e in entries}
    for a in entries:
        for b in entries:
            if retells(a.words, b.words) and abs(a.published_at - b.published_at) <= WINDOW:
                merged = group[a.document_id] | group[b.document_id]
                for member in merged:
                    group[member] = merged
    born = {e.document_id: (e.published_at, e.document_id) for e in entries}
    return {name: min(members, key=lambda m: born[m]) for name, members in group.items()}


def stored(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return dict(connection.execute(text("SELECT document_id, story_id FROM story_members")).tuples().all())


def assign(engine: Engine, batch: Sequence[Entry]) -> None:
    with engine.begin() as connection:
        commit_order(connection)
        stories.assign(connection, batch, retells=retells, window=WINDOW)


def clear(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE story_members, story_bands, story_texts, stale_windows"))


@pytest.mark.parametrize("seed", range(4))
def test_components_are_those_of_brute_force_in_any_order_and_batching(engine: Engine, seed: int) -> None:
    order = random.Random(seed)
    vocabulary = [f"w{n}" for n in range(9)]
    entries = [
        entry(
            f"d{n:03d}",
            order.choice([0, 30, 70, 71, 100, 140, 200]) + n / 100,
            " ".join(sorted(order.sample(vocabulary, 3))),
        )
        for n in range(60)
    ]
    for _ in range(3):
        order.shuffle(entries)
        clear(engine)
        rest = list(entries)
        while rest:
            size = order.choice([1, 2, 7, 20])
            assign(engine, rest[:size])
            rest = rest[size:]
        assert stored(engine) == expected(entries)


def test_a_repeat_within_the_window_joins_and_one_outside_does_not(engine: Engine) -> None:
    assign(engine, [entry("a", 0, "x y z"), entry("b", 72, "x y z"), entry("c", 145, "x y z")])
    assert stored(engine) == {"a": "a", "b": "a", "c": "c"}


def test_a_late_arrival_joins_two_stories_and_names_them(engine: Engine) -> None:
    assign(engine, [entry("b", 60, "x y z"), entry("c", 140, "x y z")])
    assert len(set(stored(engine).values())) == 2
    assign(engine, [entry("a", 100, "x y z")])
    assert stored(engine) == {"a": "b", "b": "b", "c": "b"}
    assign(engine, [entry("0", 1, "x y z")])
    assert set(stored(engine).values()) == {"0"}


def test_placing_a_document_twice_changes_nothing(engine: Engine) -> None:
    entries = [entry("a", 0, "x y z"), entry("b", 1, "x y z")]
    assign(engine, entries)
    assign(engine, entries)
    assert stored(engine) == {"a": "a", "b": "a"}


def test_a_corrected_text_leaves_its_story_and_splits_it_where_it_was_the_bridge(engine: Engine) -> None:
    bridge = entry("m", 70, "x y z")
    assign(engine, [entry("a", 0, "x y z"), bridge, entry("c", 140, "x y z")])
    assert set(stored(engine).values()) == {"a"}
    assign(engine, [entry("m", 70, "p q r")])
    assert stored(engine) == {"a": "a", "m": "m", "c": "c"}


def test_work_for_a_repost_does_not_grow_with_the_reposts_before_it(engine: Engine) -> None:
    """Statements see at most two neighbours for a text, however many documents share it."""
    assign(engine, [entry(f"d{n:04d}", n / 60, "x y z") for n in range(1000)])
    with engine.begin() as connection:
        member = stories._Member("new", START + timedelta(hours=5), stories.fingerprint("x y z"))
        near = stories._neighbours(connection, [member], {member.fingerprint: {member.fingerprint}}, WINDOW)
    assert len(near) <= 2
    assert set(stored(engine).values()) == {"d0000"}

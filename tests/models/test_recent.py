"""What is remembered, and what is forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from voxpop import models
from voxpop.models import Target
from voxpop.models.reader import Reader
from voxpop.models.recent import OVERHEAD, Recent, fingerprint
from voxpop.models.running import BatchFigures


def test_room_is_counted_in_bytes_and_the_least_recent_goes_first() -> None:
    recent = Recent[str](3 * (OVERHEAD + 4), len)
    for key in "abc":
        recent.put(key, key * 4)
    assert recent.get("a") == "aaaa"
    recent.put("d", "dddd")
    assert [recent.get(key) for key in "abcd"] == ["aaaa", None, "cccc", "dddd"]
    recent.put("e", "e" * (OVERHEAD + 8))  # takes the room of two
    assert [recent.get(key) is None for key in "acde"] == [True, True, False, False]
    recent.put("f", "f" * 10_000)  # more than there is room for at all
    assert [recent.get(key) for key in "def"] == [None, None, None]
    recent.put("a", "a")
    assert recent.get("a") == "a"


def test_equal_questions_are_computed_once_and_kept_ones_not_at_all() -> None:
    recent = Recent[str](100_000, len)
    computed: list[str] = []

    def shout(missing: list[str]) -> list[str]:
        computed.extend(missing)
        return [one.upper() for one in missing]

    assert recent.all(["a", "b", "a"], str, shout) == ["A", "B", "A"]
    assert recent.all(["c", "b"], str, shout) == ["C", "B"]
    assert computed == ["a", "b", "c"]
    recent.clear()
    assert recent.all(["b"], str, shout) == ["B"]
    assert computed == ["a", "b", "c", "b"]


def test_answers_are_right_even_where_there_is_room_for_none() -> None:
    recent = Recent[str](0, len)
    assert recent.all(["a", "b", "a"], str, lambda missing: [one.upper() for one in missing]) == ["A", "B", "A"]


def test_fingerprints_tell_apart_what_differs() -> None:
    different = [
        ("ab", "c"),
        ("a", "bc"),
        ("ab", ""),
        ("ab",),
        ("a\ud800",),
        (("ab", ((0, 1),)),),
        (("ab", ((0, 2),)),),
    ]
    assert len({fingerprint(*parts) for parts in different}) == len(different)
    assert fingerprint("ab", "c") == fingerprint("ab", "c")


@pytest.fixture
def reader() -> Reader:
    return models.load("english", threads=2)


def test_a_reader_computes_again_only_what_it_has_forgotten(reader: Reader) -> None:
    batches: list[BatchFigures] = []
    reader.observe = batches.append
    texts = ["Calder fell", "Nordhafen rose on strong profit", "Calder fell"]
    targets = [Target(texts[0], ()), Target(texts[0], ((0, 6),))]
    first = reader.topics(texts), reader.sentiment(targets), reader.embed(texts)
    assert sum(batch.sequences for batch in batches) == 2 + 2 + 2
    again = reader.topics(texts[::-1]), reader.sentiment(targets[::-1]), reader.embed(texts[::-1])
    assert sum(batch.sequences for batch in batches) == 6
    assert all(np.array_equal(one, other[::-1]) for one, other in zip(first, again, strict=True))
    again[0][:] = 0  # what a caller does with an answer is no concern of the next
    assert np.array_equal(reader.topics(texts), first[0])
    reader.forget()
    assert np.array_equal(reader.topics(texts), first[0])
    assert sum(batch.sequences for batch in batches) == 8


def test_figures_of_batches_say_what_was_computed(reader: Reader) -> None:
    batches: list[BatchFigures] = []
    reader.observe = batches.append
    reader.topics(["up", "down", "profit " * 30])
    assert sorted((b.task, b.sequences, b.real_tokens, b.padded_tokens) for b in batches) == [
        ("topic", 1, 32, 32),
        ("topic", 2, 6, 16),
    ]
    assert all(batch.seconds > 0 for batch in batches)


def test_threads_may_share_a_reader(reader: Reader) -> None:
    texts = [f"Calder fell by {n} percent, {'and again ' * (n % 7)}" for n in range(40)]
    expected = reader.backend.topics(texts)

    def ask(turn: int) -> bool:
        some = texts[turn % 5 :: 3]
        return np.array_equal(reader.topics(some), expected[turn % 5 :: 3])

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(30)))

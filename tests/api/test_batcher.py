"""Many callers and one thread: what waits is computed together, is bounded, and costs nobody else anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from voxpop.api.batcher import Batcher, Busy


class Slow:
    """Doubles numbers once it is let; remembers its batches. 13 cannot be doubled."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self, asked: Sequence[int]) -> list[int]:
        self.batches.append(list(asked))
        self.begun.set()
        assert self.let.wait(20)
        if 13 in asked:
            raise ValueError("13")
        return [2 * one for one in asked]


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def batcher(slow: Slow) -> Iterator[Batcher[int, int]]:
    batcher = Batcher[int, int](slow, waiting=8, at_once=4)
    yield batcher
    slow.let.set()
    batcher.close()


def begin(batcher: Batcher[int, int], slow: Slow) -> None:
    """Sets it to work, so that what comes next waits."""
    batcher.submit([0])
    assert slow.begun.wait(20)


def test_what_comes_while_it_computes_is_computed_together_and_in_order(batcher: Batcher[int, int], slow: Slow) -> None:
    begin(batcher, slow)
    futures = [future for number in range(1, 7) for future in batcher.submit([number])]
    slow.let.set()
    assert [future.result(20) for future in futures] == [2, 4, 6, 8, 10, 12]
    assert slow.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_more_than_may_wait_is_refused_whole(batcher: Batcher[int, int], slow: Slow) -> None:
    begin(batcher, slow)
    batcher.submit([1, 2, 3, 4, 5, 6])
    with pytest.raises(Busy):
        batcher.submit([7, 8, 9])
    futures = batcher.submit([7, 8])
    slow.let.set()
    assert [future.result(20) for future in futures] == [14, 16]
    assert 9 not in [one for batch in slow.batches for one in batch]


def test_one_callers_fault_costs_no_other_an_answer(batcher: Batcher[int, int], slow: Slow) -> None:
    begin(batcher, slow)
    futures = batcher.submit([1, 2, 13, 4])
    slow.let.set()
    assert [future.result(20) for future in (futures[0], futures[1], futures[3])] == [2, 4, 8]
    with pytest.raises(ValueError, match="13"):
        futures[2].result(20)


def test_what_nobody_waits_for_any_more_is_not_computed(batcher: Batcher[int, int], slow: Slow) -> None:
    begin(batcher, slow)
    first, second = batcher.submit([1, 2])
    assert first.cancel()
    slow.let.set()
    assert second.result(20) == 4
    assert slow.batches == [[0], [2]]


def test_closing_gives_up_what_waits_and_takes_nothing_more(batcher: Batcher[int, int], slow: Slow) -> None:
    begin(batcher, slow)
    (waiting,) = batcher.submit([1])
    threading.Timer(0.1, slow.let.set).start()
    batcher.close()
    with pytest.raises(Busy):
        waiting.result(20)
    with pytest.raises(Busy):
        batcher.submit([2])

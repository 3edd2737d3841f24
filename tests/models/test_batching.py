"""Batches of one padded width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voxpop.models.batching import padded_width, plan


@given(st.lists(st.integers(0, 512), max_size=200), st.integers(1, 5000))
def test_every_sequence_runs_once_at_its_own_width_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(plan(lengths, budget))
    assert sorted(i for batch in batches for i in batch.indices) == list(range(len(lengths)))
    for batch in batches:
        assert {padded_width(lengths[i]) for i in batch.indices} == {batch.width}
        assert len(batch.indices) == 1 or batch.width * len(batch.indices) <= budget


def test_widths_are_multiples_of_eight() -> None:
    assert [padded_width(n) for n in (0, 1, 8, 9, 256)] == [8, 8, 8, 16, 256]

"""Joined texts that are good for one entity and bad for another."""

from __future__ import annotations

from voxpop.training.contrast import contrasts
from voxpop.training.datasets import Example

ROWS = [
    Example("Calder up.", ((0, 6),), "positive", "s"),
    Example("Oriel wins", ((0, 5),), "positive", "s"),
    Example("fine hurts Nordhafen", ((11, 20),), "negative", "s"),
    Example("Sable meets", ((0, 5),), "neutral", "s"),
    Example("two of them", ((0, 3),), "negative", "s"),
    Example("two of them", ((7, 11),), "positive", "s"),
    Example("Tamsin " + "very " * 40, ((0, 6),), "negative", "s"),
    Example("the whole", (), "negative", "s"),
]
NAMES = {"Calder": "positive", "Oriel": "positive", "Nordhafen": "negative", "Sable": "neutral"}


def test_each_entity_keeps_its_own_label_in_the_joined_text() -> None:
    made = contrasts(ROWS, 40, seed=1)
    assert len(made) == 80
    for example in made:
        ((start, end),) = example.spans
        assert NAMES[example.text[start:end]] == example.label
    for first, second in zip(made[::2], made[1::2], strict=True):
        assert first.text == second.text
        assert first.label != second.label
    assert sum({a.label, b.label} == {"positive", "negative"} for a, b in zip(made[::2], made[1::2], strict=True)) >= 20


def test_it_is_repeatable_and_needs_two_labels() -> None:
    assert contrasts(ROWS, 9, seed=1) == contrasts(ROWS, 9, seed=1) != contrasts(ROWS, 9, seed=2)
    assert contrasts(ROWS[:2], 9, seed=1) == []

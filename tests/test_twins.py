"""Conclusions from a premise and a hypothesis by the shipped weights: a play, and its twins of the finance world."""

from __future__ import annotations

from typing import Any

import pytest

from voxpop import models
from voxpop.errors import SettingError
from voxpop.inference import infer
from voxpop.models.reader import Reader

CASES = [
    (
        "Shakespeare was not a writer. He never wrote a play.",
        "Hamlet is by Shakespeare.",
        "Shakespeare wrote Hamlet.",
        False,
    ),
    (
        "Norvik Bank never issued a bond.",
        "The bond of 2027 is said to be Norvik's.",
        "Norvik Bank issued the bond of 2027.",
        False,
    ),
    (
        "Calder Energy did not pay the interest on its bonds that was due on Monday.",
        "Calder Energy has told its creditors that it cannot pay.",
        "Calder Energy has failed to pay a debt.",
        True,
    ),
    (
        "The regulator made Osten Bank pay 40 million for weak controls.",
        "It is the largest fine in the history of Osten Bank.",
        "Osten Bank has been fined.",
        True,
    ),
    ("Osten Bank opened a branch in Lyon.", "Its app was down.", "Osten Bank has been fined.", False),
    (
        "Tamsin Motors asked the owners of 40,000 cars to bring them back because the brakes can fail.",
        "Tamsin Motors recalls the cars.",
        "Tamsin Motors is recalling cars.",
        True,
    ),
    (
        "Tamsin Motors denied that it will recall any cars.",
        "Drivers complained about the brakes.",
        "Tamsin Motors has recalled cars.",
        False,
    ),
    ("Brakka may cut jobs next year.", "Orders are falling.", "Brakka has cut jobs.", False),
    (
        "The chief executive of Hallow stepped down on Monday.",
        "The chief executive has left the company.",
        "The chief executive of Hallow has left.",
        True,
    ),
    (
        "Customers of Lindqvist Bank queued all night for their savings.",
        "Customers are taking their money out of Lindqvist Bank.",
        "Customers are withdrawing money from Lindqvist Bank.",
        True,
    ),
    ("Verano bought Castell for two billion.", "Castell was for sale.", "Castell bought Verano.", False),
]


MISSED = {
    "Calder Energy has failed to pay a debt.",
    "Brakka has cut jobs.",
    "The chief executive of Hallow has left.",
}
"""What the shipped weights get wrong: they are unsure of what follows, and take what may be for what is."""


def marked(case: tuple[str, str, str, bool]) -> Any:
    """The case, expected to fail where it is known to."""
    marks = [pytest.mark.xfail(strict=True, reason="the shipped weights get it wrong")] if case[2] in MISSED else []
    return pytest.param(*case, marks=marks)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return models.load("bundled")


@pytest.mark.parametrize(("premise", "hypothesis", "conclusion", "follows"), [marked(case) for case in CASES])
def test_it_follows_or_it_does_not(
    reader: Reader, premise: str, hypothesis: str, conclusion: str, follows: bool
) -> None:
    found = infer(premise, hypothesis, conclusion, reader)
    assert found.conclusion == (conclusion if follows else False), found.reason
    assert found.reason


def test_a_language_that_cannot_be_judged_says_so(reader: Reader) -> None:
    with pytest.raises(SettingError, match=r"cannot be judged.*\(zh\).*it reads en"):
        infer(
            "莎士比亚不是作家，他从未写过剧本。",
            "《哈姆雷特》是莎士比亚的作品。",
            "莎士比亚创作了《哈姆雷特》。",
            reader,
        )

"""Whether words can answer a question at all."""

from __future__ import annotations

import pytest

from voxpop.records import Question
from voxpop.text.answers import fits, trimmed


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("amount", "$5 million"),
        ("amount", "a third"),
        ("amount", "Forty houses"),
        ("amount", "seven of its eleven tankers"),
        ("amount", "三亿美元"),
        ("amount", "近半贸易额"),
        ("amount", "三家门店"),
        ("amount", "百分之五"),
        ("amount", "十余万"),
        ("amount", "净利润腰斩"),
        ("amount", "两小时"),
        ("what", "recalls 40,000 cars $BA"),
        ("who", "3M"),
        ("when", "Monday"),
    ],
)
def test_what_may_answer(question: Question, words: str) -> None:
    assert fits(question, words)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("amount", "$WAG $"),
        ("amount", "$AAPL $GOOG"),
        ("amount", "a lot"),
        ("amount", "数据泄露"),
        ("amount", "统一口径"),
        ("amount", "一直亏损"),
        ("amount", "https://x.example/2026"),
        ("who", "@IBDinvestors"),
        ("what", "$C #stocks"),
        ("what", " – "),
    ],
)
def test_what_says_nothing(question: Question, words: str) -> None:
    assert not fits(question, words)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("retains its dividend http://t.co/x $S $VZ", "retains its dividend"),
        ("raises $5 million via @desk", "raises $5 million"),
        ("pays $1.7 billion", "pays $1.7 billion"),
        ("$GE to pay", "$GE to pay"),
        ("$C", "$C"),
    ],
)
def test_what_a_post_ends_with_is_no_part_of_an_answer(words: str, kept: str) -> None:
    assert trimmed(words) == kept

"""How a sentence claims something."""

from __future__ import annotations

import pytest

from voxpop.text.factuality import factuality, sentence_of


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        ("Acme was fined on Tuesday.", "was fined", "asserted"),
        ("Acme may be fined, lawyers said.", "be fined", "hedged"),
        ("Acme was fined, according to two papers.", "was fined", "reported"),
        ("Acme denied that it was fined.", "was fined", "denied"),
        ("A spokesman said reports of a fine are baseless.", "a fine", "denied"),
        ("Acme was fined. Bolt may be next.", "was fined", "asserted"),
        ("Bolt denies everything. Acme was fined.", "was fined", "asserted"),
        ("Acme could default, but denies it", "default", "denied"),
    ],
)
def test_cues_of_the_sentence_around_the_claim(text: str, what: str, expected: str) -> None:
    start = text.index(what)
    assert factuality(text, start, start + len(what)) == expected


def test_sentences_end_at_marks_and_lines() -> None:
    text = "Title here\nFirst one. Second one! Third"
    start = text.index("Second")
    assert text[slice(*sentence_of(text, start, start + 6))].strip() == "Second one!"
    assert text[slice(*sentence_of(text, 0, 5))].strip() == "Title here"
    assert sentence_of(text, 0, len(text)) == (0, len(text))

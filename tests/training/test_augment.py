"""Altered copies keep their label, and their spans mark what they marked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxpop.errors import SettingError
from voxpop.training.augment import _NEAR, KINDS, Edit, altered, applied, augmented, back_translated
from voxpop.training.datasets import Example

TEXT = (
    "Big rival of Calder Bank says profit rose while Nordhafen missed estimates; Calder Bank climbs https://t.co/Profit"
)
CALDER = tuple(match.span() for match in re.finditer("Calder Bank", TEXT))
NORD = tuple(match.span() for match in re.finditer("Nordhafen", TEXT))
ROWS = [Example(TEXT, CALDER, "positive", "s"), Example(TEXT, NORD, "negative", "s"), Example(TEXT, (), "neutral", "s")]


def marked(row: Example) -> list[str]:
    return [row.text[start:end] for start, end in row.spans]


@pytest.mark.parametrize("kind", ["typos", "noise", "synonyms"])
@pytest.mark.parametrize("seed", range(40))
def test_what_a_span_marks_is_not_touched(kind: str, seed: int) -> None:
    for row in ROWS:
        copy = altered(row, kind, np.random.default_rng(seed))
        assert copy is not None
        assert copy.text != row.text
        assert marked(copy) == marked(row)
        assert copy.text.endswith("https://t.co/Profit") or kind == "synonyms"
        assert copy[2:] == row[2:]
        assert copy == altered(row, kind, np.random.default_rng(seed))


def test_names_are_swapped_everywhere_alike_and_those_of_others_too() -> None:
    copy = altered(ROWS[0], "entities", np.random.default_rng(1), NORD)
    assert copy is not None
    (name,) = set(marked(copy))
    assert name != "Calder Bank"
    assert "Calder" not in copy.text
    assert "Nordhafen" not in copy.text
    assert copy.text.count(name) == 2
    assert altered(ROWS[2], "entities", np.random.default_rng(1)) is None
    assert altered(Example("Calder Bank up", ((0, 6), (0, 11)), "x", "s"), "entities", np.random.default_rng(1)) is None
    question = Example(TEXT, CALDER[:1], "", "qa", "Who says profit rose?")
    assert altered(question, "entities", np.random.default_rng(1)) is None


def test_the_second_text_is_altered_as_well() -> None:
    row = Example("Calder profit rose", (), "entailment", "s", "Calder revenue climbed")
    seen = {altered(row, "synonyms", np.random.default_rng(seed)) for seed in range(20)}
    assert {copy.second for copy in seen if copy} > {"Calder sales climbed"}
    assert {copy.text for copy in seen if copy} > {"Calder earnings rose"}


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("A probe: Shares rise", {"A probe: Stock rise"}),  # neither "a investigation" nor "a inquiry"
        ("A PROBE", set()),
        ("THE PROBE", {"THE INVESTIGATION", "THE INQUIRY"}),
        ("Chief executive of Calder", {"CEO of Calder"}),
    ],
)
def test_synonyms_keep_case_and_article(text: str, swapped: set[str]) -> None:
    copies = (altered(Example(text, (), "x", "s"), "synonyms", np.random.default_rng(seed)) for seed in range(60))
    assert {copy.text for copy in copies if copy} == swapped


def test_slips_are_single_keys_beside_the_right_one() -> None:
    assert set(_NEAR["g"]) == set("fhtb")
    for seed in range(60):
        copy = altered(Example("earnings", (), "x", "s"), "typos", np.random.default_rng(seed))
        assert copy is not None
        assert abs(len(copy.text) - 8) <= 1
        assert (copy.text[0], copy.text[-1]) == ("e", "s") or Counter(copy.text) == Counter("earnings")


@given(st.data())
def test_applied_edits_leave_spans_on_what_they_marked(data: st.DataObject) -> None:
    pieces = data.draw(
        st.lists(st.tuples(st.text(min_size=1, max_size=5), st.sampled_from(["edit", "span", "both", ""])))
    )
    text, at, edits, spans, wanted = "", 0, [], [], []
    for piece, role in pieces:
        new = data.draw(st.text(max_size=5))
        text += piece
        if role in ("edit", "both"):
            edits.append(Edit(at, at + len(piece), new))
        if role in ("span", "both"):
            spans.append((at, at + len(piece)))
            wanted.append(new if role == "both" else piece)
        at += len(piece)
    made, moved = applied(text, spans, edits)
    assert [made[start:end] for start, end in moved] == wanted


def test_copies_are_a_share_of_all_kinds_and_repeatable() -> None:
    rows = [
        Example(f"{i} Calder shares rose on profit", ((2, 8),) if len(str(i)) == 1 else (), "x", "s")
        for i in range(200)
    ]
    kinds = ["typos", "noise", "synonyms"]
    copies = augmented(rows, kinds, 0.3, seed=5)
    assert len(copies) == 60
    assert not set(copies) & set(rows)
    assert copies == augmented(rows, kinds, 0.3, seed=5) != augmented(rows, kinds, 0.3, seed=6)
    assert augmented(rows, kinds, 0.0, seed=5) == []


def test_unknown_kinds_and_a_missing_translator_are_said() -> None:
    with pytest.raises(SettingError, match="'typo' is no kind"):
        augmented(ROWS, ["typo"], 0.5, seed=1)
    with pytest.raises(SettingError, match=r"Helsinki-NLP/opus-mt-en-de.*--translation"):
        augmented(ROWS, list(KINDS), 0.5, seed=1)


def test_back_translation_finds_its_names_again_or_gives_nothing() -> None:
    def detour(texts: Sequence[str]) -> list[str]:
        return [text.replace("says", "reports").replace("Nordhafen", "Northaven") for text in texts]

    first, second, third = back_translated(ROWS, detour)
    assert first is not None
    assert marked(first) == ["Calder Bank", "Calder Bank"]
    assert second is None
    assert third is not None
    assert "reports" in third.text
    copies = augmented(ROWS, ["back-translation"], 1.0, seed=1, translate=detour)
    assert len(copies) == 2

"""The arithmetic of claims held against annotations."""

from __future__ import annotations

from typing import Any

import pytest

from voxpop.records import Claim
from voxpop.training.claims import measured

TEXT = "Acme was fined $5 million on Monday"


def claim(question: Any, words: str, factuality: Any = "asserted") -> Claim:
    start = TEXT.index(words)
    return Claim(
        entity="acme",
        question=question,
        start=start,
        end=start + len(words),
        score=0.9,
        entailment=0.9,
        factuality=factuality,
    )


def gold(question: str, words: str) -> dict[str, Any]:
    return {"question": question, "text": words, "start": TEXT.index(words), "factuality": "asserted"}


def test_figures_by_hand() -> None:
    rows: list[dict[str, Any]] = [
        {"text": TEXT, "entity": "Acme", "claims": [gold("what", "was fined $5 million"), gold("when", "Monday")]},
        {"text": TEXT, "entity": "Acme", "claims": []},
    ]
    found = [[claim("what", "fined $5 million", "hedged"), claim("amount", "$5 million")], []]
    result = measured(rows, found)
    assert result["precision"] == 0.5
    assert result["recall"] == 0.5
    assert result["factuality_accuracy"] == 0
    assert result["documents_without_claims_kept_empty"] == 1
    assert result["per_question"]["amount"]["precision"] == 0
    assert result["per_question"]["what"]["f1"] == pytest.approx(1)


def test_words_that_hardly_overlap_are_no_match() -> None:
    rows = [{"text": TEXT, "entity": "Acme", "claims": [gold("what", "was fined $5 million")]}]
    assert measured(rows, [[claim("what", "Acme")]])["precision"] == 0

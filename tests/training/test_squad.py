"""SQuAD's arithmetic, by hand."""

from __future__ import annotations

import pytest

from voxpop.training.squad import normalised, score, summary


def test_normalisation_drops_articles_marks_and_case() -> None:
    assert normalised("  The U.S.  Fed, a bank ") == "us fed bank"


@pytest.mark.parametrize(
    ("answer", "accepted", "exact", "f1"),
    [
        ("the Fed", ["Fed"], 1, 1),
        ("Fed chair", ["the Fed"], 0, 2 / 3),
        ("Fed", ["chair of the Fed", "Fed"], 1, 1),
        ("", [], 1, 1),
        ("Fed", [], 0, 0),
        ("", ["Fed"], 0, 0),
        ("no no", ["no"], 0, 2 / 3),
    ],
)
def test_scores(answer: str, accepted: list[str], exact: float, f1: float) -> None:
    scored = score(answer, accepted)
    assert scored.exact == exact
    assert scored.f1 == pytest.approx(f1)


def test_summary_tells_the_two_kinds_apart() -> None:
    scores = [(score("Fed", ["Fed"]), True), (score("", ["Fed"]), True), (score("", []), False)]
    assert summary(scores) == {
        "exact_match": pytest.approx(200 / 3),
        "f1": pytest.approx(200 / 3),
        "has_answer_f1": 50,
        "no_answer_accuracy": 100,
    }
    assert "no_answer_accuracy" not in summary(scores[:2])

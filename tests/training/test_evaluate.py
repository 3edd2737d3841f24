"""The arithmetic of evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voxpop.errors import SettingError
from voxpop.models.spans import Answer
from voxpop.training.evaluate import evaluate
from voxpop.training.measures import confusion, figures


class Parrot:
    """A reader whose answer stands in the text: the number of the label."""

    profile = "parrot"
    topic_labels: tuple[str, ...] = ("a", "b")

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[tuple[int, int], ...]]] = []

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.eye(2, dtype=np.float32)[[int(text) for text in texts]]

    def sentiment(self, targets: Sequence[tuple[str, tuple[tuple[int, int], ...]]]) -> NDArray[np.float32]:
        self.asked += targets
        return np.eye(3, dtype=np.float32)[[int(text[0]) for text, _ in targets]]

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return np.eye(3, dtype=np.float32)[[int(hypothesis) for _, hypothesis in pairs]]

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """The question itself, where the text holds it."""
        places = [text.find(question) for question, text in asked]
        return [
            Answer(at, at + len(question), 0.9, 1.0) if at >= 0 else None
            for at, (question, _) in zip(places, asked, strict=True)
        ]


def test_figures_by_hand() -> None:
    # true negative, negative, neutral, positive; found negative, neutral, neutral, neutral
    rows = [("0", "negative"), ("1", "negative"), ("1", "neutral"), ("1", "positive")]
    result = evaluate("sentiment", [{"text": t, "label": label} for t, label in rows], Parrot())
    assert result["task"] == "sentiment"
    assert result["profile"] == "parrot"
    assert result["n"] == 4
    assert result["accuracy"] == 0.5
    assert result["per_class"]["negative"] == {"precision": 1, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert result["per_class"]["neutral"] == {"precision": pytest.approx(1 / 3), "recall": 1, "f1": 0.5, "support": 1}
    assert result["per_class"]["positive"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert result["macro_f1"] == pytest.approx((2 / 3 + 0.5 + 0) / 3)


def test_null_labels_are_left_out_and_entities_are_found() -> None:
    reader = Parrot()
    rows: list[dict[str, Any]] = [
        {"text": "1 Calder and CALDER", "label": "neutral", "entity": "calder"},
        {"text": "2 nobody", "label": "positive", "entity": "Calder"},
        {"text": "2 x", "label": None},
    ]
    assert evaluate("sentiment", rows, reader)["accuracy"] == 1
    assert reader.asked == [("1 Calder and CALDER", ((2, 8), (13, 19))), ("2 nobody", ())]


def test_a_label_that_the_model_does_not_know_is_never_found() -> None:
    result = evaluate("topic", [{"text": "0", "label": "a"}, {"text": "1", "label": "z"}], Parrot())
    assert result["accuracy"] == 0.5
    assert result["per_class"]["z"]["recall"] == 0
    assert set(result["per_class"]) == {"a", "b", "z"}


@pytest.mark.parametrize(
    "rows", [[], [{"text": "1", "label": None}], [{"text": "1"}], [{"label": "a"}], [{"text": "1", "label": 3}]]
)
def test_nothing_to_evaluate_is_said(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(SettingError):
        evaluate("topic", rows, Parrot())


def test_figures_agree_with_the_definition_on_random_answers() -> None:
    random = np.random.default_rng(1)
    true, found = random.integers(0, 4, 500), random.integers(0, 4, 500)
    measured = figures(confusion(true, found, 4))
    assert measured.accuracy == (true == found).mean()
    for k in range(4):
        both = ((true == k) & (found == k)).sum()
        assert measured.f1[k] == pytest.approx(2 * both / ((true == k).sum() + (found == k).sum()))
    assert measured.support.tolist() == np.bincount(true).tolist()


def test_inference_by_hand() -> None:
    rows: list[dict[str, Any]] = [
        {"premise": "p", "hypothesis": "0", "label": "entailment"},
        {"premise": "p", "hypothesis": "2", "label": "neutral"},
        {"premise": "p", "hypothesis": "1", "label": None},
    ]
    result = evaluate("nli", rows, Parrot())
    assert result["n"] == 2
    assert result["accuracy"] == 0.5
    assert result["per_class"]["entailment"]["f1"] == 1
    assert result["calibration_error"] == pytest.approx(0.5)
    with pytest.raises(SettingError, match="lacks a hypothesis"):
        evaluate("nli", [{"premise": "p", "label": "neutral"}], Parrot())


def test_answers_by_hand() -> None:
    rows: list[dict[str, Any]] = [
        {"context": "up and down", "question": "down", "answers": [{"text": "down", "start": 7}]},
        {"context": "up and down", "question": "left", "answers": []},
        {"context": "up and down", "question": "left", "answers": [{"text": "up", "start": 0}]},
        {"context": "up and down", "question": "up", "answers": []},
    ]
    result = evaluate("qa", rows, Parrot())
    assert {name: result[name] for name in ("n", "exact_match", "f1", "has_answer_f1", "no_answer_accuracy")} == {
        "n": 4,
        "exact_match": 50,
        "f1": 50,
        "has_answer_f1": 50,
        "no_answer_accuracy": 50,
    }
    with pytest.raises(SettingError, match="lacks a context"):
        evaluate("qa", [{"context": "up", "question": "?"}], Parrot())
    with pytest.raises(SettingError, match="no question"):
        evaluate("qa", [], Parrot())

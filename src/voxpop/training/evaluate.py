"""Metrics of a loaded profile on labelled rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voxpop.errors import SettingError
from voxpop.models.profile import INFERENCES, TASKS, Task
from voxpop.models.spans import Answer
from voxpop.records import SENTIMENTS
from voxpop.text.clean import clean
from voxpop.training import squad
from voxpop.training.calibrate import calibration_error
from voxpop.training.datasets import Row, find_spans
from voxpop.training.measures import confusion, figures

Pairs = Sequence[tuple[str, str]]


class Reader(Protocol):
    """What is evaluated (``voxpop.models.load``)."""

    profile: str
    topic_labels: tuple[str, ...]

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels)."""

    def sentiment(self, targets: Sequence[tuple[str, tuple[tuple[int, int], ...]]]) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3)."""

    def infer(self, pairs: Pairs) -> NDArray[np.float32]:
        """Probabilities of shape (pairs, 3)."""

    def answers(self, asked: Pairs) -> list[Answer | None]:
        """A span or none for each (question, text)."""


class Labelled:
    """Labels that a task knows, and the model's probabilities of them for some rows."""

    def __init__(self, known: Sequence[str], probabilities: NDArray[np.float32]) -> None:
        self.known, self.probabilities = tuple(known), probabilities


def evaluate(task: Task, rows: Iterable[Row], reader: Reader) -> dict[str, Any]:
    """The figures of ``reader`` on ``rows``.

    Rows of topic and sentiment have ``text`` and ``label``; of inference ``premise``, ``hypothesis`` and ``label``.
    One whose label is null is left out. Of sentiment a row may have ``entity``: the answer is then that towards the
    entity, found in the text as whole words (in any case), or towards the document as a whole where it does not stand
    there. Their texts are cleaned as documents are. Rows of question answering have ``context``, ``question`` and
    ``answers``, a list of objects with ``text``, empty where there is no answer.

    Returns:
        task, profile, n, and of labels accuracy, macro_f1, calibration_error, and per_class: label to precision,
        recall, f1 and support; of answers exact_match, f1, has_answer_f1 and no_answer_accuracy, out of 100.

    Raises:
        SettingError: no such task, a row without what it needs, or nothing to evaluate.
    """
    if task not in TASKS:
        raise SettingError(f"{task!r} is no task that can be evaluated; {', '.join(TASKS)} are")
    if task == "qa":
        return {"task": task, "profile": reader.profile, **_answered(list(rows), reader)}
    fields = ("premise", "hypothesis") if task == "nli" else ("text",)
    labelled = [row for number, row in enumerate(rows, start=1) if _label(row, number, fields) is not None]
    if not labelled:
        raise SettingError("No row has a label: there is nothing to evaluate")
    found = _READ[task](labelled, reader)
    return {"task": task, "profile": reader.profile, **_measured(found, [row["label"] for row in labelled])}


def _label(row: Row, number: int, fields: Sequence[str]) -> str | None:
    for field in fields:
        if not isinstance(row.get(field), str) or "label" not in row:
            raise SettingError(f"Row {number} lacks a {field} or a label")
    label = row["label"]
    if not isinstance(label, str | None):
        raise SettingError(f"The label of row {number} is no text")
    return label


def _topics(rows: Sequence[Row], reader: Reader) -> Labelled:
    return Labelled(reader.topic_labels, reader.topics([clean("", row["text"]).text for row in rows]))


def _sentiment(rows: Sequence[Row], reader: Reader) -> Labelled:
    texts = [clean("", row["text"]).text for row in rows]
    spans = [find_spans(text, row.get("entity") or "") for text, row in zip(texts, rows, strict=True)]
    return Labelled(SENTIMENTS, reader.sentiment(list(zip(texts, spans, strict=True))))


def _inference(rows: Sequence[Row], reader: Reader) -> Labelled:
    return Labelled(INFERENCES, reader.infer([(row["premise"], row["hypothesis"]) for row in rows]))


_READ: Mapping[Task, Callable[[Sequence[Row], Reader], Labelled]] = {
    "topic": _topics,
    "sentiment": _sentiment,
    "nli": _inference,
}


def _measured(found: Labelled, true: Sequence[str]) -> Mapping[str, Any]:
    """The figures; labels that the model does not know count as classes that it never finds."""
    predicted = found.probabilities.argmax(axis=1)
    labels = [*found.known, *sorted(set(true) - set(found.known))]
    index = {label: i for i, label in enumerate(labels)}
    gold = np.array([index[label] for label in true])
    matrix = confusion(gold, predicted, len(labels))
    result = figures(matrix)
    per_class = {
        label: {
            "precision": float(result.precision[i]),
            "recall": float(result.recall[i]),
            "f1": float(result.f1[i]),
            "support": int(result.support[i]),
        }
        for i, label in enumerate(labels)
        if matrix[i].any() or matrix[:, i].any()
    }
    error = calibration_error(found.probabilities.max(axis=1).astype(np.float64), gold == predicted)
    return {
        "n": len(true),
        "accuracy": result.accuracy,
        "macro_f1": result.macro_f1,
        "calibration_error": error,
        "per_class": per_class,
    }


def _answered(rows: Sequence[Row], reader: Reader) -> Mapping[str, Any]:
    for number, row in enumerate(rows, start=1):
        texts = (row.get("context"), row.get("question"))
        if not all(isinstance(text, str) for text in texts) or not isinstance(row.get("answers"), list):
            raise SettingError(f"Row {number} lacks a context, a question or a list of answers")
    if not rows:
        raise SettingError("There is no question to evaluate")
    found = reader.answers([(row["question"], row["context"]) for row in rows])
    scores = []
    for row, answer in zip(rows, found, strict=True):
        text = row["context"][answer.start : answer.end] if answer else ""
        scores.append((squad.score(text, [one["text"] for one in row["answers"]]), bool(row["answers"])))
    return {"n": len(rows), **squad.summary(scores)}

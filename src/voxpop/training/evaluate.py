"""Metrics of a loaded profile on labelled rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voxpop.errors import SettingError
from voxpop.models.profile import TASKS, Task
from voxpop.records import SENTIMENTS
from voxpop.text.clean import clean
from voxpop.training.datasets import Row, find_spans
from voxpop.training.measures import confusion, figures


class Reader(Protocol):
    """What is evaluated (``voxpop.models.load``)."""

    profile: str
    topic_labels: tuple[str, ...]

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels)."""

    def sentiment(self, targets: Sequence[tuple[str, tuple[tuple[int, int], ...]]]) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3)."""


def evaluate(task: Task, rows: Iterable[Row], reader: Reader) -> dict[str, Any]:
    """Accuracy, macro-F1 and figures by class of ``reader`` on ``rows``.

    A row has ``text`` and ``label``; one whose label is null is left out. Of sentiment it may have ``entity``: the
    answer is then that towards the entity, found in the text as whole words (in any case), or towards the document as
    a whole where it does not stand there. Texts are cleaned as documents are.

    Returns:
        task, profile, n, accuracy, macro_f1, and per_class: label to precision, recall, f1 and support.

    Raises:
        SettingError: no such task, a row without text or label, or no row with a label.
    """
    if task not in TASKS:
        raise SettingError(f"{task!r} is no task that can be evaluated; {', '.join(TASKS)} are")
    labelled = [row for number, row in enumerate(rows, start=1) if _label(row, number) is not None]
    if not labelled:
        raise SettingError("No row has a label: there is nothing to evaluate")
    known, predicted = _answers(task, labelled, reader)
    return {"task": task, "profile": reader.profile, **_measured(known, [row["label"] for row in labelled], predicted)}


def _label(row: Row, number: int) -> str | None:
    if not isinstance(row.get("text"), str) or "label" not in row:
        raise SettingError(f"Row {number} lacks a text or a label")
    label = row["label"]
    if not isinstance(label, str | None):
        raise SettingError(f"The label of row {number} is no text")
    return label


def _answers(task: Task, rows: Sequence[Row], reader: Reader) -> tuple[tuple[str, ...], list[int]]:
    texts = [clean("", row["text"]).text for row in rows]
    if task == "topic":
        return reader.topic_labels, reader.topics(texts).argmax(axis=1).tolist()
    spans = [find_spans(text, row.get("entity") or "") for text, row in zip(texts, rows, strict=True)]
    return SENTIMENTS, reader.sentiment(list(zip(texts, spans, strict=True))).argmax(axis=1).tolist()


def _measured(known: Sequence[str], true: Sequence[str], predicted: Sequence[int]) -> Mapping[str, Any]:
    """The figures; labels that the model does not know count as classes that it never finds."""
    labels = [*known, *sorted(set(true) - set(known))]
    index = {label: i for i, label in enumerate(labels)}
    matrix = confusion(np.array([index[label] for label in true]), np.array(predicted), len(labels))
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
    return {"n": len(true), "accuracy": result.accuracy, "macro_f1": result.macro_f1, "per_class": per_class}

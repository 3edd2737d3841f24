"""How good written weights are, as they will be loaded: calibrated on the validation, measured on the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from voxpop.models.checkpoint import EncoderFiles
from voxpop.models.classifier import load_classifier, load_span_reader, open_encoder, open_tensors
from voxpop.models.encoding import TextEncoder
from voxpop.models.profile import TaskProfile
from voxpop.models.running import Runner
from voxpop.models.spans import Answer, Decoding
from voxpop.records import UNSURE_BELOW
from voxpop.training import squad
from voxpop.training.calibrate import calibration_error, platt, scaled, temperature
from voxpop.training.datasets import Example, Split, tokens_of
from voxpop.training.measures import confusion, figures

BATCH_TOKENS = 4096

Parts = Mapping[Split, Sequence[Example]]


class Judged(NamedTuple):
    """What is measured, and what the head must know to give calibrated probabilities."""

    metrics: dict[str, Any]
    head: dict[str, Any]


def judge_labels(stated: TaskProfile, parts: Parts, files: EncoderFiles, dtype: torch.dtype) -> Judged:
    """Temperature from the validation split; figures by set, calibration error before and after, on the test split."""
    task = task_of(stated)
    classifier = load_classifier(task, stated, files, open_encoder(files), dtype, Runner(BATCH_TOKENS))
    encoder = TextEncoder.of(files)

    def answers(rows: Sequence[Example]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        index = {label: i for i, label in enumerate(stated.labels)}
        known = [row for row in rows if row.label in index]
        gold = np.array([index[row.label] for row in known], dtype=np.int64)
        return classifier.predict(tokens_of(task, known, encoder)), gold

    divisor = temperature(*answers(parts["validation"]))
    probabilities, gold = answers(parts["test"])
    right = probabilities.argmax(axis=1) == gold
    calibrated = scaled(probabilities, divisor).max(axis=1)
    rows = [row for row in parts["test"] if row.label in stated.labels]
    predicted = [stated.labels[i] for i in probabilities.argmax(axis=1)]
    metrics: dict[str, Any] = {
        "test": by_kind(rows, predicted, stated.labels),
        "calibration": {
            "temperature": round(divisor, 4),
            "error_before": round(calibration_error(probabilities.max(axis=1).astype(np.float64), right), 4),
            "error_after": round(calibration_error(calibrated, right), 4),
            "unsure_below": UNSURE_BELOW,
            "unsure": round(float((calibrated < UNSURE_BELOW).mean()), 4),
        },
    }
    if task == "sentiment":
        metrics["opposites"] = opposites(rows, predicted)
    return Judged(metrics, {"temperature": divisor})


def task_of(stated: TaskProfile) -> Any:
    """The task whose labels these are."""
    return open_tensors(stated.adapter / "head.safetensors").about["task"]


def judge_answers(stated: TaskProfile, parts: Parts, files: EncoderFiles, dtype: torch.dtype) -> Judged:
    """Threshold and Platt scaling from the validation split; SQuAD's figures by set on the test split."""
    weights = open_encoder(files)
    reader = load_span_reader(stated, files, weights, TextEncoder.of(files), dtype, Runner(BATCH_TOKENS))

    def best(rows: Sequence[Example]) -> list[Answer]:
        found = reader.spans([(row.second, row.text) for row in rows], 1)
        return [spans[0] if spans else Answer(0, 0, 0.0, -60.0) for spans in found]

    rows = parts["validation"]
    answers = best(rows)
    margins = np.array([answer.margin for answer in answers])
    overlaps = np.array([f1_of(row, answer) for row, answer in zip(rows, answers, strict=True)])
    threshold = best_threshold(margins, overlaps, np.array([not row.spans for row in rows]))
    slope, offset = platt(margins, overlaps >= RIGHT_OVERLAP)
    decoding = Decoding(threshold, slope, offset)

    rows = parts["test"]
    answers = best(rows)
    right = np.array([f1_of(row, answer) >= RIGHT_OVERLAP for row, answer in zip(rows, answers, strict=True)])
    before = np.array([Decoding().probability(answer.margin) for answer in answers])
    after = np.array([decoding.probability(answer.margin) for answer in answers])
    metrics = {
        "test": answers_by_set(rows, answers, threshold),
        "calibration": {
            "error_before": round(calibration_error(before, right), 4),
            "error_after": round(calibration_error(after, right), 4),
        },
    }
    return Judged(metrics, {"decoding": decoding._asdict()})


MISSED = 1.5
"""An answer that is missed weighs so much against one that is given to no avail, which inference still checks."""

RIGHT_OVERLAP = 0.5
"""A span counts as right, where a probability is fitted or judged, from this F1 with an accepted answer on."""


def f1_of(row: Example, answer: Answer) -> float:
    """F1 of a span with the accepted answers; 0 where the text holds none."""
    if not row.spans:
        return 0.0
    return squad.score(row.text[answer.start : answer.end], accepted(row)).f1


def accepted(row: Example) -> list[str]:
    """The accepted answers' texts."""
    return [row.text[start:end] for start, end in row.spans]


def best_threshold(
    margins: NDArray[np.float64], overlaps: NDArray[np.float64], unanswerable: NDArray[np.bool_]
) -> float:
    """The margin above which a span is given: where the F1 of questions that have an answer and the share of the others
    that get none have the greatest weighted harmonic mean (van Rijsbergen 1979, the first weighing ``MISSED`` times as
    much), or the lowest such margin.

    Their plain mean follows how many questions without an answer are at hand, which nobody knows of a desk's, and is so
    flat that it withholds a tenth of the answers for nothing.
    """
    order = np.argsort(-margins, kind="stable")
    # With the first k spans given, these are the sums of their overlaps, and of the unanswerable among the rest.
    given = np.concatenate([[0.0], np.cumsum(overlaps[order])]) / max(1, (~unanswerable).sum())
    withheld = 1 - np.concatenate([[0], np.cumsum(unanswerable[order])]) / max(1, unanswerable.sum())
    both = (1 + MISSED**2) * given * withheld / np.maximum(given + MISSED**2 * withheld, 1e-12)
    k = int(np.flatnonzero(both >= both.max())[-1])
    bounds = np.concatenate([[margins.max() + 1], margins[order], [margins.min() - 1]])
    return float((bounds[k] + bounds[k + 1]) / 2)


def answers_by_set(rows: Sequence[Example], answers: Sequence[Answer], threshold: float) -> dict[str, dict[str, Any]]:
    """SQuAD's figures of all rows and of each set."""
    groups: dict[str, list[tuple[squad.Scored, bool]]] = {"all": []}
    for row, answer in zip(rows, answers, strict=True):
        text = row.text[answer.start : answer.end] if answer.margin > threshold else ""
        scored = squad.score(text, accepted(row)), bool(row.spans)
        groups["all"].append(scored)
        groups.setdefault(row.source, []).append(scored)
    return {
        name: {"n": len(scores), **{figure: round(value, 2) for figure, value in squad.summary(scores).items()}}
        for name, scores in groups.items()
    }


def by_kind(rows: Sequence[Example], predicted: Sequence[str], labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows, accuracy and macro-F1 of all rows, of each set, and of each kind of question in it."""
    groups: dict[str, list[int]] = {"all": list(range(len(rows)))}
    for i, row in enumerate(rows):
        groups.setdefault(row.source, []).append(i)
        if row.spans:
            groups.setdefault(f"{row.source}, entities", []).append(i)
    index = {label: i for i, label in enumerate(labels)}
    measured = {}
    for name, chosen in groups.items():
        known = [i for i in chosen if rows[i].label in index]
        true = np.array([index[rows[i].label] for i in known], dtype=np.int64)
        found = np.array([index[predicted[i]] for i in known], dtype=np.int64)
        of_group = figures(confusion(true, found, len(labels)))
        measured[name] = {
            "n": len(known),
            "accuracy": round(of_group.accuracy, 4),
            "macro_f1": round(of_group.macro_f1, 4),
        }
    return measured


def opposites(rows: Sequence[Example], predicted: Sequence[str]) -> dict[str, float]:
    """How texts are read that are good for one entity and bad for another: share of such entities read rightly
    (neutral ones beside them left out), and of texts whose every such entity is."""
    of_text: dict[str, list[tuple[str, str]]] = {}
    for row, label in zip(rows, predicted, strict=True):
        if row.spans and row.label != "neutral":
            of_text.setdefault(row.text, []).append((row.label, label))
    opposed = [pairs for pairs in of_text.values() if len({true for true, _ in pairs}) == 2]
    entities = [true == found for pairs in opposed for true, found in pairs]
    whole = [all(true == found for true, found in pairs) for pairs in opposed]
    return {
        "texts": len(opposed),
        "entities": len(entities),
        "accuracy": round(sum(entities) / max(1, len(entities)), 4),
        "whole_texts": round(sum(whole) / max(1, len(whole)), 4),
    }

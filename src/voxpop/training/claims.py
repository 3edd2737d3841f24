"""How good extracted claims are, held against documents annotated with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from voxpop import claims
from voxpop.errors import SettingError
from voxpop.models.reader import Reader
from voxpop.records import Claim
from voxpop.training import squad
from voxpop.training.datasets import Row, find_spans

MATCH = 0.5
"""A found claim is right if its words have at least this F1 with those of the annotated claim of its question."""


def evaluate(rows: Sequence[Row], reader: Reader) -> dict[str, Any]:
    """Precision, recall and F1 of the claims found; by question; and how often a right one has its factuality.

    A row has ``text``, ``entity`` (as the text writes it) and ``claims``: a list of objects with ``question``,
    ``text``, ``start`` and ``factuality``.

    Raises:
        SettingError: a row without these, or none.
        ModelError: the profile does not answer questions or infer.
    """
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get("entity"), str) or not isinstance(row.get("claims"), list):
            raise SettingError(f"Row {number} lacks an entity or a list of claims")
    if not rows:
        raise SettingError("There is no document to evaluate")
    labels = [reader.topic_labels[i] for i in reader.topics([row["text"] for row in rows]).argmax(axis=1)]
    asked = [
        claims.Asked(row["text"], row["entity"], row["entity"], topic) for row, topic in zip(rows, labels, strict=True)
    ]
    found = claims.claims(asked, reader)
    return {
        "task": "claims",
        "profile": reader.profile,
        "n": len(rows),
        **measured(rows, found),
        "cascade": _cascade(rows, asked, found, reader),
    }


def _cascade(
    rows: Sequence[Row], asked: Sequence[claims.Asked], found: Sequence[Sequence[Claim]], reader: Reader
) -> dict[str, float]:
    """What asking only where it can matter costs: the share of documents asked, and the figures that are left."""
    spans = [find_spans(one.text, one.name) for one in asked]
    sentiment = reader.sentiment([(one.text, of_one) for one, of_one in zip(asked, spans, strict=True)])
    kept = [claims.worth_asking(float(p[1]), one.topic) for p, one in zip(sentiment, asked, strict=True)]
    left = measured(rows, [of_row if keep else () for of_row, keep in zip(found, kept, strict=True)])
    return {"asked": sum(kept) / len(kept), "precision": left["precision"], "recall": left["recall"]}


def measured(rows: Sequence[Row], found: Sequence[Sequence[Claim]]) -> dict[str, Any]:
    """The figures of the claims ``found`` in each of ``rows``."""
    right: Counter[str] = Counter()
    given: Counter[str] = Counter()
    annotated: Counter[str] = Counter()
    same = 0
    for row, of_row in zip(rows, found, strict=True):
        gold = {claim["question"]: claim for claim in row["claims"]}
        annotated.update(gold.keys())
        for claim in of_row:
            given[claim.question] += 1
            if claim.question in gold and _matches(row["text"], claim, gold[claim.question]):
                right[claim.question] += 1
                same += claim.factuality == gold[claim.question]["factuality"]
    return {
        **_ratios(right.total(), given.total(), annotated.total()),
        "factuality_accuracy": same / max(1, right.total()),
        "documents_without_claims_kept_empty": _kept_empty(rows, found),
        "per_question": {
            question: {**_ratios(right[question], given[question], annotated[question]), "support": annotated[question]}
            for question in sorted(annotated.keys() | given.keys())
        },
    }


def _matches(text: str, claim: Claim, gold: Mapping[str, Any]) -> bool:
    return squad.overlap(text[claim.start : claim.end], gold["text"]) >= MATCH


def _kept_empty(rows: Sequence[Row], found: Sequence[Sequence[Claim]]) -> float:
    empty = [not of_row for row, of_row in zip(rows, found, strict=True) if not row["claims"]]
    return sum(empty) / max(1, len(empty))


def _ratios(right: int, given: int, annotated: int) -> dict[str, float]:
    return {
        "precision": right / max(1, given),
        "recall": right / max(1, annotated),
        "f1": 2 * right / max(1, given + annotated),
    }

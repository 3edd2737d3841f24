"""How evidence of risk events is weighed: a logistic model that all events of a language share, fitted to documents
that inference was not trained on, and what cross-validation says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from voxpop.claims import Asked
from voxpop.errors import SettingError
from voxpop.knowledge.events import Events
from voxpop.models.profile import RiskWeights
from voxpop.models.reader import Reader
from voxpop.records import Language, digest
from voxpop.risks import Evidence, Judge
from voxpop.training.calibrate import calibration_error
from voxpop.training.datasets import Row, examples, main_entity, read_rows, split, without_repeats
from voxpop.training.events import measured
from voxpop.training.recipe import DATA

Floats = NDArray[np.float64]

FOLDS = 10
RIDGE = 1.0
"""Penalty on the square of each weight of evidence of unit variance."""

CUTS = tuple(round(0.15 + 0.05 * n, 2) for n in range(12))
"""Among which the probability is chosen from which on an event is reported: by the F1 over all labels, out of sample.
Macro-F1 over events of a handful of documents each would choose by chance."""

AS_GOOD = 0.01
"""Of cuts whose F1 is within this of the best the highest is taken: what is shown to people is likelier right then."""

_LEARNED: dict[Language, tuple[str, ...]] = {
    "en": ("nli_more_en", "nli_en", "events_en", "events_more_en", "claims_en"),
    "zh": ("nli_zh", "finance_zh", "events_everyday_zh"),
}
"""The sets of our own that inference was trained on; their split says which documents it never saw."""

_LABELLED: dict[Language, tuple[str, ...]] = {
    "en": ("events_en", "events_more_en"),
    "zh": ("finance_zh", "events_everyday_zh"),
}
_UNASKED: dict[Language, tuple[str, ...]] = {"en": ("events_claims_en",), "zh": ()}
"""Documents whose claims inference learned from, but that it was never asked an event of."""


class Fitted(NamedTuple):
    """The weights, and what cross-validation over documents says of them."""

    weights: RiskWeights
    figures: dict[str, Any]


class Cases(NamedTuple):
    """Evidence (n, 5), whether the document reports that event (n,), which document (n,) and event (n,) it is about."""

    evidence: Floats
    right: NDArray[np.bool_]
    document: NDArray[np.int64]
    events: list[str]


def held_out(lang: Language) -> list[Row]:
    """The shipped documents labelled with events that inference was not trained to judge."""
    paths = [DATA / "training" / f"{name}.jsonl" for name in _LEARNED[lang]]
    parts = split(without_repeats(examples("nli", paths)))
    unseen = {example.text for part in ("validation", "test") for example in parts[part]}
    rows = [row for name in _LABELLED[lang] for row in _shipped(name) if row["text"] in unseen]
    return [*rows, *(row for name in _UNASKED[lang] for row in _shipped(name))]


def _shipped(name: str) -> list[Row]:
    return list(read_rows(DATA / "training" / f"{name}.jsonl"))


def fit(rows: Sequence[Row], reader: Reader, events: Events, lang: Language) -> Fitted:
    """The weights for documents in ``lang``, labelled as :func:`voxpop.training.events.require_labels` wants them.

    Raises:
        SettingError: no document is labelled with an event that is among those it is most like.
        ModelError: the profile does not infer.
    """
    cases = gather(rows, reader, events, lang)
    if not cases.right.any():
        raise SettingError("There is no document to learn from that reports an event")
    folds = np.array([int(digest(row["text"]), 16) % FOLDS for row in rows])[cases.document]
    unseen = np.zeros(len(cases.right))
    for fold in range(FOLDS):
        theirs = folds == fold
        weights, bias = logistic(cases.evidence[~theirs], cases.right[~theirs])
        unseen[theirs] = expit(cases.evidence[theirs] @ weights + bias)
    gold = [set(row["events"]) for row in rows]
    by_cut = {cut: measured(gold, _found(cases, unseen >= cut, len(rows))) for cut in CUTS}
    best = max(figures["f1"] for figures in by_cut.values())
    least = max(cut for cut, figures in by_cut.items() if figures["f1"] >= best - AS_GOOD)
    weights, bias = logistic(cases.evidence, cases.right)
    named = dict(zip(Evidence._fields, (round(float(w), 4) for w in weights), strict=True))
    figures = {name: value for name, value in by_cut[least].items() if isinstance(value, float)}
    figures["calibration_error"] = calibration_error(unseen, cases.right)
    return Fitted(
        RiskWeights(**named, bias=round(float(bias), 4), least=least),
        {"documents": len(rows), "cases": len(cases.right), **figures, "by_cut": by_cut},
    )


def gather(rows: Sequence[Row], reader: Reader, events: Events, lang: Language) -> Cases:
    """What points to the events that each document is most like, all evidence asked for."""
    asked = [Asked(row["text"], main_entity(row), main_entity(row)) for row in rows]
    found = Judge(events, reader, {lang: RiskWeights(entailed_by_sentences=1.0)}).evidence(asked)
    return Cases(
        np.array([one.evidence for one in found], dtype=np.float64).reshape(-1, len(Evidence._fields)),
        np.array([one.key in rows[one.place]["events"] for one in found], dtype=bool),
        np.array([one.place for one in found], dtype=np.int64),
        [one.key for one in found],
    )


def logistic(evidence: Floats, right: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Weights and bias of ridge-penalised logistic regression, for the evidence as it is.

    Args:
        evidence: of shape (n, kinds).
        right: of shape (n,).
    """
    mean, spread = evidence.mean(axis=0), evidence.std(axis=0) + 1e-9
    x = np.column_stack([(evidence - mean) / spread, np.ones(len(evidence))])
    sign = np.where(right, 1.0, -1.0)

    def loss(at: Floats) -> tuple[float, Floats]:
        margin = sign * (x @ at)
        penalised = np.append(at[:-1], 0.0)
        gradient: Floats = -x.T @ (sign * expit(-margin)) + RIDGE * penalised
        return float(np.logaddexp(0, -margin).sum() + RIDGE * (penalised**2).sum() / 2), gradient

    found: Floats = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    weights: Floats = found[:-1] / spread
    return weights, float(found[-1] - weights @ mean)


def _found(cases: Cases, kept: NDArray[np.bool_], documents: int) -> list[set[str]]:
    """The events kept of each document."""
    found: list[set[str]] = [set() for _ in range(documents)]
    for n in np.flatnonzero(kept):
        found[cases.document[n]].add(cases.events[n])
    return found

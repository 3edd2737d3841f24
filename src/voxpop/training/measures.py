"""Accuracy and F1 from a confusion matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


class Figures(NamedTuple):
    """Accuracy and macro-F1, and per class precision, recall, F1 and support. What is undefined (0 / 0) is 0."""

    accuracy: float
    macro_f1: float
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: Counts


def confusion(true: Counts, predicted: Counts, count: int) -> Counts:
    """Matrix (count, count): rows are true classes, columns the predicted."""
    return np.bincount(true * count + predicted, minlength=count * count).reshape(count, count)


def figures(matrix: Counts) -> Figures:
    """The figures of a confusion matrix. Macro-F1 is the plain mean over the classes that occur, truly or predicted."""
    right = np.diag(matrix).astype(np.float64)
    support, named = matrix.sum(axis=1), matrix.sum(axis=0)
    f1 = _ratio(2 * right, support + named)
    occurs = support + named > 0
    return Figures(
        accuracy=float(_ratio(right.sum(), matrix.sum())),
        macro_f1=float(f1[occurs].mean()) if occurs.any() else 0.0,
        precision=_ratio(right, named),
        recall=_ratio(right, support),
        f1=f1,
        support=support,
    )


def _ratio(part: NDArray[np.float64] | np.float64, whole: Counts | np.int64) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=np.asarray(whole) > 0)

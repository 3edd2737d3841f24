"""Probabilities that mean what they say: temperature and Platt scaling, and the error that remains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax

BINS = 15

Floats = NDArray[np.float64]


def temperature(probabilities: NDArray[np.float32], gold: NDArray[np.int64]) -> float:
    """The divisor of the logits under which ``gold`` is most likely (Guo et al. 2017, arXiv 1706.04599).

    Args:
        probabilities: of shape (n, labels), at a temperature of 1.
        gold: the right label of each row.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12))
    rows = np.arange(len(gold))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[rows, gold].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def scaled(probabilities: NDArray[np.float32], divisor: float) -> Floats:
    """Probabilities at another temperature."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) / divisor
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = shares / shares.sum(axis=1, keepdims=True)
    return result


def platt(margins: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset under which a logistic of the margins fits ``right`` best (Platt 1999), slope not negative.

    Platt's smoothed targets keep both finite where the margins separate perfectly.
    """
    hits, misses = right.sum(), (~right).sum()
    target = np.where(right, (hits + 1) / (hits + 2), 1 / (misses + 2))

    def loss(at: Floats) -> float:
        p = np.clip(expit(at[0] * margins + at[1]), 1e-12, 1 - 1e-12)
        return -float((target * np.log(p) + (1 - target) * np.log(1 - p)).mean())

    found = minimize(loss, np.array([0.5, 0.0]), bounds=[(0.0, 50.0), (-50.0, 50.0)])
    return float(found.x[0]), float(found.x[1])


def calibration_error(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over ``bins`` bins of equal mass.

    Naeini et al. 2015; equal mass as in Nixon et al. 2019, arXiv 1904.01685.
    """
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts]
    return float(sum(gaps) / max(1, len(confidence)))

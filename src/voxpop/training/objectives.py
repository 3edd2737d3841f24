"""What a task's network is trained for: its loss, and how good its answers are on a validation split."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from voxpop.training.measures import confusion, figures


class Objective(Protocol):
    """A loss and a measure."""

    def loss(self, logits: Tensor, gold: Tensor) -> Tensor:
        """Mean loss of a batch."""

    def guess(self, logits: Tensor) -> Tensor:
        """The answers of a batch, comparable with its gold ones."""

    def measure(self, gold: Tensor, guessed: Tensor) -> dict[str, float]:
        """Figures; the first decides which epoch was best."""


class LabelObjective:
    """One label of ``count``: logits (b, count), gold (b,)."""

    def __init__(self, count: int, *, smoothing: float = 0.0, weights: Tensor | None = None) -> None:
        self._count, self._smoothing, self._weights = count, smoothing, weights

    def loss(self, logits: Tensor, gold: Tensor) -> Tensor:
        """Cross-entropy with smoothed labels and weighed classes."""
        weights = None if self._weights is None else self._weights.to(logits.device)
        return functional.cross_entropy(logits, gold, weights, label_smoothing=self._smoothing)

    def guess(self, logits: Tensor) -> Tensor:
        """The most probable label."""
        return logits.argmax(dim=1)

    def measure(self, gold: Tensor, guessed: Tensor) -> dict[str, float]:
        """Macro-F1 and accuracy."""
        found = figures(confusion(gold.numpy(), guessed.numpy(), self._count))
        return {"macro_f1": found.macro_f1, "accuracy": found.accuracy}


class SpanObjective:
    """A first and a last token: logits (b, w, 2), gold (b, 2); both 0 (``[CLS]``) where there is no answer."""

    def loss(self, logits: Tensor, gold: Tensor) -> Tensor:
        """Mean of the two cross-entropies over the tokens (Devlin et al. 2019, arXiv 1810.04805, section 4.3)."""
        return functional.cross_entropy(logits, gold)  # classes in dim 1: tokens; two questions each

    def guess(self, logits: Tensor) -> Tensor:
        """The most probable first and last token, each by itself."""
        return logits.argmax(dim=1)

    def measure(self, gold: Tensor, guessed: Tensor) -> dict[str, float]:
        """Share of windows answered rightly at both ends; of those with an answer, and of those without."""
        right = (gold == guessed).all(dim=1).float()
        has = gold[:, 0] > 0
        return {
            "exact": float((right[has].mean() + right[~has].mean()) / 2) if has.any() and (~has).any() else 0.0,
            "exact_with_answer": float(right[has].mean()) if has.any() else 0.0,
            "exact_without": float(right[~has].mean()) if (~has).any() else 0.0,
        }


def class_weights(labels: Tensor, count: int) -> Tensor:
    """Inverse square roots of the classes' frequencies, scaled to a mean of 1 over the examples."""
    frequency = torch.bincount(labels, minlength=count).clamp(min=1).float()
    weights = frequency.rsqrt()
    return weights * (frequency.sum() / (weights * frequency).sum())

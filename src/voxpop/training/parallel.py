"""Texts and their translations: what an encoder of another language is to make of a text, the English one makes of its
translation.

Reimers and Gurevych 2020 (arXiv 2004.09813): the vector of a text is drawn to that of its translation. Beside it, the
translation is to be told from those of the texts in the same batch, so that all do not grow alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from voxpop.errors import SettingError
from voxpop.models.batching import plan
from voxpop.models.bert import encode, inputs
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.classifier import open_encoder
from voxpop.models.encoding import TextEncoder, Tokens
from voxpop.training.datasets import read_rows
from voxpop.training.glosses import read_glossary

LENGTH = 128
"""Most tokens of a text."""

FEWEST = 20
"""Pairs to learn from, at least."""

HELD_OUT = 300
"""Most pairs that are held out, and no more than a tenth."""

DRAWN, TOLD = 3.0, 0.3
"""Weights of the two parts of the loss."""

SHARPNESS = 20.0
"""What a cosine is multiplied with before the translations of a batch are told apart."""


class Parallel(NamedTuple):
    """Texts as tokens, and the unit vector (n, d) of each one's translation."""

    texts: list[Tokens]
    wanted: Tensor

    def split(self, seed: int) -> tuple[Parallel, Parallel]:
        """Those to train on, and those held out."""
        order = np.random.default_rng([seed, 6]).permutation(len(self.texts))
        held_out = min(HELD_OUT, len(order) // 10)
        return self._part(order[held_out:].tolist()), self._part(order[:held_out].tolist())

    def _part(self, indices: Sequence[int]) -> Parallel:
        return Parallel([self.texts[i] for i in indices], self.wanted[list(indices)])

    def batches(self, budget: int, seed: int, epoch: int) -> list[list[int]]:
        """The texts of each batch of an epoch, the same whenever it is asked; one alone could be told from no other."""
        random = np.random.default_rng([seed, epoch, 5])
        order = random.permutation(len(self.texts))
        planned = list(plan([len(self.texts[i].ids) for i in order], budget))
        return [
            order[planned[n].indices].tolist() for n in random.permutation(len(planned)) if len(planned[n].indices) > 1
        ]


def read_parallel(paths: Sequence[Path], encoder: TextEncoder) -> Parallel:
    """Rows with ``text`` and ``translation`` of JSONL, and the words and meanings of glossaries (``.tsv``).

    Raises:
        SettingError: a file cannot be read, or there are too few rows.
        ModelError: the English encoder is missing.
    """
    texts: dict[str, str] = {}
    for path in paths:
        if path.suffix == ".tsv":
            texts |= {word: meanings[0] for word, meanings in read_glossary(path).items()}
        else:
            texts |= {row["text"]: row["translation"] for row in read_rows(path)}
    if len(texts) < FEWEST:
        raise SettingError(f"{len(texts)} translations are too few to learn from: {FEWEST} at least")
    return Parallel(encoder.heads(list(texts), LENGTH), english(list(texts.values())))


@torch.inference_mode()
def english(texts: Sequence[str]) -> Tensor:
    """Unit vectors (texts, d) of the English encoder."""
    files = find_encoder(BUNDLED)
    weights, sequences = open_encoder(files), TextEncoder.of(files).heads(texts, LENGTH)
    result = torch.zeros(len(sequences), weights["embeddings.LayerNorm.bias"].numel())
    for batch in plan([len(one.ids) for one in sequences], 8192):
        framed = inputs([sequences[i] for i in batch.indices], batch.width)
        result[batch.indices] = mean(encode(weights, framed), framed.real)
    return result


def mean(hidden: Tensor, real: Tensor) -> Tensor:
    """Unit vectors (b, d) of hidden states (b, w, d): the mean of the real tokens, scaled."""
    kept = real.unsqueeze(-1).float()
    return functional.normalize((hidden.float() * kept).sum(dim=1) / kept.sum(dim=1), dim=1)


def loss(vectors: Tensor, wanted: Tensor) -> Tensor:
    """How far unit vectors (b, d) are from those wanted, and from being told apart by them."""
    apart = functional.cross_entropy(SHARPNESS * vectors @ wanted.T, torch.arange(len(wanted), device=wanted.device))
    return DRAWN * (1 - (vectors * wanted).sum(dim=1).mean()) + TOLD * apart


def measured(vectors: Tensor, wanted: Tensor) -> dict[str, float]:
    """The mean cosine, and the share of texts whose own translation is the nearest of all."""
    nearest = (vectors @ wanted.T).argmax(dim=1) == torch.arange(len(wanted))
    return {"cosine": float((vectors * wanted).sum(dim=1).mean()), "found": float(nearest.float().mean())}

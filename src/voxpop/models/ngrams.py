"""Which tokens stand beside each other: a linear part of a head, beside the network that it belongs to.

A small network learns few words by heart, and this does nothing else, so each makes up for the other (Cheng et al.
2016, arXiv 1606.07792). The n-grams have no vocabulary: each falls into a bucket by its hash (Weinberger et al. 2009,
arXiv 0902.2206).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.models.encoding import Tokens

LONGEST = 3
"""Tokens of the longest n-gram."""

NGRAMS = "ngrams"
"""The head's tensor (buckets, labels) with what each bucket adds to the logits."""

_MULTIPLY, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)  # those of SplitMix64


class Grams(NamedTuple):
    """The n-grams of a sequence, a row each: its bucket, its first token and how many it has. Tokens count from 0, the
    one after the frame's first."""

    buckets: NDArray[np.int64]
    first: NDArray[np.int64]
    length: NDArray[np.int64]


def grams(ids: Sequence[int], buckets: int) -> Grams:
    """All n-grams of up to ``LONGEST`` tokens between the first and the last of ``ids``, which are the frame's.

    Args:
        buckets: how many there are.
    """
    tokens = np.asarray(ids[1:-1], dtype=np.uint64)
    found, first, length = [], [], []
    hashed = np.zeros(len(tokens), dtype=np.uint64)
    for n in range(1, min(LONGEST, len(tokens)) + 1):
        hashed = hashed[: len(tokens) - n + 1] * _MULTIPLY + tokens[n - 1 :] + np.uint64(n)
        mixed = (hashed ^ (hashed >> np.uint64(29))) * _MIX
        found.append((mixed ^ (mixed >> np.uint64(32))) % np.uint64(buckets))
        first.append(np.arange(len(hashed)))
        length.append(np.full(len(hashed), n))
    if not found:
        return Grams(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
    return Grams(np.concatenate(found).astype(np.int64), np.concatenate(first), np.concatenate(length))


def features(ids: Sequence[int], buckets: int) -> tuple[NDArray[np.int64], float]:
    """The buckets that a sequence fills, each once, and the value of each: all vectors have length 1."""
    filled = np.unique(grams(ids, buckets).buckets)
    return filled, 1.0 / np.sqrt(max(len(filled), 1))


class Ngrams:
    """What n-grams add to the logits.

    Args:
        table: of shape (buckets, labels).
    """

    def __init__(self, table: NDArray[np.float32]) -> None:
        self.table = table

    def logits(self, sequences: Sequence[Tokens]) -> NDArray[np.float32]:
        """What they add for each sequence, of shape (sequences, labels); a row depends on its sequence alone."""
        result = np.zeros((len(sequences), self.table.shape[1]), dtype=np.float32)
        for row, sequence in zip(result, sequences, strict=True):
            filled, value = features(sequence.ids, len(self.table))
            row[:] = self.table[filled].sum(axis=0) * value
        return result

    def by_gram(self, ids: Sequence[int]) -> tuple[Grams, NDArray[np.float32]]:
        """The n-grams of a sequence and what each of them adds, of shape (n-grams, labels): of several in one bucket
        equal shares."""
        found = grams(ids, len(self.table))
        filled, place, times = np.unique(found.buckets, return_inverse=True, return_counts=True)
        value = 1.0 / np.sqrt(max(len(filled), 1))
        shares = self.table[found.buckets] * (value / times[place])[:, None]
        return found, shares.astype(np.float32)

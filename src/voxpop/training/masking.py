"""Masked language modelling: runs of words are hidden together, so that neighbours do not give a character away.

Joshi et al. 2020 (SpanBERT, arXiv 1907.10529) and Cui et al. 2020 (MacBERT, arXiv 2004.13922): 15 % of the tokens, in
runs of one to four words of which short ones are likelier; of the tokens hidden 80 % become ``[MASK]``, 10 % another
token, 10 % stay. A word is a Chinese character, or all pieces of another word.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.models.encoding import MASK
from voxpop.training.corpus import SPECIAL

SHARE = 0.15
RUNS = (0.4, 0.3, 0.2, 0.1)
"""How likely a run of one, two, three and four words is."""


class Masked(NamedTuple):
    """Ids as the network sees them (b, w); where a token is asked for (b, w); the tokens there (n,), row by row."""

    ids: NDArray[np.int64]
    asked: NDArray[np.bool_]
    gold: NDArray[np.int64]


def mask(ids: NDArray[np.int64], inner: NDArray[np.bool_], vocabulary: int, random: np.random.Generator) -> Masked:
    """Hides runs of words in each row.

    Args:
        ids: tokens (b, w); specials and padding, whose ids are below ``len(SPECIAL)``, are never hidden.
        inner: by id, whether a token goes on with the word before it.
        vocabulary: how many ids there are.
        random: decides.
    """
    asked = np.zeros(ids.shape, dtype=np.bool_)
    for row, hidden in zip(ids, asked, strict=True):
        _choose(row, hidden, inner, random)
    gold = ids[asked]
    fate = random.random(len(gold))
    shown = np.where(fate < 0.8, MASK, gold)
    others = random.integers(len(SPECIAL), vocabulary, len(gold))
    changed = ids.copy()
    changed[asked] = np.where((fate >= 0.8) & (fate < 0.9), others, shown)
    return Masked(changed, asked, gold)


def _choose(
    row: NDArray[np.int64], hidden: NDArray[np.bool_], inner: NDArray[np.bool_], random: np.random.Generator
) -> None:
    """Marks about ``SHARE`` of a row's tokens, one at least where there are any."""
    begins = np.flatnonzero((row >= len(SPECIAL)) & ~inner[row])
    ends = np.append(begins[1:], len(row))
    budget = max(1, round(SHARE * int((row >= len(SPECIAL)).sum())))
    for at in random.permutation(len(begins)):
        run = int(random.choice(len(RUNS), p=RUNS)) + 1
        for word in range(at, min(at + run, len(begins))):
            if budget <= 0:
                return
            places = slice(begins[word], ends[word])
            fresh = ~hidden[places] & (row[places] >= len(SPECIAL))
            budget -= int(fresh.sum())
            hidden[places] |= fresh

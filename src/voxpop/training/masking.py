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
    asked = _hidden(ids >= len(SPECIAL), inner[ids], random)
    gold = ids[asked]
    fate = random.random(len(gold))
    shown = np.where(fate < 0.8, MASK, gold)
    others = random.integers(len(SPECIAL), vocabulary, len(gold))
    changed = ids.copy()
    changed[asked] = np.where((fate >= 0.8) & (fate < 0.9), others, shown)
    return Masked(changed, asked, gold)


def _hidden(real: NDArray[np.bool_], inner: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.bool_]:
    """Where tokens are hidden (b, w): ``SHARE`` of the real ones on average, one word at least of each row with any.

    All rows at once: the words of the batch stand in one line, and a run ends where its row does.
    """
    begins = real & ~inner
    row_of = np.nonzero(begins)[0]  # of each word
    starts = random.random(len(row_of)) < _STARTS
    length = random.choice(len(RUNS), len(row_of), p=RUNS)  # beyond the first word
    chosen = starts.copy()
    for further in range(1, len(RUNS)):
        reached = starts[:-further] & (length[:-further] >= further) & (row_of[further:] == row_of[:-further])
        chosen[further:] |= reached
    words = begins.sum(axis=1)
    bare = np.flatnonzero((words > 0) & (np.bincount(row_of, chosen, len(real)) == 0))
    chosen[(np.cumsum(words) - words + random.random(len(words)) * words).astype(np.int64)[bare]] = True
    if not len(row_of):
        return np.zeros_like(real)
    word_of = np.cumsum(begins).reshape(begins.shape) - 1
    within = begins.cumsum(axis=1) > 0  # a row may open in the midst of a word, which is the row's before it
    hidden: NDArray[np.bool_] = real & within & chosen[word_of]
    return hidden


def _start_share() -> float:
    """How likely a run starts at a word, such that the runs which reach a word hide it with probability ``SHARE``."""
    reaching = np.cumsum(RUNS[::-1])[::-1]  # how likely a run is long enough to reach the word n places on
    low, high = 0.0, SHARE
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if 1.0 - np.prod(1.0 - middle * reaching) < SHARE else (low, middle)
    return low


_STARTS = _start_share()

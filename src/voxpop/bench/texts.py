"""Texts to measure on: seeded, of lengths as news and posts have them, or the lines of a file."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from voxpop.errors import Refused
from voxpop.models.checkpoint import BUNDLED, find_encoder

LONGEST = 512
NEWS_TOKENS, NEWS_SPREAD = 117, 1.0
TWEET_TOKENS, TWEET_SPREAD = 27, 0.45
"""Mean tokens of a text, and the standard deviation of their logarithm."""

_FRAME = 2  # [CLS] and [SEP]
_FIRST_WORD = 1996
"""Number of the most frequent word, "the"; before it stand signs and single characters."""


def lengths(count: int, mean: float, spread: float, seed: int = 1) -> list[int]:
    """Lengths in tokens, log-normal, of at most 512, whose mean is ``mean`` within one."""
    normal = np.random.default_rng(seed).normal(0.0, spread, count)
    low, high = 0.0, math.log(LONGEST)
    for _ in range(60):  # the cap lowers the mean, so its centre is looked for
        middle = (low + high) / 2
        found = np.clip(np.rint(np.exp(middle + normal)), _FRAME + 1, LONGEST).astype(int)
        low, high = (middle, high) if found.mean() < mean else (low, middle)
    return [int(length) for length in found]


class Writer:
    """Writes texts of an exact number of tokens: every word is one of the vocabulary, as often as in English.

    The vocabulary is sorted by frequency, so that its order and the law of Zipf and Mandelbrot (Mandelbrot 1953, An
    informational theory of the statistical structure of language) give each word its share.
    """

    def __init__(self) -> None:
        vocabulary = json.loads(find_encoder(BUNDLED).tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
        known = sorted((i, w) for w, i in vocabulary.items() if _FIRST_WORD <= i < 9000 and w.isascii() and w.isalpha())
        self._words = [word for _, word in known]
        self._totals = list(accumulate(1 / (rank + 2.7) for rank in range(1, len(known) + 1)))

    def texts(self, of_lengths: Sequence[int], seed: int = 1) -> list[str]:
        """A text of words drawn by chance for each length in tokens, those of the frame included."""
        chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        return [
            " ".join(chance.choices(self._words, cum_weights=self._totals, k=length - _FRAME)) for length in of_lengths
        ]


def read(path: Path) -> list[str]:
    """The texts of a file: a JSON object with ``text`` a line (``.jsonl``), or a text a line.

    Raises:
        Refused: it cannot be read, or has no texts.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        texts = [str(json.loads(line)["text"]) for line in lines] if path.suffix == ".jsonl" else lines
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path} has no texts to measure on: {error}", "text") from error
    if not texts:
        raise Refused(f"{path} has no texts to measure on", "text")
    return texts

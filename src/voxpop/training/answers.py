"""Question answering as training sees it: questions without an answer, and the tokens at which answers stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from voxpop.models.encoding import Passage, TextEncoder, Tokens
from voxpop.models.profile import MAX_TOKENS, STRIDE
from voxpop.training.datasets import Example


def unanswerable(rows: Sequence[Example]) -> list[Example]:
    """Each answerable question once more, under the nearest other text of its set that holds none of its answers.

    Nearest by BM25 (Robertson and Zaragoza 2009) of the question over the texts, so that the wrong text is on the
    right subject. A set of a single text gives none.
    """
    found: list[Example] = []
    for source in sorted({row.source for row in rows}):
        found += _unanswerable([row for row in rows if row.source == source and row.spans])
    return found


def _unanswerable(rows: Sequence[Example]) -> list[Example]:
    import bm25s

    texts = list(dict.fromkeys(row.text for row in rows))
    if len(texts) < 2:
        return []
    index = bm25s.BM25()
    index.index(bm25s.tokenize(list(map(_spaced, texts)), show_progress=False), show_progress=False)
    questions = bm25s.tokenize([_spaced(row.second) for row in rows], show_progress=False)
    nearest, _ = index.retrieve(questions, k=min(8, len(texts)), show_progress=False)
    made = []
    for row, candidates in zip(rows, nearest, strict=True):
        answers = [row.text[start:end].lower() for start, end in row.spans]
        other = (texts[i] for i in candidates if texts[i] != row.text)
        text = next((t for t in other if not any(answer in t.lower() for answer in answers)), None)
        if text is not None:
            made.append(Example(text, (), "", row.source, row.second))
    return made


def _spaced(text: str) -> str:
    """Chinese as pairs of neighbouring characters, which serve for words."""
    return _RUN.sub(lambda run: " ".join(["", *map("".join, pairwise(run[0])), ""]), text)


_RUN = re.compile("[\u4e00-\u9fff]{2,}")


def thinned(rows: Sequence[Example], most: int, seed: int) -> list[Example]:
    """``most`` rows, chosen at random, in their order; all where there are no more."""
    if len(rows) <= most:
        return list(rows)
    chosen = np.random.default_rng(seed).permutation(len(rows))[:most]
    return [rows[i] for i in sorted(chosen.tolist())]


def windows(rows: Sequence[Example], encoder: TextEncoder) -> tuple[list[Tokens], Tensor]:
    """Every window of every row, and the (first, last) token of the answer in each, (n, 2).

    Both are 0, ``[CLS]``, in a window that does not hold the whole answer. Of several accepted answers the one that
    most annotators marked is listed first, and taken.
    """
    passages = encoder.passages([(row.second, row.text) for row in rows], MAX_TOKENS["qa"], STRIDE)
    sequences, gold = [], []
    for row, of_row in zip(rows, passages, strict=True):
        for passage in of_row:
            sequences.append(passage.tokens)
            gold.append(_positions(passage, row.spans[0]) if row.spans else (0, 0))
    return sequences, torch.tensor(gold, dtype=torch.long).reshape(-1, 2)


def _positions(passage: Passage, span: tuple[int, int]) -> tuple[int, int]:
    """Positions of the first and last token that touch ``span``; (0, 0) where the window cuts it."""
    touching = [i for i, (start, end) in enumerate(passage.offsets) if start < span[1] and end > span[0]]
    if not touching:
        return 0, 0
    first, last = touching[0], touching[-1]
    if passage.offsets[first][0] > span[0] or passage.offsets[last][1] < span[1]:
        return 0, 0
    begin = passage.tokens.second
    return begin + first, begin + last

"""Extractive question answering: spans of a text, or none, decoded from scores of first and last tokens.

Decoding follows SQuAD 2's convention (Rajpurkar et al. 2018, arXiv 1806.03822; Devlin et al. 2019, section 4.3): a
span scores the sum of both its ends, no answer the sum at the first token, the least of a text's windows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from voxpop.models.batching import Batch
from voxpop.models.bert import Weights, answerable
from voxpop.models.encoding import Passage, TextEncoder
from voxpop.models.running import Runner

LONGEST = 40
"""Most tokens of an answer."""


class Answer(NamedTuple):
    """A span ``text[start:end]`` that answers, and how it was decided.

    ``margin`` is the span's score less that of no answer; ``score`` the probability that the span is right.
    """

    start: int
    end: int
    score: float
    margin: float


class Decoding(NamedTuple):
    """How margins are read: an answer stands above ``threshold``; ``slope`` and ``offset`` make a margin a probability
    (Platt 1999)."""

    threshold: float = 0.0
    slope: float = 1.0
    offset: float = 0.0

    def probability(self, margin: float) -> float:
        """Probability that a span of this margin is right."""
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, self.slope * margin + self.offset))))


class SpanDecoder(ABC):
    """Answers decoded from a network's scores, each independent of what else is asked at once."""

    def __init__(
        self, encoder: TextEncoder, decoding: Decoding, *, max_tokens: int, stride: int, runner: Runner
    ) -> None:
        self._encoder, self.decoding = encoder, decoding
        self._max_tokens, self._stride, self._runner = max_tokens, stride, runner

    @abstractmethod
    def logits(self, passages: Sequence[Passage], width: int) -> Tensor:
        """Scores (b, w, 2) of each token as first and last; minus infinity where no answer may begin or end."""

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """The best span for each (question, text) where it beats no answer, else None."""
        best = (spans[0] if spans else None for spans in self.spans(asked, 1))
        return [answer if answer and answer.margin > self.decoding.threshold else None for answer in best]

    def spans(self, asked: Sequence[tuple[str, str]], most: int) -> list[list[Answer]]:
        """The ``most`` best spans for each (question, text), best first, whether or not they beat no answer."""
        passages = self._encoder.passages(asked, self._max_tokens, self._stride)
        flat = [passage for of_one in passages for passage in of_one]
        scored = self._scored(flat, most)
        result, first = [], 0
        for of_one in passages:
            mine = scored[first : first + len(of_one)]
            first += len(of_one)
            null = min(score for score, _ in mine)
            spans = {span: score for _, found in mine for span, score in sorted(found, key=lambda one: one[1])}
            ranked = sorted(spans.items(), key=lambda one: (-one[1], one[0]))[:most]
            result.append([self._answer(span, score - null) for span, score in ranked])
        return result

    def _answer(self, span: tuple[int, int], margin: float) -> Answer:
        return Answer(*span, self.decoding.probability(margin), margin)

    def _scored(
        self, passages: Sequence[Passage], most: int
    ) -> list[tuple[float, list[tuple[tuple[int, int], float]]]]:
        """For each window the score of no answer, and its best spans in characters with theirs."""
        fetch = self._runner.engine.fetch

        def compute(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
            first, last = self.logits([passages[i] for i in batch.indices], batch.width).unbind(dim=2)  # (b, w) each
            scores, places = best_spans(first, last, most, lines([passages[i] for i in batch.indices], batch.width))
            return fetch(first[:, 0] + last[:, 0]), fetch(scores), fetch(places)

        found: list[tuple[float, list[tuple[tuple[int, int], float]]]] = [(0.0, [])] * len(passages)
        for batch, arrays in self._runner.run("qa", [len(passage.tokens.ids) for passage in passages], compute):
            for i, null, scores, places in zip(batch.indices, *(array.tolist() for array in arrays), strict=True):
                pairs = zip(scores, places, strict=True)
                found[i] = null, [(characters(passages[i], *at), score) for score, at in pairs if score > -math.inf]
        return found


class SpanReader(SpanDecoder):
    """The encoder with its adapter merged, under a linear head."""

    def __init__(
        self,
        encoder: TextEncoder,
        weights: Weights,
        head: Weights,
        decoding: Decoding,
        *,
        max_tokens: int,
        stride: int,
        runner: Runner,
    ) -> None:
        super().__init__(encoder, decoding, max_tokens=max_tokens, stride=stride, runner=runner)
        self._weights, self._head = weights, head

    def logits(self, passages: Sequence[Passage], width: int) -> Tensor:
        """Scores (b, w, 2) of each token as first and last; minus infinity where no answer may begin or end."""
        sequences = [passage.tokens for passage in passages]
        batch, hidden = self._runner.engine.hidden(self._weights, sequences, width)  # (b, w, 384)
        # Not a matrix product: its kernel, and so its last bits, would follow from the number of rows.
        logits = torch.stack([(hidden * weight).sum(dim=2) for weight in self._head["weight"]], dim=2)
        return (logits + self._head["bias"]).masked_fill(~answerable(batch).unsqueeze(-1), -torch.inf)


def lines(passages: Sequence[Passage], width: int) -> Tensor | None:
    """In which line or Chinese sentence (b, w) of its text each token stands; None where no text has a second one."""
    if not any(passage.breaks for passage in passages):
        return None
    of_token = torch.zeros(len(passages), width, dtype=torch.long)
    for row, passage in enumerate(passages):
        of_token[row, [passage.tokens.second + at for at in passage.breaks]] = 1
    return of_token.cumsum(dim=1)


def best_spans(first: Tensor, last: Tensor, most: int, line: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scores (b, k) and places (b, k, 2) of the best spans of ``LONGEST`` tokens at most, ``[CLS]`` left out.

    Args:
        first: scores (b, w) of each token as the first.
        last: the same as the last.
        most: k, or all that there are.
        line: the line or sentence (b, w) that each token stands in. No answer leaves its own: words that a headline
            ends with and those that its story begins with are no phrase.
    """
    width = first.shape[1]
    scores = first[:, :, None] + last[:, None, :]  # (b, w, w)
    places = torch.arange(width, device=first.device)
    length = places[None, :] - places[:, None]
    allowed = (length >= 0) & (length < LONGEST)
    allowed[0] = False
    if line is not None:
        line = line.to(first.device)
        allowed = allowed & (line[:, :, None] == line[:, None, :])  # (b, w, w)
    flat = scores.masked_fill(~allowed, -torch.inf).flatten(1)
    best = flat.topk(min(most, flat.shape[1]), dim=1)
    return best.values, torch.stack([best.indices // width, best.indices % width], dim=2)


def characters(passage: Passage, first: int, last: int) -> tuple[int, int]:
    """The half-open span of the text from token ``first`` to token ``last``."""
    begin = passage.tokens.second
    return passage.offsets[first - begin][0], passage.offsets[last - begin][1]

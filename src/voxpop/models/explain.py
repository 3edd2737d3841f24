"""Which words moved a label: integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365), by captum, in float32.

The path runs from the text with every word blanked ([PAD]'s embedding) to the text as it stands; the entity that is
asked about stays hidden behind [MASK] on the whole way. A word's share is the sum over its wordpieces, and the shares
add up to the change of the label's log-probability, but for a small error that is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from voxpop.errors import ModelError
from voxpop.models.bert import Inputs, Weights, encode_words, inputs, pool
from voxpop.models.checkpoint import find_encoder
from voxpop.models.classifier import hidden_size, load_weights, open_encoder
from voxpop.models.encoding import MASK, TextEncoder
from voxpop.models.hub_profile import read_any
from voxpop.models.profile import Profile

STEPS = 64


class Word(NamedTuple):
    """A word ``text[start:end]`` and how much it moved the label: positive towards it, negative away from it."""

    start: int
    end: int
    share: float


class Explanation(NamedTuple):
    """Why a text has its label.

    ``error`` is by how much the words' shares miss the change that they should add up to.
    """

    label: str
    probability: float
    words: list[Word]
    error: float


class Explainer:
    """Explains the sentiment of one profile; costs about ``STEPS`` forward and backward passes a text."""

    def __init__(self, profile: str) -> None:
        """Loads the weights in float32.

        Raises:
            ModelError: as ``voxpop.models.load``.
        """
        stated = read_any(profile)
        if not isinstance(stated, Profile):
            raise ModelError(f"The model profile {profile!r} names public checkpoints, which cannot be explained yet.")
        self._task = stated.sentiment
        files = find_encoder(self._task.encoder)
        encoder = open_encoder(files)
        loaded = load_weights(self._task, files, encoder, torch.float32, 2 * hidden_size(encoder))
        self._weights: Weights = loaded.weights
        self._head: Weights = loaded.head
        self._temperature = float(loaded.about.get("temperature", 1.0))
        self._encoder = TextEncoder.of(files)

    def sentiment(self, text: str, spans: Sequence[tuple[int, int]] = (), label: str | None = None) -> Explanation:
        """Why ``text`` speaks so of the entity at ``spans`` (none: as a whole).

        Args:
            text: cleaned, as a document's text is.
            spans: the mentions of the entity.
            label: the label to explain; None: the most probable one.
        """
        from captum.attr import IntegratedGradients

        tokens, offsets = self._encoder.traced(text, spans, self._task.max_tokens)
        batch = inputs([tokens], len(tokens.ids))
        table = self._weights["embeddings.word_embeddings.weight"]
        words = table[batch.ids]  # (1, w, 384)
        blanked = words.clone()
        blanked[0, [i for i in range(1, len(tokens.ids) - 1) if tokens.ids[i] != MASK]] = table[0]
        with torch.no_grad():
            probabilities = self._log_probabilities(words, batch).exp()[0]
        chosen = int(probabilities.argmax()) if label is None else self._task.labels.index(label)
        shares, error = IntegratedGradients(lambda w: self._log_probabilities(w, batch)).attribute(
            words,
            baselines=blanked,
            target=chosen,
            n_steps=STEPS,
            internal_batch_size=16,
            return_convergence_delta=True,
        )
        by_token = shares.sum(dim=2)[0, 1:-1].tolist()
        moved = _by_word(text, offsets, by_token, spans)
        return Explanation(self._task.labels[chosen], float(probabilities[chosen]), moved, float(error.abs().max()))

    def _log_probabilities(self, words: Tensor, batch: Inputs) -> Tensor:
        """Log-probabilities (b, labels) of word embeddings (b, w, 384), which are those of one text, b times."""
        many = Inputs(*(part.expand(len(words), -1) for part in batch))
        features = pool(encode_words(self._weights, words, many), many)  # (b, 768)
        logits = features @ self._head["weight"].T + self._head["bias"]
        return (logits / self._temperature).log_softmax(dim=1)


def _by_word(
    text: str, offsets: Sequence[tuple[int, int]], shares: Sequence[float], spans: Sequence[tuple[int, int]]
) -> list[Word]:
    """Wordpieces joined to words; hidden mentions, which cannot move, left out."""
    words: list[Word] = []
    for (start, end), share in zip(offsets, shares, strict=True):
        if any(start < b and end > a for a, b in spans):
            continue
        if words and words[-1].end == start and text[start - 1 : start + 1].isalnum():
            words[-1] = Word(words[-1].start, end, words[-1].share + share)
        else:
            words.append(Word(start, end, share))
    return words

"""Which words moved a label: integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365), by captum, in float32.

The path runs from the text with every word blanked ([PAD]'s embedding) to the text as it stands; the entity that is
asked about stays hidden behind [MASK] on the whole way. Where the head has a part over n-grams, these come in along the
same path, and what one moves its tokens share. A word's share is the sum over its wordpieces, and the shares add up to
the change of the label's log-probability, but for a small error that is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from voxpop.errors import ModelError
from voxpop.models.bert import WORDS, Inputs, Weights, encode_words, inputs, pool
from voxpop.models.checkpoint import find_encoder
from voxpop.models.classifier import hidden_size, load_weights, ngrams_of, open_encoder
from voxpop.models.encoding import MASK, Spans, TextEncoder, Tokens
from voxpop.models.hub_profile import HubProfile
from voxpop.models.profile import Profile, TaskProfile
from voxpop.models.routed_profile import by_language
from voxpop.records import Language
from voxpop.text.spoken import spoken

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
        """Finds the networks of the profile; the weights of a language are loaded, in float32, when first asked for.

        Raises:
            ModelError: no such profile, or one of public checkpoints.
        """
        self._tasks = {lang: _sentiment(part) for lang, part in by_language(profile).items()}
        self._first: Language = next(iter(self._tasks))
        self._loaded: dict[str, _Network] = {}

    def sentiment(self, text: str, spans: Spans = (), label: str | None = None) -> Explanation:
        """Why ``text`` speaks so of the entity at ``spans`` (none: as a whole), by the networks of its language.

        Args:
            text: cleaned, as a document's text is.
            spans: the mentions of the entity.
            label: the label to explain; None: the most probable one.

        Raises:
            ModelError: as ``voxpop.models.load``.
        """
        task = self._tasks[spoken(text, spans[0] if spans else None, self._tasks, self._first)]
        key = str(task.adapter)
        if key not in self._loaded:
            self._loaded[key] = _Network(task)
        return self._loaded[key].explained(text, spans, label)

    @property
    def languages(self) -> frozenset[Language]:
        """The languages that it explains."""
        return frozenset(self._tasks)


def _sentiment(part: Profile | HubProfile) -> TaskProfile:
    if not isinstance(part, Profile):
        raise ModelError(f"The model profile {part.name!r} names public checkpoints, which cannot be explained yet.")
    return part.sentiment


class _Network:
    """The network of one task profile, in float32."""

    def __init__(self, task: TaskProfile) -> None:
        self._task = task
        files = find_encoder(task.encoder)
        encoder = open_encoder(files)
        loaded = load_weights(task, files, encoder, torch.float32, 2 * hidden_size(encoder))
        self._weights: Weights = loaded.weights
        self._head: Weights = loaded.head
        self._temperature = float(loaded.about.get("temperature", 1.0))
        self._encoder = TextEncoder.of(files)
        self._ngrams = ngrams_of(loaded.head)

    def explained(self, text: str, spans: Spans, label: str | None) -> Explanation:
        """As :meth:`Explainer.sentiment`."""
        from captum.attr import IntegratedGradients

        tokens, offsets = self._encoder.traced(text, spans, self._task.max_tokens)
        batch = inputs([tokens], len(tokens.ids))
        table = self._weights[WORDS]
        words = table[batch.ids]  # (1, w, d)
        blanked = words.clone()
        blanked[0, [i for i in range(1, len(tokens.ids) - 1) if tokens.ids[i] != MASK]] = table[0]
        shown, added = self._added(tokens)
        always = torch.tensor([not of_gram for of_gram in shown], dtype=torch.bool)
        with torch.no_grad():
            probabilities = self._log_probabilities(words, added, batch).exp()[0]
        chosen = int(probabilities.argmax()) if label is None else self._task.labels.index(label)
        (by_number, by_gram), error = IntegratedGradients(
            lambda words, added: self._log_probabilities(words, added, batch)
        ).attribute(
            (words, added),
            baselines=(blanked, added * always[:, None]),
            target=chosen,
            n_steps=STEPS,
            internal_batch_size=16,
            return_convergence_delta=True,
        )
        shares = by_number.sum(dim=2)[0, 1:-1].tolist()
        for of_gram, share in zip(shown, by_gram[0].sum(dim=1).tolist(), strict=True):
            for i in of_gram:
                shares[i] += share / len(of_gram)
        moved = _by_word(text, offsets, shares, spans)
        return Explanation(self._task.labels[chosen], float(probabilities[chosen]), moved, float(error.abs().max()))

    def _added(self, tokens: Tokens) -> tuple[list[list[int]], Tensor]:
        """Of each n-gram the tokens that are not hidden, counted from the first between the brackets; and what it adds
        to the logits, of shape (1, n-grams, labels)."""
        if self._ngrams is None:
            return [], torch.zeros(1, 0, len(self._task.labels))
        found, added = self._ngrams.by_gram(tokens.ids)
        spans = zip(found.first.tolist(), found.length.tolist(), strict=True)
        shown = [[i for i in range(first, first + n) if tokens.ids[1 + i] != MASK] for first, n in spans]
        return shown, torch.from_numpy(added)[None]

    def _log_probabilities(self, words: Tensor, added: Tensor, batch: Inputs) -> Tensor:
        """Log-probabilities (b, labels) of word embeddings (b, w, d) and of what n-grams add (b, n, labels), which are
        those of one text, b times."""
        many = Inputs(*(part.expand(len(words), -1) for part in batch))
        features = pool(encode_words(self._weights, words, many), many)  # (b, 2 d)
        logits = features @ self._head["weight"].T + self._head["bias"] + added.sum(dim=1)
        return (logits / self._temperature).log_softmax(dim=1)


def _by_word(
    text: str, offsets: Sequence[tuple[int, int]], shares: Sequence[float], spans: Sequence[tuple[int, int]]
) -> list[Word]:
    """Wordpieces joined to words (one of Chinese is a word); hidden mentions, which cannot move, left out."""
    words: list[Word] = []
    for (start, end), share in zip(offsets, shares, strict=True):
        if any(start < b and end > a for a, b in spans):
            continue
        if words and words[-1].end == start and _within_word(text[start - 1 : start + 1]):
            words[-1] = Word(words[-1].start, end, words[-1].share + share)
        else:
            words.append(Word(start, end, share))
    return words


def _within_word(around: str) -> bool:
    """Whether the two characters on both sides of a place are of one word that is written with spaces around."""
    return around.isalnum() and max(around) < "\u2e80"  # from there on: East Asian scripts

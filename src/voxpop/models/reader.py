"""The reader: texts in; topics, sentiment, inference and answers out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from voxpop.errors import ModelError
from voxpop.models.checkpoint import find_encoder
from voxpop.models.classifier import (
    Classifier,
    Embedder,
    choose_dtype,
    load_classifier,
    load_span_reader,
    open_tensors,
)
from voxpop.models.encoding import TextEncoder, Tokens
from voxpop.models.profile import Profile, Task, read_profile
from voxpop.models.spans import Answer, SpanReader
from voxpop.records import Language

Asked = Sequence[tuple[str, tuple[tuple[int, int], ...]]]
"""``Target``s, or any other pairs of a text and spans."""


class Reader:
    """A loaded profile. Results do not depend on what else is asked at once, in which order, or by how many threads.

    Attributes:
        profile: the name of the profile.
        version: the profile's name and a hash of weights, labels and number format.
        languages: the languages that it reads.
        topic_labels: the columns of :meth:`topics`.
        tasks: what it can do.
    """

    def __init__(self, profile: Profile, version: str, parts: Parts) -> None:
        self.profile = profile.name
        self.version = version
        self.languages: frozenset[Language] = profile.languages
        self.topic_labels = profile.topic.labels
        self.tasks: tuple[Task, ...] = tuple(profile.tasks)
        self.unsure_below: dict[Task, float] = {name: task.unsure_below for name, task in profile.tasks.items()}
        self._stated, self._parts = profile.tasks, parts

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels), read off the head of each text (256 tokens, bundled)."""
        return self._classifier("topic").predict(self._parts.heads("topic", texts))

    def sentiment(self, targets: Asked) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3) in the order of ``records.SENTIMENTS``.

        A text that is too long is read in a window around the mentions (128 tokens, bundled).
        """
        sequences = self._parts.encoder("sentiment").targets(targets, self._stated["sentiment"].max_tokens)
        return self._classifier("sentiment").predict(sequences)

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities of shape (pairs, 3) that a premise entails, leaves open or contradicts a hypothesis.

        Raises:
            ModelError: the profile has no inference.
        """
        self._need("nli")
        sequences = self._parts.encoder("nli").pairs(pairs, self._stated["nli"].max_tokens)
        return self._classifier("nli").predict(sequences)

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """The span of the text that answers, for each (question, text), or None.

        Raises:
            ModelError: the profile has no question answering.
        """
        self._need("qa")
        assert self._parts.spans is not None
        return self._parts.spans.answers(asked)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (texts, 384): texts of like meaning have a large inner product."""
        return self._parts.embedder.vectors(self._parts.heads("topic", texts))

    def _classifier(self, task: Task) -> Classifier:
        return self._parts.classifiers[task]

    def _need(self, task: Task) -> None:
        if task not in self.tasks:
            raise ModelError(f"The model profile {self.profile!r} names no weights for {task}.")


@dataclass(frozen=True)
class Parts:
    """What a profile's tasks are made of."""

    profile: Profile
    encoders: dict[str, TextEncoder]
    classifiers: dict[Task, Classifier]
    spans: SpanReader | None
    embedder: Embedder

    def encoder(self, task: Task) -> TextEncoder:
        """What makes texts into tokens for a task."""
        return self.encoders[self.profile.tasks[task].encoder]

    def heads(self, task: Task, texts: Sequence[str]) -> list[Tokens]:
        """The first tokens of each text."""
        return self.encoder(task).heads(texts, self.profile.tasks[task].max_tokens)


def load(profile: str, *, threads: int = 0, batch_tokens: int = 4096) -> Reader:
    """Loads a profile, all of it, before any text is read.

    Args:
        profile: the name of a shipped profile, or the path of a TOML file.
        threads: threads of torch, for the whole process; 0: one for each core that this process may use.
        batch_tokens: most padded tokens in one batch.

    Raises:
        ModelError: a profile, encoder, adapter or head is missing, corrupt or not the one that was named.
    """
    stated = read_profile(profile)
    torch.set_num_threads(threads or cores())
    dtype = choose_dtype(stated.dtype)
    files = {name: find_encoder(name) for name in sorted({task.encoder for task in stated.tasks.values()})}
    weights = {name: open_tensors(found.weights).tensors for name, found in files.items()}
    encoders = {name: TextEncoder(found.tokenizer) for name, found in files.items()}
    classifiers: dict[Task, Classifier] = {
        name: load_classifier(task, files[task.encoder], weights[task.encoder], dtype, batch_tokens)
        for name, task in stated.tasks.items()
        if name != "qa"
    }
    spans = None
    if task := stated.qa:
        of_task = files[task.encoder], weights[task.encoder], encoders[task.encoder]
        spans = load_span_reader(task, *of_task, dtype, batch_tokens)
    embedder = Embedder({n: t.to(dtype) for n, t in weights[stated.topic.encoder].items()}, batch_tokens)
    version = stated.version({name: found.sha256 for name, found in files.items()}, str(dtype))
    return Reader(stated, version, Parts(stated, encoders, classifiers, spans, embedder))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""The reader: texts in, probabilities of topics and sentiment out."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from voxpop.models.checkpoint import find_encoder
from voxpop.models.classifier import Classifier, choose_dtype, load_classifier, open_tensors
from voxpop.models.encoding import TextEncoder
from voxpop.models.profile import Profile, TaskProfile, read_profile
from voxpop.records import Language

Asked = Sequence[tuple[str, tuple[tuple[int, int], ...]]]
"""``Target``s, or any other pairs of a text and spans."""


class _Task:
    """One task's classifier and the tokenizer that feeds it."""

    def __init__(self, encoder: TextEncoder, classifier: Classifier, max_tokens: int) -> None:
        self.encoder, self.classifier, self.max_tokens = encoder, classifier, max_tokens


class Reader:
    """A loaded profile. Results do not depend on what else is asked at once, in which order, or by how many threads.

    Attributes:
        profile: the name of the profile.
        version: the profile's name and a hash of weights, labels and number format.
        languages: the languages that it reads.
        topic_labels: the columns of :meth:`topics`.
    """

    def __init__(self, profile: Profile, version: str, topic: _Task, sentiment: _Task) -> None:
        self.profile = profile.name
        self.version = version
        self.languages: frozenset[Language] = profile.languages
        self.topic_labels = profile.topic.labels
        self._topic, self._sentiment = topic, sentiment

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels), read off the head of each text (256 tokens, bundled)."""
        task = self._topic
        return task.classifier.predict(task.encoder.heads(texts, task.max_tokens))

    def sentiment(self, targets: Asked) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3) in the order of ``records.SENTIMENTS``.

        A text that is too long is read in a window around the mentions (128 tokens, bundled).
        """
        task = self._sentiment
        return task.classifier.predict(task.encoder.targets(targets, task.max_tokens))


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
    names = {stated.topic.encoder, stated.sentiment.encoder}
    files = {name: find_encoder(name) for name in sorted(names)}
    encoders = {name: open_tensors(found.weights).tensors for name, found in files.items()}
    tokenizers = {name: TextEncoder(found.tokenizer) for name, found in files.items()}

    def ready(task: TaskProfile) -> _Task:
        name = task.encoder
        classifier = load_classifier(task, files[name], encoders[name], dtype, batch_tokens)
        return _Task(tokenizers[name], classifier, task.max_tokens)

    version = stated.version({name: found.sha256 for name, found in files.items()}, str(dtype))
    return Reader(stated, version, ready(stated.topic), ready(stated.sentiment))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

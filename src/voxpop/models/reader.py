"""The reader: texts in; topics, sentiment, inference and answers out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from voxpop.errors import ModelError
from voxpop.models.adapters import load_adapters
from voxpop.models.hub_profile import HubProfile, read_any
from voxpop.models.profile import Profile, Task
from voxpop.models.spans import Answer
from voxpop.records import Language
from voxpop.settings import Settings

Asked = Sequence[tuple[str, tuple[tuple[int, int], ...]]]
"""``Target``s, or any other pairs of a text and spans."""


class Backend(Protocol):
    """What answers: encoders with adapters (adapters.py), or public checkpoints (hub.py)."""

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels)."""

    def sentiment(self, targets: Asked) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3)."""

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities of shape (pairs, 3)."""

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """A span or none for each (question, text)."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (texts, 384)."""


class Reader:
    """A loaded profile. Results do not depend on what else is asked at once, in which order, or by how many threads.

    Attributes:
        profile: the name of the profile.
        version: the profile's name and a hash of weights, labels and number format.
        languages: the languages that it reads.
        topic_labels: the columns of :meth:`topics`.
        tasks: what it can do.
    """

    def __init__(self, profile: Profile | HubProfile, version: str, backend: Backend) -> None:
        self.profile = profile.name
        self.version = version
        self.languages: frozenset[Language] = profile.languages
        self.topic_labels = profile.topic.labels
        self.tasks: tuple[Task, ...] = tuple(profile.tasks)
        self._backend = backend

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels), read off the head of each text (256 tokens, bundled)."""
        return self._backend.topics(texts)

    def sentiment(self, targets: Asked) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3) in the order of ``records.SENTIMENTS``.

        A text that is too long is read in a window around the mentions (128 tokens, bundled).
        """
        return self._backend.sentiment(targets)

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities of shape (pairs, 3) that a premise entails, leaves open or contradicts a hypothesis.

        Raises:
            ModelError: the profile has no inference.
        """
        self._need("nli")
        return self._backend.infer(pairs)

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """The span of the text that answers, for each (question, text), or None.

        Raises:
            ModelError: the profile has no question answering.
        """
        self._need("qa")
        return self._backend.answers(asked)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (texts, 384): texts of like meaning have a large inner product."""
        return self._backend.embed(texts)

    def _need(self, task: Task) -> None:
        if task not in self.tasks:
            raise ModelError(f"The model profile {self.profile!r} names no weights for {task}.")


def load(profile: str, *, threads: int = 0, batch_tokens: int = 4096, home: Path | None = None) -> Reader:
    """Loads a profile, all of it, before any text is read. Opens no connection.

    Args:
        profile: the name of a shipped profile, or the path of a TOML file.
        threads: threads of torch, for the whole process; 0: one for each core that this process may use.
        batch_tokens: most padded tokens in one batch.
        home: the folder in which pulled checkpoints lie; None: the home folder of the settings.

    Raises:
        ModelError: a profile, checkpoint, encoder, adapter or head is missing, corrupt or not the one that was named.
    """
    stated = read_any(profile)
    torch.set_num_threads(threads or cores())
    if isinstance(stated, Profile):
        adapters, version = load_adapters(stated, batch_tokens)
        return Reader(stated, version, adapters)
    from voxpop.models.hub import load_hub

    backend, version = load_hub(stated, home or Settings.load().home, batch_tokens)
    return Reader(stated, version, backend)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

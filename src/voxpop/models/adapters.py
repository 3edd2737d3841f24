"""What a profile of adapters answers with: encoders with an adapter for each task merged into their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from voxpop.models.checkpoint import find_encoder
from voxpop.models.classifier import (
    Classifier,
    Embedder,
    choose_dtype,
    load_classifier,
    load_span_reader,
    open_encoder,
)
from voxpop.models.encoding import TextEncoder, Tokens
from voxpop.models.engine import Engine, Padded
from voxpop.models.profile import Profile, Task
from voxpop.models.running import Runner
from voxpop.models.spans import Answer, SpanReader

CPU = torch.device("cpu")


@dataclass(frozen=True)
class AdapterBackend:
    """Encoders with adapters behind the reader's methods, all of whose batches go through one ``runner``."""

    profile: Profile
    encoders: dict[str, TextEncoder]
    classifiers: dict[Task, Classifier]
    spans: SpanReader | None
    embedder: Embedder
    runner: Runner
    space: str
    """Names the encoder in whose dimensions :meth:`embed` places texts."""

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels), read off the head of each text."""
        return self.classifiers["topic"].predict(self._heads(texts))

    def sentiment(self, targets: Sequence[tuple[str, tuple[tuple[int, int], ...]]]) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3), the target hidden."""
        sequences = self._encoder("sentiment").targets(targets, self.profile.sentiment.max_tokens)
        return self.classifiers["sentiment"].predict(sequences)

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities of shape (pairs, 3)."""
        sequences = self._encoder("nli").pairs(pairs, self.profile.tasks["nli"].max_tokens)
        return self.classifiers["nli"].predict(sequences)

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """A span or none for each (question, text)."""
        assert self.spans is not None
        return self.spans.answers(asked)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (texts, d)."""
        return self.embedder.vectors(self._heads(texts))

    def _encoder(self, task: Task) -> TextEncoder:
        return self.encoders[self.profile.tasks[task].encoder]

    def _heads(self, texts: Sequence[str]) -> list[Tokens]:
        return self._encoder("topic").heads(texts, self.profile.topic.max_tokens)


def load_adapters(
    stated: Profile,
    batch_tokens: int,
    *,
    threads: int = 0,
    device: torch.device = CPU,
    runner: Runner | None = None,
    home: Path | None = None,
) -> tuple[AdapterBackend, str]:
    """The backend of a profile and its version; ``runner``: one that it shares with another backend;
    ``home``: the folder that keeps the number format.

    Raises:
        ModelError: an encoder, adapter or head is missing, corrupt or not the one that was named.
    """
    dtype = choose_dtype(stated.dtype, device, home=home)
    runner = runner or Runner(batch_tokens, threads=threads, engine=_engine(device, dtype))
    files = {name: find_encoder(name) for name in sorted({task.encoder for task in stated.tasks.values()})}
    weights = {name: open_encoder(found) for name, found in files.items()}
    encoders = {name: TextEncoder.of(found) for name, found in files.items()}
    classifiers: dict[Task, Classifier] = {
        name: load_classifier(name, task, files[task.encoder], weights[task.encoder], dtype, runner)
        for name, task in stated.tasks.items()
        if name != "qa"
    }
    spans = None
    if task := stated.qa:
        of_task = files[task.encoder], weights[task.encoder], encoders[task.encoder]
        spans = load_span_reader(task, *of_task, dtype, runner)
    embedder = Embedder({n: t.to(device, dtype) for n, t in weights[stated.topic.encoder].items()}, runner)
    version = stated.version({name: found.sha256 for name, found in files.items()}, str(dtype))
    of_topic = files[stated.topic.encoder]
    space = (of_topic.layers or of_topic).name
    return AdapterBackend(stated, encoders, classifiers, spans, embedder, runner, space), version


def _engine(device: torch.device, dtype: torch.dtype) -> Engine:
    """How batches are computed there: a card's packed attention takes no float32."""
    if device.type == "cpu" or dtype == torch.float32:
        return Padded(device)
    from voxpop.models.cuda import Packed

    return Packed(device)

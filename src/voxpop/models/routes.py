"""A profile that gives each language a profile of its own, and the reader over all of them.

    name = "english-chinese"
    [routes]                            # the first is asked where a text's language has none
    en = "english"
    zh = "./chinese.toml"               # relative to the file; profiles of adapters alone

Every text goes to the networks of its language; what is asked about an entity, to those of the sentence that names it.
Embeddings by encoders that stand on the same layers share their dimensions, so that what means the same is near in any
language; others stand at right angles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from voxpop.models.adapters import AdapterBackend, load_adapters
from voxpop.models.profile import Profile
from voxpop.models.running import Runner
from voxpop.models.spans import Answer
from voxpop.records import Language, digest
from voxpop.text.spoken import spoken

Spans = tuple[tuple[int, int], ...]
T = TypeVar("T")
One = TypeVar("One")


class RoutedBackend:
    """Backends by language behind the reader's methods. All batches go through one runner of the first.

    Args:
        parts: the backends, all of one number format.
    """

    def __init__(self, parts: Mapping[Language, AdapterBackend]) -> None:
        self.parts = dict(parts)
        self._first: Language = next(iter(self.parts))
        self.runner: Runner = self.parts[self._first].runner

    def language(self, text: str, spans: Spans = ()) -> Language:
        """Whose networks read ``text``, or what it says at the first of ``spans``."""
        return spoken(text, spans[0] if spans else None, self.parts, self._first)

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels)."""
        return self._rows(texts, [self.language(text) for text in texts], lambda part, of: part.topics(of))

    def sentiment(self, targets: Sequence[tuple[str, Spans]]) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3)."""
        langs = [self.language(text, spans) for text, spans in targets]
        return self._rows(targets, langs, lambda part, of: part.sentiment(of))

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities of shape (pairs, 3); a pair goes where its hypothesis does."""
        return self._rows(pairs, [self._worded(hypothesis) for _, hypothesis in pairs], lambda part, of: part.infer(of))

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """A span or none for each (question, text), which go where the question does."""
        langs = [self._worded(question) for question, _ in asked]
        return self._routed(asked, langs, lambda part, of: part.answers(of))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (texts, the sum of the spaces' dimensions), zero outside the part's own space."""
        before: dict[str, int] = {}
        total = 0
        for part in self.parts.values():
            if part.space not in before:
                before[part.space], total = total, total + part.embed([]).shape[1]

        def placed(part: AdapterBackend, of: list[str]) -> NDArray[np.float32]:
            found = part.embed(of)
            wide = np.zeros((len(of), total), dtype=np.float32)
            wide[:, before[part.space] : before[part.space] + found.shape[1]] = found
            return wide

        found: list[NDArray[np.float32]] = self._routed(texts, [self.language(text) for text in texts], placed)
        return np.stack(found) if found else np.zeros((0, total), dtype=np.float32)

    def _worded(self, text: str) -> Language:
        """The language of a question or statement, which may hold a name of the other: that of its last mark."""
        if text.rstrip()[-1:] in ("。", "？", "！"):
            return "zh" if "zh" in self.parts else self._first
        if text.rstrip()[-1:] in (".", "?", "!"):
            return "en" if "en" in self.parts else self._first
        return self.language(text)

    def _rows(
        self,
        asked: Sequence[One],
        langs: Sequence[Language],
        ask: Callable[[AdapterBackend, list[One]], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        found: list[NDArray[np.float32]] = self._routed(asked, langs, ask)
        return np.stack(found) if found else ask(self.parts[self._first], [])

    def _routed(
        self,
        asked: Sequence[One],
        langs: Sequence[Language],
        ask: Callable[[AdapterBackend, list[One]], Sequence[T] | NDArray[np.float32]],
    ) -> list[T]:
        """What each was answered, in order, every language asked once."""
        result: list[Any] = [None] * len(asked)
        for lang, part in self.parts.items():
            mine = [i for i, of in enumerate(langs) if of == lang]
            if mine:
                for i, one in zip(mine, ask(part, [asked[i] for i in mine]), strict=True):
                    result[i] = one
        return cast("list[T]", result)


def load_routes(
    name: str,
    parts: Mapping[Language, Profile],
    batch_tokens: int,
    *,
    threads: int,
    device: torch.device,
    home: Path | None,
) -> tuple[RoutedBackend, str]:
    """The backend of a profile of profiles, and its version: that of all of them.

    Raises:
        ModelError: as :func:`voxpop.models.adapters.load_adapters`.
    """
    loaded: dict[Language, AdapterBackend] = {}
    versions: list[str] = []
    runner: Runner | None = None
    for lang, part in parts.items():
        backend, version = load_adapters(part, batch_tokens, threads=threads, device=device, runner=runner, home=home)
        loaded[lang], runner = backend, runner or backend.runner
        versions += [lang, version]
    return RoutedBackend(loaded), f"{name}-{digest(*versions, size=6)}"

"""The reader: texts in; topics, sentiment, inference and answers out."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from voxpop.errors import ModelError
from voxpop.models.adapters import load_adapters
from voxpop.models.engine import batch_tokens_of, cores, find_device
from voxpop.models.hub_profile import HubProfile, read_any
from voxpop.models.kept import Kept
from voxpop.models.profile import Profile, RiskWeights, Task, read_toml
from voxpop.models.recent import OVERHEAD, Recent, fingerprint
from voxpop.models.routed_profile import is_routes, read_routes
from voxpop.models.routes import load_routes
from voxpop.models.running import BatchFigures, Runner
from voxpop.models.spans import Answer
from voxpop.records import Language
from voxpop.settings import Settings

Question = TypeVar("Question")
Value = TypeVar("Value")
Asked = Sequence[tuple[str, tuple[tuple[int, int], ...]]]
"""``Target``s, or any other pairs of a text and spans."""


REMEMBERED_BYTES = 64_000_000
"""Room for results: those of about two hundred thousand texts."""


class Backend(Protocol):
    """What answers: encoders with adapters (adapters.py), or public checkpoints (hub.py)."""

    @property
    def runner(self) -> Runner:
        """What computes its batches."""

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels)."""

    def sentiment(self, targets: Asked) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3)."""

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities of shape (pairs, 3)."""

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """A span or none for each (question, text)."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (texts, d)."""


class Reader:
    """A loaded profile. Results do not depend on what else is asked at once, in which order, or by how many threads;
    so what was asked lately is remembered, and equal questions are computed once.

    Attributes:
        profile: the name of the profile.
        version: the profile's name and a hash of weights, labels and number format.
        languages: the languages that it reads.
        topic_labels: the columns of :meth:`topics`.
        tasks: what it can do.
        risk_weights: how evidence of risk events is weighed, by language; none of those that nothing was fitted to.
        backend: what computes; asked directly, it remembers nothing.
    """

    def __init__(
        self,
        profile: Profile | HubProfile,
        version: str,
        backend: Backend,
        risk_weights: Mapping[Language, RiskWeights] | None = None,
    ) -> None:
        self.profile = profile.name
        self.version = version
        self.languages: frozenset[Language] = profile.languages
        self.topic_labels = profile.topic.labels
        self.tasks: tuple[Task, ...] = tuple(profile.tasks)
        self.backend = backend
        self.risk_weights = dict(risk_weights or {})
        self._rows = Recent[NDArray[np.float32]](REMEMBERED_BYTES, lambda row: row.nbytes)
        self._answers = Recent[tuple[Answer | None]](REMEMBERED_BYTES // 4, lambda _: OVERHEAD)
        self._kept: Kept | None = None

    @property
    def observe(self) -> Callable[[BatchFigures], None] | None:
        """Is told of each batch that is computed, from the thread that computed it; what was remembered is no batch."""
        return self.backend.runner.observe

    @observe.setter
    def observe(self, observe: Callable[[BatchFigures], None] | None) -> None:
        self.backend.runner.observe = observe

    def keep(self, kept: Kept | None) -> None:
        """Looks for results in ``kept`` before it computes them, and puts there what it computes; None: no more."""
        self._kept = kept

    def forget(self) -> None:
        """Forgets what it remembers, so that the next questions are computed, or found where results are kept."""
        self._rows.clear()
        self._answers.clear()

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels), read off the head of each text (256 tokens, bundled)."""
        return self._remembered("topic", texts, self.backend.topics)

    def sentiment(self, targets: Asked) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3) in the order of ``records.SENTIMENTS``.

        A text that is too long is read in a window around the mentions (128 tokens, bundled).
        """
        return self._remembered("sentiment", targets, self.backend.sentiment)

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities of shape (pairs, 3) that a premise entails, leaves open or contradicts a hypothesis.

        Raises:
            ModelError: the profile has no inference.
        """
        self._need("nli")
        return self._remembered("nli", pairs, self.backend.infer)

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """The span of the text that answers, for each (question, text), or None.

        Raises:
            ModelError: the profile has no question answering.
        """
        self._need("qa")

        def compute(missing: list[tuple[str, str]]) -> Iterable[tuple[Answer | None]]:
            return self._from_disk(missing, key, _pack, _unpack, lambda new: [(a,) for a in self.backend.answers(new)])

        def key(one: tuple[str, str]) -> bytes:
            return fingerprint("qa", *one)

        return [answer for (answer,) in self._answers.all(asked, key, compute)]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (texts, d): texts of like meaning have a large inner product."""
        return self._remembered("embed", texts, self.backend.embed)

    def _remembered(
        self, task: str, asked: Sequence[Question], compute: Callable[[list[Question]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """A row for each question."""
        if not asked:
            return compute([])

        def key(one: Question) -> bytes:
            return fingerprint(task, one)

        def rows(missing: list[Question]) -> Iterable[NDArray[np.float32]]:
            # Copies: a row that is a view would keep the whole array in memory.
            return self._from_disk(missing, key, _bytes, _row, lambda new: [row.copy() for row in compute(new)])

        return np.stack(self._rows.all(asked, key, rows))

    def _from_disk(
        self,
        asked: list[Question],
        key: Callable[[Question], bytes],
        pack: Callable[[Value], bytes],
        unpack: Callable[[bytes], Value],
        compute: Callable[[list[Question]], list[Value]],
    ) -> list[Value]:
        """An answer to each question, no two of which are equal; those not kept are computed, and kept."""
        if self._kept is None:
            return compute(asked)
        keys = [key(one) for one in asked]
        found = {one: unpack(value) for one, value in self._kept.found(keys).items()}
        missing = {k: one for k, one in zip(keys, asked, strict=True) if k not in found}
        if missing:
            new = dict(zip(missing, compute(list(missing.values())), strict=True))
            self._kept.keep([(k, pack(value)) for k, value in new.items()])
            found |= new
        return [found[k] for k in keys]

    def _need(self, task: Task) -> None:
        if task not in self.tasks:
            raise ModelError(f"The model profile {self.profile!r} names no weights for {task}.")


def _bytes(row: NDArray[np.float32]) -> bytes:
    return row.astype("<f4").tobytes()


def _row(kept: bytes) -> NDArray[np.float32]:
    return np.frombuffer(kept, dtype="<f4").astype(np.float32)


_ANSWER = struct.Struct("<qqdd")


def _pack(answer: tuple[Answer | None]) -> bytes:
    """Nothing for no answer."""
    return b"" if answer[0] is None else _ANSWER.pack(*answer[0])


def _unpack(kept: bytes) -> tuple[Answer | None]:
    return (Answer(*_ANSWER.unpack(kept)) if kept else None,)


def load(
    profile: str, *, threads: int = 0, batch_tokens: int = 0, home: Path | None = None, device: str = "auto"
) -> Reader:
    """Loads a profile, all of it, before any text is read. Opens no connection.

    Args:
        profile: the name of a shipped profile, or the path of a TOML file.
        threads: batches that a processor computes at once, and threads of torch elsewhere in the process; 0: one for
            each core that this process may use.
        batch_tokens: most padded tokens in one batch; 0: what the device does well.
        home: the folder in which pulled checkpoints lie and the number format is kept; None: the home folder of the
            settings.
        device: "cpu", "cuda", "cuda:N" for one of several NVIDIA cards, or "auto": the first card, else the processor.
            On a card results are the same labels, and probabilities within 0.01 (see benchmarks/README.md).

    Raises:
        ModelError: a profile, checkpoint, encoder, adapter or head is missing, corrupt or not the one that was named;
            there is no such device.
    """
    on, home = find_device(device), home or Settings.load().home
    batch_tokens = batch_tokens or batch_tokens_of(on)
    torch.set_num_threads(threads or cores())
    if is_routes(table := read_toml(profile)):
        whole, parts = read_routes(profile, table)
        routed, version = load_routes(whole.name, parts, batch_tokens, threads=threads, device=on, home=home)
        weights = {lang: part.risks for lang, part in parts.items() if part.risks is not None}
        return Reader(whole, version, routed, weights)
    stated = read_any(profile)
    weights = dict.fromkeys(stated.languages, stated.risks) if stated.risks is not None else {}
    if isinstance(stated, Profile):
        adapters, version = load_adapters(stated, batch_tokens, threads=threads, device=on, home=home)
        return Reader(stated, version, adapters, weights)
    from voxpop.models.hub import load_hub

    backend, version = load_hub(stated, home, batch_tokens, threads=threads, device=on)
    return Reader(stated, version, backend, weights)

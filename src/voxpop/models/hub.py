"""What a profile of public checkpoints answers with.

Its sentiment is weaker than that of the shipped one: the checkpoints were trained on whole texts, not on what is
said of one entity. They are shown the sentences that mention it, as they are; two entities of one sentence get one
answer. Its topics may be zero-shot. Its embeddings are those of the bundled encoder, which reads English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voxpop.models.bert import answerable, inputs
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.classifier import Embedder, choose_dtype, open_tensors
from voxpop.models.encoding import Passage, TextEncoder
from voxpop.models.engine import Padded
from voxpop.models.hub_lock import Files, check_files, find
from voxpop.models.hub_network import HubClassifier, Network, check_length, load_network, order_of
from voxpop.models.hub_profile import HubProfile, HubTask
from voxpop.models.profile import INFERENCES, MAX_TOKENS, STRIDE, Task
from voxpop.models.running import Runner
from voxpop.models.spans import Answer, Decoding, SpanDecoder
from voxpop.records import SENTIMENTS

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^\sa-z])|(?<=[。！？；])|\n+")
_ABBREVIATION = re.compile(r"(?:\b(?:[A-Za-z]|Inc|Corp|Cos?|Ltd|Bros|Mrs?|Ms|Dr|St|Nos?|vs|Jr|Sr|Gov|Gen|Sen|Rep))\.$")

Spans = Sequence[tuple[int, int]]
CPU = torch.device("cpu")


class HubSpanReader(SpanDecoder):
    """A checkpoint for question answering."""

    def __init__(self, network: Network, task: HubTask, runner: Runner) -> None:
        self._network = network
        super().__init__(
            network.encoder,
            Decoding(task.threshold),
            max_tokens=task.max_tokens,
            stride=min(STRIDE, task.max_tokens // 4),
            runner=runner,
        )

    def logits(self, passages: Sequence[Passage], width: int) -> Tensor:
        """Scores (b, w, 2) of each token as first and last; minus infinity where no answer may begin or end."""
        sequences = [passage.tokens for passage in passages]
        found = self._network.logits(sequences, width)
        logits = torch.stack([found["start_logits"], found["end_logits"]], dim=2)
        allowed = answerable(self._network.engine.sent(inputs(sequences, width)))
        return logits.masked_fill(~allowed.unsqueeze(-1), -torch.inf)

    def spans(self, asked: Sequence[tuple[str, str]], most: int) -> list[list[Answer]]:
        """The ``most`` best spans for each (question, text), best first, without the blanks at their ends."""
        found = super().spans(asked, most)
        return [[_trimmed(answer, text) for answer in answers] for answers, (_, text) in zip(found, asked, strict=True)]


def _trimmed(answer: Answer, text: str) -> Answer:
    """Tokens of byte-level and sentencepiece vocabularies begin with the blank before the word."""
    found = text[answer.start : answer.end]
    start = answer.start + len(found) - len(found.lstrip())
    return answer._replace(start=start, end=max(start, answer.start + len(found.rstrip())))


class Loaded(NamedTuple):
    """The networks of a profile by task, and what makes embeddings."""

    classifiers: Mapping[Task, HubClassifier]
    encoders: Mapping[Task, TextEncoder]
    spans: HubSpanReader | None
    embedder: Embedder
    embedding_encoder: TextEncoder
    runner: Runner


class HubBackend:
    """Public checkpoints behind the reader's methods."""

    def __init__(self, profile: HubProfile, loaded: Loaded) -> None:
        self._stated, self._loaded = profile.tasks, loaded
        self.runner = loaded.runner

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (texts, topic labels)."""
        task = self._stated["topic"]
        if task.hypotheses:
            return self._zero_shot(texts, task)
        return self._predict("topic", self._loaded.encoders["topic"].heads(texts, task.max_tokens))

    def _zero_shot(self, texts: Sequence[str], task: HubTask) -> NDArray[np.float32]:
        pairs = [(text, hypothesis) for text in texts for hypothesis in task.hypotheses]
        scores = self._loaded.classifiers["nli"].scores(self._loaded.encoders["nli"].pairs(pairs, task.max_tokens))
        entailed = scores[:, INFERENCES.index("entailment")].view(len(texts), len(task.hypotheses))
        return _numbers(entailed.softmax(dim=1))

    def sentiment(self, targets: Sequence[tuple[str, Spans]]) -> NDArray[np.float32]:
        """Probabilities of shape (targets, 3) of the sentences that mention the target, or of the whole text."""
        shown = [mentioning(text, spans) for text, spans in targets]
        size = self._stated["sentiment"].max_tokens
        return self._predict("sentiment", self._loaded.encoders["sentiment"].targets(shown, size, hide=False))

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities of shape (pairs, 3)."""
        return self._predict("nli", self._loaded.encoders["nli"].pairs(pairs, self._stated["nli"].max_tokens))

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """A span or none for each (question, text)."""
        assert self._loaded.spans is not None
        return self._loaded.spans.answers(asked)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (texts, 384) of the bundled encoder."""
        return self._loaded.embedder.vectors(self._loaded.embedding_encoder.heads(texts, MAX_TOKENS["topic"]))

    def _predict(self, task: Task, sequences: Any) -> NDArray[np.float32]:
        return self._loaded.classifiers[task].predict(sequences)


def _numbers(probabilities: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = probabilities.numpy()
    return found


def mentioning(text: str, spans: Spans) -> tuple[str, list[tuple[int, int]]]:
    """The sentences of a text that the spans lie in, joined by blanks, and where the spans then are.

    Without spans, the text as it is.
    """
    if not spans:
        return text, []
    kept: list[str] = []
    moved: list[tuple[int, int]] = []
    length = 0
    for start, end in _sentences(text):
        inside = [(max(a, start), min(b, end)) for a, b in spans if a < end and b > start]
        if inside:
            moved += [(a - start + length, b - start + length) for a, b in inside]
            kept.append(text[start:end])
            length += end - start + 1
    return (" ".join(kept), moved) if kept else (text, [])


def _sentences(text: str) -> list[tuple[int, int]]:
    found = _SENTENCE_END.finditer(text)
    ends = [one.span() for one in found if not _ABBREVIATION.search(text[max(0, one.start() - 8) : one.start()])]
    starts = [0, *(end for _, end in ends)]
    return list(zip(starts, [*(start for start, _ in ends), len(text)], strict=True))


def load_hub(
    profile: HubProfile, home: Path, batch_tokens: int, *, threads: int = 0, device: torch.device = CPU
) -> tuple[HubBackend, str]:
    """The backend of a profile and its version: all files are checked and loaded before any text is read.

    Raises:
        ModelError: a checkpoint is missing, changed, corrupt or not of the kind that its task needs.
    """
    files = find(profile, home)
    for name in profile.repositories:
        check_files(name, files[name], profile.name)
    dtype = choose_dtype(profile.dtype, device, home=home)
    engine = Padded(device)
    runner = Runner(batch_tokens, threads=threads, engine=engine)
    networks = {
        name: _load_task(name, task, files, dtype, engine) for name, task in profile.tasks.items() if task.checkpoint
    }
    if profile.topic.hypotheses and profile.nli:
        check_length(profile.nli.checkpoint, networks["nli"], profile.topic.max_tokens)
    loaded = Loaded(
        {name: _classifier(name, profile.tasks[name], networks[name], runner) for name in networks if name != "qa"},
        {name: network.encoder for name, network in networks.items()},
        HubSpanReader(networks["qa"], profile.tasks["qa"], runner) if "qa" in networks else None,
        *_embedding(dtype, runner),
        runner,
    )
    version = profile.version({name: of.sha256 for name, of in files.items()}, str(dtype))
    return HubBackend(profile, loaded), version


def _load_task(name: Task, task: HubTask, files: Mapping[str, Files], dtype: torch.dtype, engine: Padded) -> Network:
    network = load_network(task.checkpoint, files[task.checkpoint], name, dtype, engine)
    check_length(task.checkpoint, network, task.max_tokens)
    return network


def _classifier(name: Task, task: HubTask, network: Network, runner: Runner) -> HubClassifier:
    ours: Mapping[Task, tuple[str, ...]] = {"sentiment": SENTIMENTS, "nli": INFERENCES}
    # The profile's order of labels is that of the outputs; ours is that of the records.
    outputs = order_of(task.checkpoint, network.names, task.labels)
    by_label = dict(zip(task.labels, outputs, strict=True))
    return HubClassifier(name, network, [by_label[label] for label in ours.get(name, task.labels)], runner)


def _embedding(dtype: torch.dtype, runner: Runner) -> tuple[Embedder, TextEncoder]:
    bundled, device = find_encoder(BUNDLED), runner.engine.device
    weights = {name: tensor.to(device, dtype) for name, tensor in open_tensors(bundled.weights).tensors.items()}
    return Embedder(weights, runner), TextEncoder(bundled.tokenizer)

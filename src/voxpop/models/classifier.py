"""One task's network, ready to answer: the encoder with its adapter merged, and a linear head."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from voxpop.errors import ModelError
from voxpop.models.batching import Batch
from voxpop.models.bert import Weights, merged
from voxpop.models.checkpoint import EncoderFiles, check
from voxpop.models.encoding import TextEncoder, Tokens
from voxpop.models.ngrams import NGRAMS, Ngrams
from voxpop.models.profile import ADAPTER, HEAD, STRIDE, DType, Task, TaskProfile
from voxpop.models.running import Runner
from voxpop.models.settled import bf16_pays
from voxpop.models.spans import Decoding, SpanReader

METADATA = "voxpop"
"""Key of the files' metadata: JSON with ``encoder`` (SHA-256) and ``scale`` (alpha / r)."""


class Opened(NamedTuple):
    """Tensors of a safetensors file, and what it says of itself."""

    tensors: dict[str, Tensor]
    about: dict[str, Any]


def open_tensors(path: Path) -> Opened:
    """Reads a safetensors file.

    Raises:
        ModelError: it is missing or corrupt.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            return Opened({name: file.get_tensor(name) for name in file.keys()}, about)  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(f"The model file {path} is missing or corrupt: {error}.") from error


def open_encoder(files: EncoderFiles) -> dict[str, Tensor]:
    """The tensors of an encoder, in float32 whatever its file holds, with those of the layers that it stands on.

    Raises:
        ModelError: the file is corrupt.
    """
    below = {} if files.layers is None else open_encoder(files.layers)
    return below | {name: tensor.float() for name, tensor in open_tensors(files.weights).tensors.items()}


def fitting(files: EncoderFiles) -> set[str]:
    """What the encoders are called whose adapters fit ``files``: itself, and the one whose layers it stands on."""
    return {files.sha256} | ({files.layers.sha256} if files.layers is not None else set())


class Classifier:
    """Probabilities of one task's labels, calibrated by one ``temperature`` (Guo et al. 2017, arXiv 1706.04599).

    A head may have a linear part over n-grams, whose logits are added to the network's."""

    def __init__(self, task: str, weights: Weights, head: Weights, runner: Runner, temperature: float = 1.0) -> None:
        self._task, self._weights, self._head, self._runner = task, weights, head, runner
        self._temperature = temperature
        self._ngrams = ngrams_of(head)

    def predict(self, sequences: Sequence[Tokens]) -> NDArray[np.float32]:
        """Probabilities (sequences, labels), each row independent of the others to the last bit on a processor."""
        result = np.zeros((len(sequences), len(self._head["bias"])), dtype=np.float32)

        def compute(batch: Batch) -> Tensor:
            chosen = [sequences[i] for i in batch.indices]
            logits = self._logits(self._runner.engine.features(self._weights, chosen, batch.width))
            if self._ngrams is not None:
                logits = logits + torch.from_numpy(self._ngrams.logits(chosen)).to(logits.device)
            return self._runner.engine.fetch((logits / self._temperature).softmax(dim=1))

        for batch, probabilities in self._runner.run(self._task, [len(one.ids) for one in sequences], compute):
            result[batch.indices] = probabilities.numpy()
        return result

    def _logits(self, features: Tensor) -> Tensor:
        # Not a matrix product: its kernel, and so its last bits, would follow from the number of rows.
        return (features[:, None, :] * self._head["weight"]).sum(dim=2) + self._head["bias"]


def ngrams_of(head: Weights) -> Ngrams | None:
    """The part of a head over n-grams, where it has one."""
    return Ngrams(head[NGRAMS].cpu().numpy()) if NGRAMS in head else None


class Embedder:
    """Sentence embeddings of the encoder as it was pretrained, without an adapter."""

    def __init__(self, weights: Weights, runner: Runner) -> None:
        self._weights, self._runner = weights, runner

    def vectors(self, sequences: Sequence[Tokens]) -> NDArray[np.float32]:
        """Unit vectors (sequences, d): the mean of the tokens' hidden states, scaled."""
        result = np.zeros((len(sequences), hidden_size(self._weights)), dtype=np.float32)

        def compute(batch: Batch) -> Tensor:
            features = self._runner.engine.features(self._weights, [sequences[i] for i in batch.indices], batch.width)
            mean = features[:, : result.shape[1]]
            return self._runner.engine.fetch(torch.nn.functional.normalize(mean, dim=1))

        for batch, vectors in self._runner.run("embed", [len(one.ids) for one in sequences], compute):
            result[batch.indices] = vectors.numpy()
        return result


class Loaded(NamedTuple):
    """A task's weights: the encoder with the adapter merged; the head in float32; what the head says of itself."""

    weights: Weights
    head: Weights
    about: dict[str, Any]

    def to(self, device: torch.device) -> Loaded:
        """The same on ``device``."""
        weights, head = ({name: t.to(device) for name, t in of.items()} for of in (self.weights, self.head))
        return Loaded(weights, head, self.about)


def load_weights(task: TaskProfile, files: EncoderFiles, encoder: Weights, dtype: torch.dtype, features: int) -> Loaded:
    """The weights of a task over the float32 tensors ``encoder`` of ``files``; the head reads ``features`` numbers.

    Raises:
        ModelError: a file is missing, corrupt, not the one of the profile, or made for another encoder or label list.
    """
    for name, sha256 in task.sha256.items():
        check(task.adapter / name, sha256)
    places = len(encoder["embeddings.position_embeddings.weight"])
    if task.max_tokens > places:
        raise ModelError(f"The profile wants {task.max_tokens} tokens; the encoder {task.encoder} takes {places}.")
    adapter, about = open_tensors(task.adapter / ADAPTER)
    head, about_head = open_tensors(task.adapter / HEAD)
    if about.get("encoder") not in fitting(files):
        raise ModelError(f"The adapter in {task.adapter} was trained for another encoder than {task.encoder}.")
    try:
        weights = merged(encoder, adapter, float(about["scale"]))
        shapes = (tuple(head["weight"].shape), tuple(head["bias"].shape))
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(f"The adapter in {task.adapter} does not fit the encoder: {error}.") from error
    labels = len(task.labels)
    if shapes != ((labels, features), (labels,)) or (NGRAMS in head and head[NGRAMS].shape[1:] != (labels,)):
        raise ModelError(f"The head in {task.adapter} has not the {labels} labels of its profile.")
    cast = {name: tensor.to(dtype) for name, tensor in weights.items()}
    return Loaded(cast, {name: tensor.float() for name, tensor in head.items()}, about_head)


def load_classifier(
    name: Task, task: TaskProfile, files: EncoderFiles, encoder: Weights, dtype: torch.dtype, runner: Runner
) -> Classifier:
    """The classifier of a task, on the runner's device.

    Raises:
        ModelError: as :func:`load_weights`.
    """
    loaded = load_weights(task, files, encoder, dtype, 2 * hidden_size(encoder)).to(runner.engine.device)
    return Classifier(name, loaded.weights, loaded.head, runner, float(loaded.about.get("temperature", 1.0)))


def load_span_reader(
    task: TaskProfile,
    files: EncoderFiles,
    encoder: Weights,
    text_encoder: TextEncoder,
    dtype: torch.dtype,
    runner: Runner,
) -> SpanReader:
    """What answers questions, on the runner's device.

    Raises:
        ModelError: as :func:`load_weights`.
    """
    loaded = load_weights(task, files, encoder, dtype, hidden_size(encoder)).to(runner.engine.device)
    return SpanReader(
        text_encoder,
        loaded.weights,
        loaded.head,
        Decoding(**loaded.about.get("decoding", {})),
        max_tokens=task.max_tokens,
        stride=min(STRIDE, task.max_tokens // 4),
        runner=runner,
    )


def hidden_size(encoder: Weights) -> int:
    """Numbers for each token."""
    return encoder["embeddings.LayerNorm.bias"].numel()


BF16_GAIN = 1.5
"""How much faster bfloat16 must be measured than float32 before a processor uses it."""


def choose_dtype(wanted: DType, device: torch.device | None = None, *, home: Path | None = None) -> torch.dtype:
    """The number format of the encoder on ``device`` (None: the processor).

    "auto" is bfloat16 on a card, and on a processor that multiplies it in hardware, was measured to do so at least
    ``BF16_GAIN`` times as fast as float32, and computes each row by itself: the first time, where ``home`` keeps the
    answer, else when this is called. `voxpop bench` says how many labels it changes.
    """
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device is not None and device.type == "cuda":
        return torch.bfloat16
    pays = bf16_in_hardware() and bf16_pays(home, lambda: bf16_is_faster() and bf16_rows_agree())
    return torch.bfloat16 if pays else torch.float32


def bf16_in_hardware() -> bool:
    """Whether the processor multiplies bfloat16."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def bf16_is_faster() -> bool:
    """Whether the processor multiplies bfloat16 at least ``BF16_GAIN`` times as fast as float32."""
    return bf16_in_hardware() and _bf16_gain() >= BF16_GAIN


@torch.inference_mode()
def bf16_rows_agree() -> bool:
    """Whether a row of a product in bfloat16 is to the last bit what it is beside fewer rows.

    With AMX it is not: the order in which it is added up follows from how many there are, so that what is read in a
    text would depend on the texts beside it.
    """
    random = torch.Generator().manual_seed(1)
    for inner, outer in ((384, 384), (384, 1536), (1536, 384)):
        left, right = (torch.randn(rows, inner, generator=random).bfloat16() for rows in (512, outer))
        whole = torch.nn.functional.linear(left, right)
        for rows in (1, 5, 24, 100, 333):
            if not torch.equal(torch.nn.functional.linear(left[:rows], right), whole[:rows]):
                return False
    return True


@torch.inference_mode()
def _bf16_gain() -> float:
    """How many times as fast the encoder's largest product is in bfloat16, at the best of several turns: a busy
    machine slows both alike."""
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    for _ in range(6):
        for dtype in seconds:
            left, right = torch.ones((512, 384), dtype=dtype), torch.ones((1536, 384), dtype=dtype)
            start = time.perf_counter()
            torch.nn.functional.linear(left, right)
            seconds[dtype] = min(seconds[dtype], time.perf_counter() - start)
    return seconds[torch.float32] / seconds[torch.bfloat16]

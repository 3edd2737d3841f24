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
from voxpop.models.batching import plan
from voxpop.models.bert import Weights, encode, inputs, merged, pool
from voxpop.models.checkpoint import EncoderFiles, check
from voxpop.models.encoding import TextEncoder, Tokens
from voxpop.models.profile import ADAPTER, HEAD, STRIDE, DType, TaskProfile
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


class Classifier:
    """Probabilities of one task's labels, calibrated by one ``temperature`` (Guo et al. 2017, arXiv 1706.04599)."""

    def __init__(self, weights: Weights, head: Weights, batch_tokens: int, temperature: float = 1.0) -> None:
        self._weights, self._head, self._budget = weights, head, batch_tokens
        self._temperature = temperature

    @torch.inference_mode()
    def predict(self, sequences: Sequence[Tokens]) -> NDArray[np.float32]:
        """Probabilities (sequences, labels), each row independent of the others to the last bit."""
        result = np.zeros((len(sequences), len(self._head["bias"])), dtype=np.float32)
        for batch in plan([len(sequence.ids) for sequence in sequences], self._budget):
            logits = self._logits([sequences[i] for i in batch.indices], batch.width)
            result[batch.indices] = (logits / self._temperature).softmax(dim=1).numpy()
        return result

    def _logits(self, sequences: Sequence[Tokens], width: int) -> Tensor:
        batch = inputs(sequences, width)
        features = pool(encode(self._weights, batch), batch)  # (b, 768)
        # Not a matrix product: its kernel, and so its last bits, would follow from the number of rows.
        return (features[:, None, :] * self._head["weight"]).sum(dim=2) + self._head["bias"]


class Embedder:
    """Sentence embeddings of the encoder as it was pretrained, without an adapter."""

    def __init__(self, weights: Weights, batch_tokens: int) -> None:
        self._weights, self._budget = weights, batch_tokens

    @torch.inference_mode()
    def vectors(self, sequences: Sequence[Tokens]) -> NDArray[np.float32]:
        """Unit vectors (sequences, 384): the mean of the tokens' hidden states, scaled."""
        result = np.zeros((len(sequences), hidden_size(self._weights)), dtype=np.float32)
        for planned in plan([len(sequence.ids) for sequence in sequences], self._budget):
            batch = inputs([sequences[i] for i in planned.indices], planned.width)
            mean = pool(encode(self._weights, batch), batch)[:, : result.shape[1]]
            result[planned.indices] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return result


class Loaded(NamedTuple):
    """A task's weights: the encoder with the adapter merged; the head in float32; what the head says of itself."""

    weights: Weights
    head: Weights
    about: dict[str, Any]


def load_weights(task: TaskProfile, files: EncoderFiles, encoder: Weights, dtype: torch.dtype, features: int) -> Loaded:
    """The weights of a task over the float32 tensors ``encoder`` of ``files``; the head reads ``features`` numbers.

    Raises:
        ModelError: a file is missing, corrupt, not the one of the profile, or made for another encoder or label list.
    """
    for name, sha256 in task.sha256.items():
        check(task.adapter / name, sha256)
    adapter, about = open_tensors(task.adapter / ADAPTER)
    head, about_head = open_tensors(task.adapter / HEAD)
    if about.get("encoder") != files.sha256:
        raise ModelError(f"The adapter in {task.adapter} was trained for another encoder than {task.encoder}.")
    try:
        weights = merged(encoder, adapter, float(about["scale"]))
        shapes = (tuple(head["weight"].shape), tuple(head["bias"].shape))
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(f"The adapter in {task.adapter} does not fit the encoder: {error}.") from error
    if shapes != ((len(task.labels), features), (len(task.labels),)):
        raise ModelError(f"The head in {task.adapter} has not the {len(task.labels)} labels of its profile.")
    cast = {name: tensor.to(dtype) for name, tensor in weights.items()}
    return Loaded(cast, {name: tensor.float() for name, tensor in head.items()}, about_head)


def load_classifier(
    task: TaskProfile, files: EncoderFiles, encoder: Weights, dtype: torch.dtype, batch_tokens: int
) -> Classifier:
    """The classifier of a task.

    Raises:
        ModelError: as :func:`load_weights`.
    """
    weights, head, about = load_weights(task, files, encoder, dtype, 2 * hidden_size(encoder))
    return Classifier(weights, head, batch_tokens, float(about.get("temperature", 1.0)))


def load_span_reader(
    task: TaskProfile,
    files: EncoderFiles,
    encoder: Weights,
    text_encoder: TextEncoder,
    dtype: torch.dtype,
    batch_tokens: int,
) -> SpanReader:
    """What answers questions.

    Raises:
        ModelError: as :func:`load_weights`.
    """
    weights, head, about = load_weights(task, files, encoder, dtype, hidden_size(encoder))
    decoding = Decoding(**about.get("decoding", {}))
    return SpanReader(
        text_encoder,
        weights,
        head,
        decoding,
        max_tokens=task.max_tokens,
        stride=min(STRIDE, task.max_tokens // 4),
        batch_tokens=batch_tokens,
    )


def hidden_size(encoder: Weights) -> int:
    """Numbers for each token."""
    return encoder["embeddings.LayerNorm.bias"].numel()


def choose_dtype(wanted: DType) -> torch.dtype:
    """The number format of the encoder.

    "auto" is bfloat16 where the processor multiplies it in hardware and does so faster than float32.
    """
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    supported = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if supported and _bf16_is_faster() else torch.float32


@torch.inference_mode()
def _bf16_is_faster() -> bool:
    """Compares the encoder's largest product, at the best of several turns: a busy machine slows both alike."""
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    for _ in range(6):
        for dtype in seconds:
            left, right = torch.ones((512, 384), dtype=dtype), torch.ones((1536, 384), dtype=dtype)
            start = time.perf_counter()
            torch.nn.functional.linear(left, right)
            seconds[dtype] = min(seconds[dtype], time.perf_counter() - start)
    return seconds[torch.bfloat16] < seconds[torch.float32]

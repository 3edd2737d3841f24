"""How a batch is computed on a device. Here: padded to one width, which is what a processor does best.

The packed way of NVIDIA cards is :mod:`voxpop.models.cuda`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from voxpop.errors import ModelError
from voxpop.models.batching import Batch, plan
from voxpop.models.bert import Inputs, Weights, encode, inputs, pool
from voxpop.models.encoding import Tokens


class Engine(Protocol):
    """Computes the bundled encoder on ``device``, whose weights lie there."""

    device: torch.device

    def plan(self, lengths: Sequence[int], budget: int) -> Iterator[Batch]:
        """Batches of at most ``budget`` tokens."""

    def cost(self, batch: Batch, lengths: Sequence[int]) -> int:
        """Tokens that are computed for a batch, padding included."""

    def features(self, weights: Weights, sequences: Sequence[Tokens], width: int) -> Tensor:
        """Features (b, 768) in float32 on the device; see :func:`voxpop.models.bert.pool`."""

    def hidden(self, weights: Weights, sequences: Sequence[Tokens], width: int) -> tuple[Inputs, Tensor]:
        """The padded batch and its hidden states (b, w, 384) in float32, both on the device."""

    def fetch(self, tensor: Tensor) -> Tensor:
        """``tensor`` in main memory; its content has arrived after :meth:`finish`."""

    def finish(self) -> None:
        """Waits for what is under way."""


class Padded:
    """Padded batches on any device.

    On a processor a result depends on nothing but its own sequence, to the last bit.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    def plan(self, lengths: Sequence[int], budget: int) -> Iterator[Batch]:
        """Batches of one padded width."""
        return plan(lengths, budget)

    def cost(self, batch: Batch, lengths: Sequence[int]) -> int:
        """Padded tokens."""
        return batch.width * len(batch.indices)

    def features(self, weights: Weights, sequences: Sequence[Tokens], width: int) -> Tensor:
        """Features (b, 768) in float32."""
        batch, hidden = self.hidden(weights, sequences, width)
        return pool(hidden, batch)

    def hidden(self, weights: Weights, sequences: Sequence[Tokens], width: int) -> tuple[Inputs, Tensor]:
        """The padded batch and its hidden states (b, w, 384) in float32."""
        batch = self.sent(inputs(sequences, width))
        return batch, encode(weights, batch).float()

    def sent(self, batch: Inputs) -> Inputs:
        """The batch on the device."""
        return Inputs(*(send(part, self.device) for part in batch))

    def fetch(self, tensor: Tensor) -> Tensor:
        """``tensor`` in main memory, by a copy that does not wait on a card."""
        return fetch(tensor)

    def finish(self) -> None:
        """Waits for the card, if it is one."""
        finish(self.device)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on ``device``; to a card from pinned memory, without waiting."""
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def fetch(tensor: Tensor) -> Tensor:
    """A tensor in main memory; from a card into pinned memory, whose content is there after :func:`finish`."""
    if tensor.device.type == "cpu":
        return tensor
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def finish(device: torch.device) -> None:
    """Waits for what was queued on a card by this thread."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def find_device(wanted: str) -> torch.device:
    """The device of that name; "auto": the first NVIDIA card where torch can use one, else the processor.

    Raises:
        ModelError: it is none of "auto", "cpu", "cuda" and "cuda:N", or there is no such card.
    """
    if wanted == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    kind, _, number = wanted.partition(":")
    if kind not in ("cpu", "cuda") or (number and not (kind == "cuda" and number.isdecimal())):
        raise ModelError(f"No device is named {wanted!r}; there are auto, cpu, cuda and cuda:N.")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ModelError(f"The device {wanted} is not there: torch sees {torch.cuda.device_count()} NVIDIA cards.")
    return torch.device(kind, int(number or 0)) if kind == "cuda" else torch.device("cpu")


def batch_tokens_of(device: torch.device) -> int:
    """Tokens of a batch that a device does well: more than a processor's caches hold are no gain there, while a card
    reads 2.7 times as many texts a second with sixteen times as many."""
    return 65_536 if device.type == "cuda" else 4_096


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

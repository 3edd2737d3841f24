"""A training run's state on disk: one safetensors file, replaced as a whole, so a kill leaves the last good one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_RANDOM = "random_state"


class Trained(Protocol):
    """What a state is of."""

    def trained(self) -> dict[str, Tensor]:
        """The tensors that training changes, by name."""

    def memory(self) -> dict[str, Tensor]:
        """What must be remembered beside them."""

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Puts back what :meth:`memory` gave."""


def save(
    path: Path, network: Trained, optimizer: torch.optim.Optimizer, best: dict[str, Tensor], progress: dict[str, Any]
) -> None:
    """Writes weights, optimiser, torch's random state, the best weights so far and ``progress`` (JSON)."""
    tensors = {_RANDOM: torch.get_rng_state()}
    for name, parameter in network.trained().items():
        tensors[f"now/{name}"] = parameter.detach()
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer/{key}/{name}"] = torch.as_tensor(value)  # Adafactor counts its steps in an int
    tensors |= {f"method/{name}": value for name, value in network.memory().items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    partial = path.with_suffix(".partial")
    save_file({k: v.contiguous() for k, v in tensors.items()}, partial, {"progress": json.dumps(progress)})
    partial.replace(path)


def progress_of(path: Path) -> dict[str, Any]:
    """What ``save`` was told of the run; empty where nothing readable was saved."""
    try:
        with safe_open(path, "pt") as file:
            progress: dict[str, Any] = json.loads(file.metadata()["progress"])
            return progress
    except (FileNotFoundError, SafetensorError):
        return {}


def load(path: Path, network: Trained, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Puts a saved state back; the best weights so far, and the progress."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    torch.set_rng_state(tensors[_RANDOM])
    parameters = network.trained()
    for name, parameter in parameters.items():
        parameter.data.copy_(tensors[f"now/{name}"])
        optimizer.state[parameter] = {}
    for name, tensor in _under("optimizer/", tensors).items():
        key, _, of = name.partition("/")
        counted = key == "step" and not optimizer.defaults.get("fused")  # in main memory, but for fused kernels
        optimizer.state[parameters[of]][key] = tensor if counted else tensor.to(parameters[of].device)
    network.remember(_under("method/", tensors))
    return _under("best/", tensors), progress_of(path)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

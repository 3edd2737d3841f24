"""A warm start: the adapter and head of an earlier run, from which the next stage goes on.

Of a run of another task only the adapter is taken: what it learned of reading two texts side by side helps where pairs
are few (Phang et al. 2018, arXiv 1811.01088). An adapter of an encoder fits those too that stand on its layers, whose
words were brought near its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voxpop.errors import ModelError
from voxpop.models.checkpoint import EncoderFiles, sha256_of
from voxpop.models.classifier import fitting, open_tensors
from voxpop.models.ngrams import NGRAMS
from voxpop.models.profile import ADAPTER, HEAD, Task
from voxpop.training.export import CARD, METRICS
from voxpop.training.loop import Options
from voxpop.training.network import Network


def warm(
    network: Network, start: Path, task: Task, labels: Sequence[str], files: EncoderFiles, options: Options
) -> None:
    """Puts the weights in the folder ``start`` into ``network``; of another task all but the head.

    Raises:
        ModelError: they are missing, or of another encoder, list of labels or scale, or of a lower rank.
    """
    (adapter, about), (head, _) = open_tensors(start / ADAPTER), open_tensors(start / HEAD)
    head.pop(NGRAMS, None)  # fitted anew, beside what the network becomes
    wanted: dict[str, object] = {"encoder": files.sha256, "scale": options.alpha / options.rank}
    if about.get("encoder") in fitting(files):
        del wanted["encoder"]
    if about.get("task") == task:
        wanted["labels"] = list(labels)
    else:
        head = {name: tensor.detach().clone() for name, tensor in network.head.named_parameters()}
    for name, value in wanted.items():
        if about.get(name) != value:
            raise ModelError(f"{start} cannot be the start: its {name} is {about.get(name)!r}, not {value!r}.")
    try:
        network.warm(narrowed(adapter, options.rank), head)
    except ValueError as error:
        raise ModelError(f"{start} cannot be the start: {error}.") from error


def narrowed(adapter: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """An adapter whose pairs have at most ``rank``: those nearest to each product (Eckart and Young 1936)."""
    narrow = dict(adapter)
    for name in (name for name, tensor in adapter.items() if ".lora_A." in name and len(tensor) > rank):
        other = name.replace(".lora_A.", ".lora_B.")
        u, s, v = torch.linalg.svd(adapter[other].float() @ adapter[name].float(), full_matrices=False)
        root = s[:rank].sqrt()
        narrow |= {name: root.unsqueeze(1) * v[:rank], other: u[:, :rank] * root}
    return narrow


def named(start: Path | None) -> dict[str, str]:
    """What names a start whatever folder it lies in: the SHA-256 of its two files. Empty without one.

    Raises:
        ModelError: a file is missing.
    """
    return {} if start is None else {name: sha256_of(start / name) for name in (ADAPTER, HEAD)}


def record(
    out: Path, metrics: dict[str, Any], start: Path | None, repeats: Mapping[str, int], found: Mapping[str, Any]
) -> None:
    """Adds the start, the sets seen several times an epoch, and whatever else was ``found``, to the metrics in
    ``out``; start and repeats to the model card as well."""
    told = []
    before = dict(metrics)
    metrics.update(found)
    if start is not None:
        metrics["start"] = {"folder": start.name, **named(start)}
        told.append(f"Training went on from the adapter in `{start.name}` (SHA-256 {metrics['start'][ADAPTER]}).")
    if repeats:
        metrics["repeats"] = dict(repeats)
        told.append(f"Seen several times an epoch: {', '.join(f'{name} ({n} times)' for name, n in repeats.items())}.")
    if metrics != before:
        (out / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    if told:
        with (out / CARD).open("a", encoding="utf-8") as file:
            file.write("\n## Stages and repeats\n\n" + "\n".join(told) + "\n")

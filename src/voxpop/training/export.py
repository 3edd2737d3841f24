"""What a training run leaves behind: adapter, head, metrics, model card; and a profile made of two such folders."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from voxpop.errors import ModelError
from voxpop.models.checkpoint import BUNDLED, EncoderFiles, sha256_of, write_manifest
from voxpop.models.classifier import METADATA, choose_dtype, open_tensors
from voxpop.models.profile import ADAPTER, HEAD, MAX_TOKENS, Task, TaskProfile
from voxpop.training.card import card
from voxpop.training.datasets import Example, Split
from voxpop.training.judge import judge_answers, judge_labels
from voxpop.training.loop import Options
from voxpop.training.network import Network

METRICS, CARD, CONFIG = "metrics.json", "README.md", "adapter_config.json"
ENCODER = ("config.json", "folding.json", "model.safetensors", "tokenizer.json")
"""The files of an encoder that decide a result."""


def save_weights(
    out: Path, task: Task, labels: Sequence[str], network: Network, files: EncoderFiles, options: Options
) -> None:
    """Writes the adapter in float16 (readable by peft too) and the head, each naming the encoder and the labels."""
    about = {"task": task, "encoder": files.sha256, "scale": options.alpha / options.rank, "labels": list(labels)}
    save_tensors(out / ADAPTER, network.adapter(), about)
    save_tensors(out / HEAD, {"weight": network.head.weight, "bias": network.head.bias}, about)
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": f"sentence-transformers/{BUNDLED}" if files.name == BUNDLED else files.folder.name,
        "r": options.rank,
        "lora_alpha": options.alpha,
        "target_modules": sorted({name.split(".")[-1] for name in _modules(network)}),
        "inference_mode": True,
    }
    (out / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _modules(network: Network) -> set[str]:
    return {name.split(".lora_")[0] for name in network.adapter() if ".lora_" in name}


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes a file of an adapter's folder: its tensors, numbers in float16, and what it says of itself."""
    halves = {
        name: (tensor.detach().half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in tensors.items()
    }
    partial = path.with_suffix(".partial")
    # One key of metadata: with several their order in the file, and so its hash, would vary.
    save_file(halves, partial, {METADATA: json.dumps(about)})
    partial.chmod(0o644)  # safetensors lets only the owner read
    partial.replace(path)


def write_encoder(
    out: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any], *, layers: str | None = None
) -> None:
    """Writes an encoder's tensors in half precision, its config and, last, the manifest, beside tokenizer and folding.

    Args:
        layers: the encoder whose tensors are used where ``tensors`` has none.
    """
    halves = {name: tensor.detach().cpu().to(torch.float16).contiguous() for name, tensor in tensors.items()}
    save_file(halves, out / ENCODER[2], {"format": "pt"})
    (out / ENCODER[2]).chmod(0o644)  # safetensors lets only the owner read
    (out / ENCODER[0]).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    write_manifest(out, ("zh",), ENCODER, layers)


def task_profile(folder: Path, encoder: str = BUNDLED) -> tuple[Task, TaskProfile]:
    """The task that the adapter in ``folder`` was trained for, as a profile states it, over ``encoder``.

    Raises:
        ModelError: the folder holds no adapter of ours.
    """
    about = open_tensors(folder / ADAPTER).about
    if not about:
        raise ModelError(f"The adapter in {folder} was not made by Voxpop.")
    task: Task = about["task"]
    sha256 = {name: sha256_of(folder / name) for name in (ADAPTER, HEAD)}
    return task, TaskProfile(
        encoder=encoder, adapter=folder, labels=tuple(about["labels"]), sha256=sha256, max_tokens=MAX_TOKENS[task]
    )


def write_profile(
    path: Path, folders: Sequence[Path], languages: Sequence[str] = ("en",), encoder: str = BUNDLED
) -> None:
    """Writes a profile, named as its file, of the adapters in ``folders`` (one for each task) over ``encoder``: the
    bundled one by its name, or a folder."""
    lines = [f"name = {json.dumps(path.stem)}", f"languages = {json.dumps(list(languages))}", 'dtype = "auto"']
    named = encoder if encoder == BUNDLED else _relative(Path(encoder), path)
    for folder in folders:
        task, stated = task_profile(folder, named)
        relative = _relative(folder, path)
        hashes = ", ".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in stated.sha256.items())
        lines += ["", f"[{task}]", f"encoder = {json.dumps(stated.encoder)}", f"adapter = {json.dumps(relative)}"]
        lines += [f"max_tokens = {stated.max_tokens}", "labels = ["]
        lines += [f"  {json.dumps(label)}," for label in stated.labels]
        lines += ["]", f"sha256 = {{ {hashes} }}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _relative(folder: Path, profile: Path) -> str:
    """Always with a slash, by which a folder is told from a name."""
    return f"./{os.path.relpath(folder.resolve(), profile.parent.resolve())}"


def report(
    out: Path,
    data: Sequence[Path],
    parts: Mapping[Split, Sequence[Example]],
    files: EncoderFiles,
    options: Options,
    history: Sequence[Mapping[str, float]],
) -> dict[str, Any]:
    """Calibrates the written weights on the validation split and measures them on the test split, as they will be
    loaded; writes metrics and model card."""
    task, stated = task_profile(out, files.name)
    dtype = choose_dtype("auto")
    judge = judge_answers if task == "qa" else judge_labels
    found = judge(stated, parts, files, dtype)
    set_head_metadata(out / HEAD, found.head)
    metrics: dict[str, Any] = {
        "task": task,
        "rows": {name: len(part) for name, part in parts.items()},
        "dtype": str(dtype),
        **found.metrics,
        "validation": list(history),
        "options": asdict(options),
    }
    (out / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (out / CARD).write_text(card(metrics, stated, data, files.languages), encoding="utf-8")
    return metrics


def set_head_metadata(path: Path, about: Mapping[str, Any]) -> None:
    """Adds to what a head says of itself; its tensors stay as they are."""
    opened = open_tensors(path)
    save_tensors(path, opened.tensors, {**opened.about, **about})

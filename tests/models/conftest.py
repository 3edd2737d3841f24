"""A profile that can do all four tasks: the shipped ones, and inference and questions by tiny random adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from voxpop.models.bert import ADAPTED, layers_of
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.classifier import open_tensors
from voxpop.models.profile import ADAPTER, HEAD, INFERENCES, SHIPPED, Task
from voxpop.training.export import save_tensors, write_profile

RANK = 2
SCALE = 2.0


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """A reader sets the threads of the whole process; they are what they were when a test ends."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def four_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a profile in float32, with random weights for "nli" and "qa" beside the shipped ones."""
    folder = tmp_path_factory.mktemp("four")
    random_task(folder / "nli", "nli", INFERENCES, 768, seed=1)
    decoding = {"threshold": 0.25, "slope": 0.5, "offset": -1.0}
    random_task(folder / "qa", "qa", ("first", "last"), 384, seed=2, head_says={"decoding": decoding})
    shipped = [SHIPPED.parent / "models" / name for name in ("topic-en", "sentiment-en")]
    write_profile(folder / "four.toml", [*shipped, folder / "nli", folder / "qa"])
    return with_dtype(folder / "four.toml", "float32")


def with_dtype(profile: Path, dtype: str) -> Path:
    """The same profile in another number format, in a file beside it."""
    lines = profile.read_text("utf-8").splitlines()
    path = profile.with_name(f"four-{dtype}.toml")
    changed = [f'dtype = "{dtype}"' if line.startswith("dtype") else line for line in lines]
    path.write_text("\n".join(changed) + "\n", encoding="utf-8")
    return path


def random_task(
    folder: Path,
    task: Task,
    labels: tuple[str, ...],
    hidden: int,
    *,
    seed: int,
    head_says: Mapping[str, Any] | None = None,
) -> None:
    """Writes an adapter of rank 2 and a head with random weights, large enough to matter."""
    folder.mkdir()
    files = find_encoder(BUNDLED)
    encoder = open_tensors(files.weights).tensors
    shapes = {name: tensor.shape for name, tensor in encoder.items()}
    chance = torch.Generator().manual_seed(seed)
    adapter = {}
    for name in (f"encoder.layer.{layer}.{part}" for layer in range(layers_of(encoder)) for part in ADAPTED):
        rows, columns = shapes[f"{name}.weight"]
        for side, shape in (("A", (RANK, columns)), ("B", (rows, RANK))):
            adapter[f"base_model.model.{name}.lora_{side}.weight"] = 0.05 * torch.randn(shape, generator=chance)
    head = {"weight": 0.3 * torch.randn((len(labels), hidden), generator=chance), "bias": torch.zeros(len(labels))}
    about = {"task": task, "encoder": files.sha256, "scale": SCALE, "labels": list(labels)}
    save_tensors(folder / ADAPTER, adapter, about)
    save_tensors(folder / HEAD, head, {**about, **(head_says or {})})

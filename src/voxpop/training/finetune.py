"""Training of an adapter and a head for one task, on the CPU, that can be killed at any step and goes on from there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from voxpop.errors import SettingError
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.encoding import TextEncoder
from voxpop.models.profile import INFERENCES, TASKS, Task
from voxpop.records import SENTIMENTS, digest
from voxpop.training.answers import thinned, unanswerable, windows
from voxpop.training.contrast import contrasts
from voxpop.training.datasets import Example, Split, examples, split, tokens_of, without_repeats
from voxpop.training.export import report, save_weights
from voxpop.training.loop import Encoded, Loop, OnStep, Options, chosen
from voxpop.training.network import build
from voxpop.training.objectives import LabelObjective, Objective, SpanObjective, class_weights


def train(
    task: Task,
    data: Sequence[Path],
    out: Path,
    options: Options | None = None,
    *,
    quiet: bool = False,
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Trains ``task`` on ``data`` and writes adapter, head, metrics and model card to the folder ``out``.

    A run that was killed goes on from its last saved step when it is called again with the same task, data and
    options; its ``state.safetensors`` in ``out`` is removed at the end.

    Returns:
        the metrics, as written to ``metrics.json``.

    Raises:
        SettingError: no such task, unreadable data, an unknown sentiment, or too few texts to split.
        ModelError: the encoder is missing or another one.
    """
    options = options or Options()
    if task not in TASKS:
        raise SettingError(f"{task!r} is no task that can be trained; {', '.join(TASKS)} are")
    parts = split(without_repeats(examples(task, data)))
    if not all(parts.values()):
        raise SettingError("Too few texts: the training, validation and test splits would not all have one")
    labels = labels_of(task, parts["train"])
    files = find_encoder(BUNDLED)
    encoder = TextEncoder(files.tokenizer)
    parts = {name: completed(task, name, rows, options) for name, rows in parts.items()}
    training, validation = (encoded(task, parts[name], labels, encoder) for name in ("train", "validation"))

    out.mkdir(parents=True, exist_ok=True)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    network = build(files, len(labels), rank=options.rank, alpha=options.alpha, spans=task == "qa")
    known = (row.text + row.second + row.label for row in parts["train"])
    key = digest(task, json.dumps(chosen(options)), *known)
    objective = objective_of(task, training.gold, len(labels), options)
    loop = Loop(network, objective, training, validation, options, out / "state.safetensors", key)
    with _progress(quiet) as progress:
        best = loop.go(progress, on_step)
    network.load_state_dict(best, strict=False)
    save_weights(out, task, labels, network, files, options)
    metrics = report(out, data, parts, files, options, loop.at.history)
    loop.path.unlink()
    return metrics


def labels_of(task: Task, rows: Sequence[Example]) -> tuple[str, ...]:
    """The labels in their order: that of the records for sentiment and inference, else the alphabet's.

    Raises:
        SettingError: a label that the task does not know.
    """
    if task == "qa":
        return ("first", "last")
    found = {row.label for row in rows}
    if task == "topic":
        return tuple(sorted(found))
    known, kind = (SENTIMENTS, "sentiment") if task == "sentiment" else (INFERENCES, "inference")
    if unknown := sorted(found - set(known)):
        raise SettingError(f"{unknown[0]!r} is no {kind}; {', '.join(known)} are")
    return known


def completed(task: Task, part: Split, rows: Sequence[Example], options: Options) -> list[Example]:
    """A split with what is made from it: contrasts for training sentiment, unanswerable questions for all of QA."""
    if task == "sentiment" and part == "train":
        return [*rows, *contrasts(rows, options.contrasts, options.seed)]
    if task != "qa":
        return list(rows)
    if options.rows and part == "train":
        rows = thinned(rows, options.rows, options.seed)
    made = unanswerable(rows)
    return [*rows, *(thinned(made, round(options.unanswerable * len(rows)), options.seed) if part == "train" else made)]


def encoded(task: Task, rows: Sequence[Example], labels: Sequence[str], encoder: TextEncoder) -> Encoded:
    """The rows as the network sees them; those of a label that training never saw are left out."""
    if task == "qa":
        return Encoded(*windows(rows, encoder))
    index = {label: i for i, label in enumerate(labels)}
    known = [row for row in rows if row.label in index]
    return Encoded(tokens_of(task, known, encoder), torch.tensor([index[row.label] for row in known]))


def objective_of(task: Task, gold: torch.Tensor, count: int, options: Options) -> Objective:
    """What a task is trained for."""
    if task == "qa":
        return SpanObjective()
    weights = class_weights(gold, count) if options.class_weights else None
    return LabelObjective(count, smoothing=options.label_smoothing, weights=weights)


def _progress(quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), disable=quiet)

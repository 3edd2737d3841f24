"""What a run is trained on, and the loop that trains it, made from files and options."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from voxpop.errors import SettingError
from voxpop.models.checkpoint import BUNDLED, EncoderFiles, find_encoder
from voxpop.models.encoding import TextEncoder
from voxpop.models.profile import INFERENCES, TASKS, Task
from voxpop.records import SENTIMENTS, digest
from voxpop.training.answers import thinned, unanswerable, windows
from voxpop.training.augment import augmented
from voxpop.training.contrast import contrasts
from voxpop.training.datasets import Example, Split, examples, tokens_of, without_repeats
from voxpop.training.heldout import split_after
from voxpop.training.loop import Encoded, Loop, Options, chosen, steps_of
from voxpop.training.methods import build_network
from voxpop.training.objectives import LabelObjective, Objective, SpanObjective, class_weights
from voxpop.training.start import named, warm


@dataclass(frozen=True)
class Use:
    """How a run uses one set: each row of the training split ``repeat`` times an epoch; of the split at most ``rows``
    (0: all), among them every text of opposite labels; with ``agreed``, none of these at all."""

    repeat: int = 1
    rows: int = 0
    agreed: bool = False


class Prepared(NamedTuple):
    """A task's splits as they are trained on, its labels, the encoder, and two splits as the network sees them."""

    task: Task
    parts: dict[Split, list[Example]]
    labels: tuple[str, ...]
    files: EncoderFiles
    training: Encoded
    validation: Encoded


def prepare(
    task: Task,
    data: Sequence[Path],
    options: Options,
    earlier: Sequence[Path] = (),
    uses: Mapping[str, Use] | None = None,
    encoder: str = BUNDLED,
) -> Prepared:
    """Reads, splits, completes and encodes the sets.

    Raises:
        SettingError, ModelError: as :func:`voxpop.training.finetune.train`.
    """
    uses = uses or {}
    parts = parts_of(task, data, earlier, [name for name, use in uses.items() if use.agreed])
    labels = labels_of(task, parts["train"])
    files = find_encoder(encoder)
    parts["train"] = written = few(parts["train"], uses, options.seed)
    parts = {name: completed(task, name, rows, options) for name, rows in parts.items()}
    parts["train"] += repeats(parts["train"], written, uses)
    parts["train"] += copies(parts["train"], options)
    text_encoder = TextEncoder.of(files)
    training, validation = (encoded(task, parts[name], labels, text_encoder) for name in ("train", "validation"))
    return Prepared(task, parts, labels, files, training, validation)


def loop_of(ready: Prepared, options: Options, path: Path, start: Path | None = None) -> Loop:
    """A loop with a fresh network, or that of ``start``; its state is kept at ``path``."""
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    task, labels, training = ready.task, ready.labels, ready.training
    steps = options.epochs * steps_of(training, options)
    network = build_network(ready.files, len(labels), options, steps=steps, spans=task == "qa")
    if start is not None:
        warm(network, start, task, labels, ready.files, options)
    objective = objective_of(task, training.gold, len(labels), options)
    key = key_of(task, ready.parts["train"], options, start, ready.files)
    return Loop(network, objective, training, ready.validation, options, path, key)


def parts_of(
    task: Task, data: Sequence[Path], earlier: Sequence[Path] = (), agreed: Collection[str] = ()
) -> dict[Split, list[Example]]:
    """The three splits of the sets, without repeats.

    Raises:
        SettingError: no such task, unreadable data, or a split without a row.
    """
    if task not in TASKS:
        raise SettingError(f"{task!r} is no task that can be trained; {', '.join(TASKS)} are")
    before = without_repeats(examples(task, earlier))
    parts = split_after(without_repeats(examples(task, data, agreed)), before)
    if not all(parts.values()):
        raise SettingError("Too few texts: the training, validation and test splits would not all have one")
    return parts


def key_of(task: Task, rows: Sequence[Example], options: Options, start: Path | None, files: EncoderFiles) -> str:
    """What names a run: its task, options, encoder, start and training rows."""
    known = (row.text + row.second + row.label for row in rows)
    return digest(task, json.dumps(chosen(options)), files.sha256, *named(start).values(), *known)


def few(rows: Sequence[Example], uses: Mapping[str, Use], seed: int) -> list[Example]:
    """The rows without those that their set has beyond its most, chosen at random; texts of opposite labels stay."""
    labels: dict[str, set[str]] = {}
    for row in rows:
        labels.setdefault(row.text, set()).add(row.label)
    kept = list(rows)
    for source, use in uses.items():
        if use.rows:
            mine = [
                i
                for i, row in enumerate(kept)
                if row.source == source and not {"negative", "positive"} <= labels[row.text]
            ]
            out = {mine[i] for i in np.random.default_rng(seed).permutation(len(mine))[use.rows :]}
            kept = [row for i, row in enumerate(kept) if i not in out]
    return kept


def repeats(rows: Sequence[Example], written: Sequence[Example], uses: Mapping[str, Use]) -> list[Example]:
    """Further copies of the rows whose set is used several times: of those ``written``, not of what is made of them."""
    times = {source: use.repeat - 1 for source, use in uses.items()}
    known = set(written) if any(times.values()) else set()
    return [row for row in rows if row in known for _ in range(times.get(row.source, 0))]


def copies(rows: Sequence[Example], options: Options) -> list[Example]:
    """Altered copies of training rows, where they are asked for."""
    if not options.augment:
        return []
    translate = None
    if options.translation:
        from voxpop.training.translate import translator

        translate = translator(*map(Path, options.translation))
    return augmented(rows, options.augment, options.augment_share, options.seed, translate)


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

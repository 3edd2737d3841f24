"""Sentiment towards entities of opposite label in one text: five-fold over all such texts of the open sets.

    python benchmarks/opposites.py DATA OUT

DATA is the folder of the sets. The recipe's first stage is run once, without any such text; for each fold the second
is run without the fold's texts, and asked about them. Stopped and started again it goes on where it was.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.classifier import choose_dtype, load_classifier, open_tensors
from voxpop.models.encoding import TextEncoder
from voxpop.models.running import Runner
from voxpop.records import digest
from voxpop.training.datasets import Example, examples, opposed, read_rows, tokens_of
from voxpop.training.export import METRICS, task_profile
from voxpop.training.finetune import train
from voxpop.training.prepare import Use
from voxpop.training.recipe import find_set, read_recipe

SETS = ("sentiment_en_sentfin", "entity_sentiment_en_finentity")
FOLDS = 5
RESAMPLES = 10_000


def main(data: Path, out: Path) -> None:
    """Runs the folds and prints accuracy over the entities, with a 95 % interval by resampling the texts."""
    general = out / "general"
    if not (general / METRICS).exists():
        stage = read_recipe("everyday", "sentiment")[0]
        uses = {name: Use(agreed=True) for name in SETS}
        train("sentiment", [find_set(of.name, data) for of in stage.sets], general, stage.chosen(), uses=uses)
    right: list[list[bool]] = []
    for fold in range(FOLDS):
        folder = out / f"fold{fold}"
        done = folder / "right.json"
        if not done.exists():
            done.write_text(json.dumps(held_out(data, general, folder, fold)), encoding="utf-8")
        right += json.loads(done.read_text(encoding="utf-8"))
        sys.stdout.write(f"fold {fold + 1}: {accuracy(right):.3f} so far\n")
    random = np.random.default_rng(1)
    drawn = [accuracy([right[i] for i in random.integers(len(right), size=len(right))]) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    entities = sum(map(len, right))
    whole = sum(map(all, right)) / len(right)
    sys.stdout.write(
        f"{len(right)} texts, {entities} entities: accuracy {accuracy(right):.3f}, 95 % interval {low:.3f} to"
        f" {high:.3f}; all entities right in {whole:.3f} of the texts\n"
    )


def accuracy(right: list[list[bool]]) -> float:
    """Share of entities read rightly."""
    flat = [one for of_text in right for one in of_text]
    return sum(flat) / len(flat)


def held_out(data: Path, general: Path, folder: Path, fold: int) -> list[list[bool]]:
    """Trains without the fold's texts; for each of them, which of its entities are then read rightly."""
    folder.mkdir(parents=True, exist_ok=True)
    asked: list[Example] = []
    for name in SETS:
        rows = [dict(row) for row in read_rows(data / f"{name}.jsonl.gz")]
        kept = [row for row in rows if not (opposed(row) and fold_of(row) == fold)]
        left = [row for row in rows if opposed(row) and fold_of(row) == fold]
        for path, part in ((folder / f"{name}.jsonl", kept), (folder / f"{name}.left.jsonl", left)):
            path.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
        asked += [row for row in examples("sentiment", [folder / f"{name}.left.jsonl"]) if row.spans]
    stage = read_recipe("everyday", "sentiment")[-1]
    sets = [folder / f"{of.name}.jsonl" if of.name in SETS else find_set(of.name, data) for of in stage.sets]
    uses = {of.name: Use(of.repeat, of.rows, of.agreed) for of in stage.sets}
    train("sentiment", sets, folder / "run", stage.chosen(), start=general, uses=uses)
    return judged([row for row in asked if row.label != "neutral"], folder / "run")


def fold_of(row: dict[str, Any]) -> int:
    """The fold of a text, by a hash."""
    return int(digest(row["text"]), 16) % FOLDS


def judged(rows: list[Example], run: Path) -> list[list[bool]]:
    """By text: whether each of its entities gets its label."""
    _, stated = task_profile(run)
    files = find_encoder(BUNDLED)
    weights = open_tensors(files.weights).tensors
    classifier = load_classifier("sentiment", stated, files, weights, choose_dtype("auto"), Runner(4096))
    found = classifier.predict(tokens_of("sentiment", rows, TextEncoder(files.tokenizer))).argmax(axis=1)
    by_text: dict[str, list[bool]] = {}
    for row, label in zip(rows, found, strict=True):
        by_text.setdefault(row.text, []).append(stated.labels[label] == row.label)
    return list(by_text.values())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))

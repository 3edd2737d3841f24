"""What each switch of training is worth: sentiment, the same few rows, one switch a run.

    python benchmarks/switches.py DATA OUT [ROWS]

DATA is the folder of the sets. Every run is judged by the same held-out texts, as they are and with typing errors in
them; the intervals of the differences to the plain run come from resampling these texts. Stopped and started again it
goes on where it was.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.encoding import TextEncoder
from voxpop.training.augment import augmented
from voxpop.training.datasets import Example
from voxpop.training.measures import confusion, figures
from voxpop.training.options import Options
from voxpop.training.prepare import Prepared, copies, encoded, labels_of, loop_of, parts_of

SETS = ("sentiment_en_sentfin", "sentiment_en_twitter", "entity_sentiment_en_finentity")
PLAIN = Options(epochs=1)
VARIANTS: dict[str, Options] = {
    "plain (LoRA, AdamW)": PLAIN,
    "class weights": replace(PLAIN, class_weights=True),
    "adversarial passes (FGM, 1.0)": replace(PLAIN, fgm=1.0),
    "typing errors and noise": replace(PLAIN, augment=("typos", "noise"), augment_share=0.5),
    "synonyms": replace(PLAIN, augment=("synonyms",), augment_share=0.5),
    "other names": replace(PLAIN, augment=("entities",), augment_share=0.5),
    "two passes a step": replace(PLAIN, accumulate=2),
    "Adafactor": replace(PLAIN, optimizer="adafactor"),
    "AdaLoRA": replace(PLAIN, method="adalora"),
    "prefix of 16": replace(PLAIN, method="prefix", learning_rate=5e-3),
    "all weights": replace(PLAIN, method="full", learning_rate=5e-5),
}
TEST_ROWS = 800
RESAMPLES = 2_000

Labels = NDArray[np.int64]


def main(data: Path, out: Path, most: int) -> None:
    """Runs what has not been run yet, and prints a table."""
    out.mkdir(parents=True, exist_ok=True)
    parts = parts_of("sentiment", [data / f"{name}.jsonl.gz" for name in SETS])
    training, validation, test = (
        thinned(parts[name], rows) for name, rows in (("train", most), ("validation", 200), ("test", TEST_ROWS))
    )
    typed = augmented(test, ("typos", "noise"), 1.0, seed=1)
    labels = labels_of("sentiment", training)
    encoder = TextEncoder(find_encoder(BUNDLED).tokenizer)
    judged = {name: encoded("sentiment", rows, labels, encoder) for name, rows in (("plain", test), ("typed", typed))}
    for name, options in VARIANTS.items():
        path = out / f"{name.replace(' ', '-')}.json"
        if not path.exists():
            rows = [*training, *copies(training, options)]
            ready = Prepared(
                "sentiment",
                {"train": rows, "validation": validation, "test": test},
                labels,
                find_encoder(BUNDLED),
                *(encoded("sentiment", of, labels, encoder) for of in (rows, validation)),
            )
            loop = loop_of(ready, options, out / "state.safetensors")
            with Progress(disable=not sys.stderr.isatty()) as progress:
                loop.network.load_state_dict(loop.go(progress), strict=False)
            found = {kind: loop.guesses(of).tolist() for kind, of in judged.items()}
            (out / "state.safetensors").unlink()
            path.write_text(json.dumps(found), encoding="utf-8")
    print_table(out, {kind: of.gold.numpy() for kind, of in judged.items()}, len(labels), len(training))


def thinned(rows: Sequence[Example], most: int) -> list[Example]:
    """``most`` of the rows, chosen at random."""
    return [rows[i] for i in np.random.default_rng(3).permutation(len(rows))[:most]]


def print_table(out: Path, gold: dict[str, Labels], labels: int, rows: int) -> None:
    """Macro-F1 of each run, and what it gains over the plain one with its 95 % interval."""
    sys.stdout.write(
        f"{rows} training rows, one epoch; macro-F1 on {', '.join(f'{len(g)} {k}' for k, g in gold.items())}\n"
    )
    sys.stdout.write("| switch | texts as they are | gain | with typing errors | gain |\n|---|---|---|---|---|\n")
    found = {name: json.loads((out / f"{name.replace(' ', '-')}.json").read_text("utf-8")) for name in VARIANTS}
    plain = next(iter(found.values()))
    for name, of in found.items():
        cells = []
        for kind, true in gold.items():
            mine, base = np.array(of[kind]), np.array(plain[kind])
            low, high = interval(true, mine, base, labels)
            gain = macro_f1(true, mine, labels) - macro_f1(true, base, labels)
            cells += [
                f"{macro_f1(true, mine, labels):.3f}",
                "" if of is plain else f"{gain:+.3f} ({low:+.3f} to {high:+.3f})",
            ]
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")


def macro_f1(true: Labels, found: Labels, labels: int) -> float:
    """Of labels given by number."""
    return figures(confusion(true, found, labels)).macro_f1


def interval(true: Labels, mine: Labels, base: Labels, labels: int) -> tuple[float, float]:
    """The 95 % interval of the gain of ``mine`` over ``base``, by resampling the texts."""
    random = np.random.default_rng(1)
    drawn = []
    for _ in range(RESAMPLES):
        at = random.integers(len(true), size=len(true))
        drawn.append(macro_f1(true[at], mine[at], labels) - macro_f1(true[at], base[at], labels))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) == 4 else 2400)

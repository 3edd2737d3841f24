"""The reader on an NVIDIA card: beside transformers on the same card, packed beside padded, graphs beside none.

    python benchmarks/card.py [TEXTS]

Contenders take turns in one run. Labels and probabilities are held beside those of the processor in float32.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
import torch

from voxpop import models
from voxpop.bench.peers import Peer
from voxpop.bench.reading import opinions
from voxpop.bench.run import written
from voxpop.bench.timing import interleaved
from voxpop.models import Target
from voxpop.models.checkpoint import find_encoder
from voxpop.models.classifier import Classifier, load_classifier, open_encoder
from voxpop.models.cuda import Packed
from voxpop.models.encoding import TextEncoder
from voxpop.models.engine import Engine, Padded
from voxpop.models.profile import read_profile
from voxpop.models.reader import Reader
from voxpop.models.running import Runner

TURNS = 5
BUDGETS = (4_096, 16_384, 65_536)
FEW = (1, 4, 16)
REPEATS = 50


def main(count: int) -> None:
    """Measures and prints."""
    say(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {count} texts, {TURNS} turns")
    texts = written(count)
    agreement(texts[:256])
    peers(texts)
    engines(texts)
    small(texts)


def say(line: str) -> None:
    """A line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def agreement(texts: Sequence[str]) -> None:
    """Labels and probabilities of the card against those of the processor."""
    card, processor = (models.load("english", device=device) for device in ("cuda", "cpu"))
    targets = [Target(text, ()) for text in texts]
    for name, ours, theirs in (
        ("topic", card.topics(texts), processor.topics(texts)),
        ("sentiment", card.sentiment(targets), processor.sentiment(targets)),
    ):
        equal = (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()
        say(f"{name}: equal labels {equal:.2%}, probabilities within {np.abs(ours - theirs).max():.4f}")


def peers(texts: Sequence[str]) -> None:
    """Topic and sentiment by the reader, and by transformers' pipeline in both number formats."""
    stated = read_profile("english")
    contenders: dict[str, Callable[[], object]] = {}
    for budget in BUDGETS:
        reader: Reader = models.load("english", device="cuda", batch_tokens=budget)
        contenders[f"ours, {budget} tokens a batch"] = lambda reader=reader: opinions(reader, texts)  # type: ignore[misc]
    for dtype in (torch.float32, torch.bfloat16):
        pair = [(Peer(of, "cuda", dtype), of.max_tokens) for of in (stated.topic, stated.sentiment)]
        contenders[f"pipeline(batch_size=32), {dtype}"] = lambda pair=pair: [  # type: ignore[misc]
            peer.arriving(texts, 32) for peer, _ in pair
        ]
        contenders[f"sorted batches of 256, cut alike, {dtype}"] = lambda pair=pair: [  # type: ignore[misc]
            peer.sorted(texts, 256, most) for peer, most in pair
        ]
    shown(contenders, len(texts), "topic + sentiment, texts a second")


def classifier(engine: Engine, budget: int, dtype: torch.dtype = torch.bfloat16) -> Classifier:
    """The topic classifier on an engine."""
    stated = read_profile("english").topic
    files = find_encoder(stated.encoder)
    return load_classifier("topic", stated, files, open_encoder(files), dtype, Runner(budget, engine=engine))


def engines(texts: Sequence[str]) -> None:
    """The bare model, packed and padded to one width, over texts that are tokenised already."""
    stated = read_profile("english").topic
    sequences = TextEncoder.of(find_encoder(stated.encoder)).heads(texts, stated.max_tokens)
    contenders: dict[str, Callable[[], object]] = {}
    for budget in BUDGETS:
        for name, engine in (("packed", Packed("cuda")), ("padded", Padded("cuda"))):
            of = classifier(engine, budget)
            contenders[f"{name}, {budget} tokens a batch"] = lambda of=of: of.predict(sequences)  # type: ignore[misc]
    tokens = sum(len(one.ids) for one in sequences)
    shown(contenders, tokens, "topic, model alone, tokens a second")


def small(texts: Sequence[str]) -> None:
    """Milliseconds until a few texts are answered, with and without captured graphs."""
    stated = read_profile("english").topic
    short = TextEncoder.of(find_encoder(stated.encoder)).heads([text[:200] for text in texts[: max(FEW)]], 48)
    graphs, plain = Packed("cuda"), Packed("cuda")
    plain._graphs = None
    kinds = {"graphs": classifier(graphs, 4096), "none": classifier(plain, 4096)}
    for count in FEW:
        contenders: dict[str, Callable[[], object]] = {
            name: (lambda of=of, count=count: [of.predict(short[:count]) for _ in range(REPEATS)])  # type: ignore[misc]
            for name, of in kinds.items()
        }
        interleaved(contenders, 1, lambda _: None)
        timed = interleaved(contenders, TURNS, lambda _: None)
        found = ", ".join(f"{name} {1000 * timed.median(name) / REPEATS:.2f} ms" for name in contenders)
        say(f"{count} short texts: {found}")


def shown(contenders: dict[str, Callable[[], object]], units: int, what: str) -> None:
    """Warms up, measures in turns, and prints rates and ratios to the first."""
    interleaved(contenders, 1, lambda _: None)
    timed = interleaved(contenders, TURNS, lambda _: None)
    first = next(iter(contenders))
    say(f"{what}:")
    for name in contenders:
        say(f"  {name}: {units / timed.median(name):,.0f} ({timed.ratio(name, first):.2f} times the time of the first)")


if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit("There is no NVIDIA card here.")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4096)

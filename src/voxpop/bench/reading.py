"""The reader against others that run the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from voxpop import models
from voxpop.bench import policies
from voxpop.bench.peers import LONGEST, Peer
from voxpop.bench.texts import NEWS_SPREAD, NEWS_TOKENS, TWEET_SPREAD, TWEET_TOKENS, Writer, lengths
from voxpop.bench.timing import Row, Tell, at_least, at_most, interleaved
from voxpop.models import Target
from voxpop.models.checkpoint import find_encoder
from voxpop.models.classifier import bf16_in_hardware, choose_dtype, load_classifier, open_tensors
from voxpop.models.encoding import TextEncoder
from voxpop.models.profile import SHIPPED, Profile, read_profile
from voxpop.models.reader import Reader
from voxpop.models.running import Runner

PROFILE = "english"
WINDOW = 2048
SHORT, MANY = 12, 64


class Given(NamedTuple):
    """What to measure on, how often, and who is told what is going on."""

    texts: Sequence[str]
    runs: int
    tell: Tell


def opinions(reader: Reader, texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Labels of topic and of sentiment of whole texts, none remembered."""
    reader.forget()
    topics, sentiment = reader.topics(texts), reader.sentiment([Target(text, ()) for text in texts])
    return topics.argmax(axis=1).tolist(), sentiment.argmax(axis=1).tolist()


def against_peers(given: Given, reader: Reader) -> list[Row]:
    """Topic and sentiment by the reader, by the pipeline, and by batches of the whole set sorted by length."""
    stated = read_profile(PROFILE)
    peers = [(Peer(of), of.max_tokens) for of in (stated.topic, stated.sentiment)]
    found: dict[str, Sequence[Sequence[int]]] = {}

    def contenders(texts: Sequence[str]) -> dict[str, Callable[[], object]]:
        return {
            "ours": lambda: found.update(ours=opinions(reader, texts)),
            "pipeline": lambda: [peer.arriving(texts, 32) for peer, _ in peers],
            "pipeline, cut alike": lambda: [peer.arriving(texts, 32, most) for peer, most in peers],
            "sorted": lambda: found.update(sorted=[peer.sorted(texts, 32, most) for peer, most in peers]),
        }

    interleaved(contenders(given.texts[:2]), 1, lambda _: None)  # what is set up on first use is no one's fault
    timed = interleaved(contenders(given.texts), given.runs, given.tell)
    equal = float(np.mean(np.array(found["ours"]) == np.array(found["sorted"])))
    rates = ", ".join(f"{name} {len(given.texts) / timed.median(name):.1f}" for name in timed.seconds)
    numbers = "both fp32" if reader_dtype() is torch.float32 else f"ours in {reader_dtype()}, theirs in fp32"
    return [
        at_least(
            "topic + sentiment: ours over pipeline(batch_size=32)", timed.ratio("pipeline", "ours"), 6, note=numbers
        ),
        Row(
            name="the same, their texts cut to our tokens",
            value=timed.ratio("pipeline, cut alike", "ours"),
            note=f"{stated.topic.max_tokens} for topic, {stated.sentiment.max_tokens} for sentiment; {numbers}",
        ),
        at_least(
            "topic + sentiment: ours over sorted batches of 32",
            timed.ratio("sorted", "ours"),
            0.98,
            note=f"cut alike; {numbers}; equal labels {equal:.2%}",
        ),
        Row(name="documents a second", value=len(given.texts) / timed.median("ours"), unit="/s", note=rates),
    ]


def reader_dtype() -> torch.dtype:
    """The number format of the English profile on this machine."""
    return choose_dtype(read_profile(PROFILE).dtype)


def one_long(given: Given, reader: Reader) -> Row:
    """One long text among many short ones."""
    peer, writer = Peer(read_profile(PROFILE).topic), Writer()
    texts = writer.texts([*[SHORT] * (MANY // 2), LONGEST, *[SHORT] * (MANY - MANY // 2 - 1)], seed=5)
    contenders = {
        "ours": lambda: topics(reader, texts),
        "pipeline": lambda: peer.arriving(texts, MANY),
    }
    timed = interleaved(contenders, given.runs, lambda said: given.tell(f"one long among short: {said}"))
    name = f"one text of {LONGEST} tokens among {MANY - 1} of {SHORT}: ours over pipeline(batch_size={MANY})"
    return at_least(name, timed.ratio("pipeline", "ours"), 5, note="topic")


def topics(reader: Reader, texts: Sequence[str]) -> list[int]:
    """Labels, none remembered."""
    reader.forget()
    labels: list[int] = reader.topics(texts).argmax(axis=1).tolist()
    return labels


def ten_times(given: Given, reader: Reader) -> Row:
    """Ten times the documents, of the same lengths."""
    few = lengths(max(len(given.texts) // 6, 2), NEWS_TOKENS, NEWS_SPREAD, seed=3)
    texts = {"one": Writer().texts(few, seed=3), "ten": Writer().texts(few * 10, seed=4)}
    contenders = {name: (lambda of=of: topics(reader, of)) for name, of in texts.items()}
    timed = interleaved(contenders, given.runs, lambda said: given.tell(f"ten times the documents: {said}"))
    return at_most(
        "time for ten times the documents",
        timed.ratio("ten", "one"),
        10.5,
        note=f"{len(few)} and {10 * len(few)} texts",
    )


def padded() -> list[Row]:
    """Padded over real tokens of a window of news and one of posts."""
    rows = []
    for mean, spread, most in ((NEWS_TOKENS, NEWS_SPREAD, 1.05), (TWEET_TOKENS, TWEET_SPREAD, 1.15)):
        of_texts = lengths(WINDOW, mean, spread)
        others = policies.padding(of_texts, policies.arriving)
        note = f"{WINDOW:,} texts; order of arrival in 32s: {others:.2f}"
        rows.append(at_most(f"padded over real tokens, mean {mean}", policies.padding(of_texts), most, note=note))
    return rows


def by_policy(given: Given) -> Mapping[str, float]:
    """Texts a second of the topic task by batch policy."""
    stated = read_profile(PROFILE).topic
    files = find_encoder(stated.encoder)
    encoder, weights = TextEncoder(files.tokenizer), open_tensors(files.weights).tensors
    sequences = encoder.heads(given.texts, stated.max_tokens)
    runners = {name: Runner(1 << 20, engine=policies.Policy(plan)) for name, plan in policies.POLICIES.items()}
    classifiers = {
        name: load_classifier("topic", stated, files, weights, reader_dtype(), runner)
        for name, runner in runners.items()
    }
    contenders = {name: (lambda of=of: of.predict(sequences)) for name, of in classifiers.items()}
    timed = interleaved(contenders, given.runs, lambda said: given.tell(f"policy: {said}"))
    return {name: len(sequences) / timed.median(name) for name in contenders}


def formats(given: Given, folder: Path) -> list[Row]:
    """bfloat16 against float32, where the processor multiplies it."""
    if not bf16_in_hardware():
        return [Row(name="bf16 / fp32", value=None, note="fp32: no bf16 in hardware")]
    readers = {name: models.load(variant(folder, dtype=name), device="cpu") for name in ("float32", "bfloat16")}
    labels: dict[str, tuple[list[int], list[int]]] = {}
    contenders: dict[str, Callable[[], object]] = {
        name: (lambda name=name, of=of: labels.update({name: opinions(of, given.texts)}))  # type: ignore[misc]
        for name, of in readers.items()
    }
    timed = interleaved(contenders, given.runs, given.tell)
    equal = np.mean(np.array(labels["float32"]) == np.array(labels["bfloat16"]))
    return [
        at_least("bf16 / fp32", timed.ratio("float32", "bfloat16"), 1.5),
        at_least("labels of bf16 that are those of fp32", 100 * float(equal), 99.5, unit="%"),
    ]


def variant(folder: Path, *, dtype: str = "", only: Sequence[str] = ("topic", "sentiment", "nli", "qa")) -> str:
    """The path of the English profile with another number format, or fewer tasks, written into ``folder``."""
    stated: Profile = read_profile(PROFILE)
    head, *sections = (SHIPPED / f"{PROFILE}.toml").read_text(encoding="utf-8").split("\n[")
    kept = [part for part in sections if part.split("]", 1)[0] in only]
    whole = "\n[".join([head, *kept]).replace('"../models/', f'"{SHIPPED.parent}/models/')
    path = folder / f"{PROFILE}-{dtype or stated.dtype}-{len(kept)}.toml"
    path.write_text(whole.replace(f'dtype = "{stated.dtype}"', f'dtype = "{dtype or stated.dtype}"'), encoding="utf-8")
    return str(path)

"""Plain text for pretraining: paragraphs, a vocabulary of them, and the blocks of tokens that a network sees.

A file is text, a paragraph a line, or one of our labelled sets, of which the texts are taken; gzip or not. Files keep
the order of their documents, so neighbouring paragraphs fill a block together.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from voxpop.errors import SettingError
from voxpop.models.encoding import CLS, SEP, TextEncoder, Tokens
from voxpop.records import digest
from voxpop.training.datasets import read_rows

SPECIAL = ("[PAD]", *(f"[unused{n}]" for n in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""The first 104 entries of the vocabulary, where BERT has them, so that one frame serves every encoder."""

WIDTHS = (128, 256)
"""Tokens of a block; of every ``LONG`` blocks one is of the greater width, or its places would never be trained."""

LONG = 5
HELD_OUT_LINES = 32
HELD_OUT_PERCENT = 1


class Source(NamedTuple):
    """A file's name and paragraphs, in order."""

    name: str
    paragraphs: list[str]


class Blocks(NamedTuple):
    """Blocks of tokens of one source, those to train on and those held out."""

    name: str
    training: list[Tokens]
    held_out: list[Tokens]


def read_source(path: Path) -> Source:
    """The paragraphs of a file, repeats left out.

    Raises:
        SettingError: it cannot be read.
    """
    name = path.name.split(".")[0]
    if ".jsonl" in path.name:
        rows = read_rows(path)
        found = (row.get("context") or row.get("text") or row.get("premise") or "" for row in rows)
        return Source(name, list(dict.fromkeys(" ".join(text.split()) for text in found)))
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            return Source(name, list(dict.fromkeys(line.strip() for line in lines if line.strip())))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} cannot be read as text: {error}") from error


def make_tokenizer(paragraphs: Iterable[str], folding: Mapping[int, int], size: int) -> Tokenizer:
    """A WordPiece tokenizer of ``size`` entries at most: every Chinese character is a word of its own."""
    tokenizer = _tokenizer({"[UNK]": 0})
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=2,
        limit_alphabet=size * 7 // 8,
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text.translate(folding) for text in paragraphs), trainer)
    # The trainer breaks ties by chance, and of thousands of entries a few may differ from run to run; in order of the
    # alphabet the others keep their ids, or nearly.
    learned = sorted(tokenizer.get_vocab().keys() - set(SPECIAL))
    ordered = _tokenizer({entry: i for i, entry in enumerate([*SPECIAL, *learned])})
    ordered.add_special_tokens(list(SPECIAL))
    return ordered


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    word_piece = models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100)  # noqa: S106
    tokenizer = Tokenizer(word_piece)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def blocks_of(source: Source, encoder: TextEncoder) -> Blocks:
    """A source cut into blocks; runs of ``HELD_OUT_LINES`` paragraphs, chosen by a hash, are held out whole."""
    parts: dict[bool, list[str]] = {False: [], True: []}
    for first in range(0, len(source.paragraphs), HELD_OUT_LINES):
        run = source.paragraphs[first : first + HELD_OUT_LINES]
        parts[int(digest(source.name, run[0]), 16) % 100 < HELD_OUT_PERCENT] += run
    return Blocks(source.name, *(list(_blocks(parts[held_out], encoder)) for held_out in (False, True)))


def _blocks(paragraphs: Sequence[str], encoder: TextEncoder) -> Iterator[Tokens]:
    """Tokens in order, each paragraph closed by ``[SEP]``."""
    waiting: list[int] = []
    made = 0
    for first in range(0, len(paragraphs), 512):
        for ids in encoder.plain(paragraphs[first : first + 512]):
            waiting += [*ids, SEP]
            while len(waiting) >= (width := _width(made)):
                yield Tokens([CLS, *waiting[: width - 1]], [])
                waiting, made = waiting[width - 1 :], made + 1
    if waiting:
        yield Tokens([CLS, *waiting], [])


def _width(made: int) -> int:
    return WIDTHS[made % LONG == LONG - 1]


def epoch(sources: Sequence[Blocks], weights: Mapping[str, float], seed: int, number: int) -> list[Tokens]:
    """The blocks of an epoch in random order, the same whenever it is asked: of each source as often as it weighs."""
    random = np.random.default_rng([seed, number])
    chosen: list[Tokens] = []
    for source in sources:
        whole, share = divmod(weights.get(source.name, 1.0), 1.0)
        some: NDArray[np.int64] = random.permutation(len(source.training))[: round(share * len(source.training))]
        chosen += [*source.training * int(whole), *(source.training[i] for i in some)]
    return [chosen[i] for i in random.permutation(len(chosen))]

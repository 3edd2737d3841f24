"""An encoder of another language over the layers of the English one: only its words are its own.

Artetxe et al. 2020 (arXiv 1910.11856): the layers of an encoder of one language serve another, whose embeddings of
words are learned while the layers stay as they are; an adapter of a task then serves both. Here the embeddings need not
be learned from nothing: a word begins as the mean of the English wordpieces of what it means (compare WECHSEL,
Minixhofer et al. 2022, arXiv 2112.06598). ``voxpop pretrain --start`` goes on from there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from voxpop.models.bert import WORDS
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.classifier import open_encoder
from voxpop.text.folding import chinese, dumped
from voxpop.training.corpus import SPECIAL, read_source
from voxpop.training.export import write_encoder
from voxpop.training.glosses import SENSES, Glosses, dictionary, read_glossary
from voxpop.training.words import make_word_tokenizer

LENGTH = 0.9
"""Length of a word that begins as a mean, as a share of the mean length of an English one."""

_EMPTY = frozenset([*"to a an of the be sth sb or etc in for with and as by one s".split(), *"',.;:-\"|"])  # noqa: SIM905
"""Wordpieces of a meaning that say nothing where others do."""

_MARKS = dict(zip("，。！？；：（）“”‘’、—…《》【】￥％～", ',.!?;:()""\'\',-.""[]$%~', strict=True))
"""Chinese marks, and the English ones that mean the same."""


def graft(
    data: Sequence[Path],
    out: Path,
    *,
    glossary: Path,
    size: int,
    weights: Mapping[str, float] | None = None,
    seed: int = 7,
) -> dict[str, Any]:
    """Makes a vocabulary of words and their first embeddings, and writes the encoder to the folder ``out``.

    Args:
        data: files of text, in which words are counted (see ``voxpop.training.corpus``).
        glossary: meanings that stand before the dictionary's; all its words are entries.
        size: most entries.
        weights: how much a file's text counts, by its name without endings; else 1.
        seed: of the few entries that mean nothing known.

    Returns:
        how many entries began from what.

    Raises:
        SettingError: a file cannot be read or the dictionary is missing.
        ModelError: the English encoder is missing.
    """
    folding = chinese()
    out.mkdir(parents=True, exist_ok=True)
    own, known = read_glossary(glossary), dictionary()
    texts = [
        (paragraph.translate(folding).lower(), (weights or {}).get(source.name, 1.0))
        for source in map(read_source, data)
        for paragraph in source.paragraphs
    ]
    tokenizer = make_word_tokenizer(texts, known.keys(), own.keys(), size)
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    (out / "folding.json").write_text(dumped(folding), encoding="utf-8")
    meanings = Meanings(known | own)
    torch.manual_seed(seed)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    words = torch.stack([meanings.begin(word) for word, _ in vocabulary])
    write_encoder(out, {WORDS: words}, _config(len(words)), layers=BUNDLED)
    return {"vocabulary": len(vocabulary), "begun": dict(meanings.begun)}


def _config(entries: int) -> dict[str, Any]:
    """The shape of the English encoder with a vocabulary of so many entries."""
    stated = json.loads((find_encoder(BUNDLED).folder / "config.json").read_text("utf-8"))
    return {name: stated[name] for name in _SHAPE} | {"model_type": "bert", "vocab_size": entries}


_SHAPE = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
)


class Meanings:
    """English embeddings of what words mean."""

    def __init__(self, glosses: Glosses) -> None:
        files = find_encoder(BUNDLED)
        self.glosses, self.begun = glosses, Counter[str]()
        self._tokenizer = Tokenizer.from_file(str(files.tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._ids: dict[str, int] = self._tokenizer.get_vocab()
        self._words = open_encoder(files)[WORDS]
        ordinary = self._words[1000:]  # before these stand special and unused entries, marks and letters
        self._mean, self._length = ordinary.mean(dim=0), LENGTH * ordinary.norm(dim=1).mean()

    def begin(self, word: str) -> Tensor:
        """The embedding (d,) that ``word`` begins with."""
        if word in SPECIAL:
            return self._words[self._ids[word]]
        how, found = self._found(word)
        self.begun[how] += 1
        if found is None:
            found = self._mean + 0.02 * torch.randn_like(self._mean)
        return found if how == "the same in English" else found / found.norm() * self._length

    def _found(self, word: str) -> tuple[str, Tensor | None]:
        if (meant := self._meant(word)) is not None:
            return "meaning", meant
        for same in (word, f"##{word}", _MARKS.get(word, "")):
            if same in self._ids:
                return "the same in English", self._words[self._ids[same]]
        if re.fullmatch(r"[!-~]+", word):
            return "wordpieces", self._of(word)
        parts = [part for part in map(self._meant, word) if part is not None]
        return ("characters", torch.stack(parts).mean(dim=0)) if parts else ("nothing", None)

    def _meant(self, word: str) -> Tensor | None:
        """The senses of a word, each weighing half of the one before it."""
        senses = [self._of(sense) for sense in self.glosses.get(word, ())[:SENSES]]
        if not senses:
            return None
        weights = torch.tensor([0.5**n for n in range(len(senses))])
        return (weights[:, None] * torch.stack(senses)).sum(dim=0) / weights.sum()

    def _of(self, phrase: str) -> Tensor:
        pieces = self._tokenizer.encode(phrase, add_special_tokens=False).tokens
        telling = [piece for piece in pieces if piece not in _EMPTY] or pieces
        return self._words[[self._ids[piece] for piece in telling]].mean(dim=0)

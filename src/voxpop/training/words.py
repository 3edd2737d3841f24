"""A vocabulary of Chinese words, and how text is cut into them: the likeliest cut under a model of single words.

Kudo 2018 (arXiv 1804.10959): each word has a probability, and of all ways to cut a text the one counts whose words are
the likeliest together. What is a word is known beforehand, from a dictionary; how likely it is comes from text, cut
first by the longest word at each place, then once more by the model that this gives.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from voxpop.training.corpus import SPECIAL
from voxpop.training.glosses import LONGEST

UNKNOWN = SPECIAL.index("[UNK]")
NEVER = -1000.0
"""Score of special entries: no text is cut into them."""

CHARACTERS, RARE_CHARACTER = 5200, 3
"""Most characters that are entries by themselves, and how often one must be seen."""

FOREIGN, RARE_FOREIGN = 1200, 20
"""The same of words in Latin letters."""

_CHINESE, _LATIN = re.compile(r"[\u4e00-\u9fff]+"), re.compile(r"[a-z]+")
_PART = 2_000

Texts = Sequence[tuple[str, float]]
"""Folded texts in lower case, and how much each weighs."""


def make_word_tokenizer(texts: Texts, known: Collection[str], always: Collection[str], size: int) -> Tokenizer:
    """A tokenizer of ``size`` entries at most.

    Args:
        texts: where words are counted.
        known: what is a word.
        always: words that are entries however seldom they are.
        size: the special entries, all of ``always``, the commonest characters and foreign words; then words, the
            commonest first.
    """
    words = frozenset(known) | frozenset(always)
    counts = _counted(texts, lambda text: _longest(text, words))
    characters = _counted(texts, lambda text: (character for character in text if not character.isspace()))
    foreign = _counted(texts, _LATIN.findall)
    entries = {word for word in always if len(word) <= LONGEST}
    entries |= set(_commonest(characters, CHARACTERS, RARE_CHARACTER))
    entries |= {word for word in _commonest(foreign, FOREIGN, RARE_FOREIGN) if len(word) > 1}
    rest = [word for word in _commonest(counts, len(counts), 1) if len(word) > 1 and word not in entries]
    chosen = sorted(entries | set(rest[: max(size - len(SPECIAL) - len(entries), 0)]))
    first = _tokenizer(chosen, counts | foreign)
    return _tokenizer(chosen, _cut(first, texts))


def _counted(texts: Texts, words_of: Callable[[str], Iterable[str]]) -> dict[str, float]:
    """How much the texts weigh in which each word stands, once for each time."""
    counts: defaultdict[str, float] = defaultdict(float)
    for text, weight in texts:
        for word in words_of(text):
            counts[word] += weight
    return dict(counts)


def _longest(text: str, words: Collection[str]) -> Iterator[str]:
    """Each run of Chinese cut by the longest word at each place."""
    for run in _CHINESE.findall(text):
        at = 0
        while at < len(run):
            length = next((n for n in range(min(LONGEST, len(run) - at), 1, -1) if run[at : at + n] in words), 1)
            yield run[at : at + length]
            at += length


def _commonest(counts: Mapping[str, float], most: int, least: int) -> list[str]:
    """Words seen ``least`` times at least, the commonest first; ties by the alphabet."""
    return sorted((word for word, n in counts.items() if n >= least), key=lambda word: (-counts[word], word))[:most]


def _cut(tokenizer: Tokenizer, texts: Texts) -> dict[str, float]:
    """How often each entry stands in the texts."""
    counts: defaultdict[int, float] = defaultdict(float)
    for first in range(0, len(texts), _PART):
        part = texts[first : first + _PART]
        encodings = tokenizer.encode_batch([text for text, _ in part], add_special_tokens=False)
        for encoding, (_, weight) in zip(encodings, part, strict=True):
            for entry in encoding.ids:
                counts[entry] += weight
    return {str(tokenizer.id_to_token(entry)): n for entry, n in counts.items()}


def _tokenizer(entries: Iterable[str], counts: Mapping[str, float]) -> Tokenizer:
    """The model of single words in which an entry is as likely as its count, plus half, says."""
    listed = list(entries)
    total = sum(counts.get(entry, 0.0) + 0.5 for entry in listed)
    scores = [(entry, math.log((counts.get(entry, 0.0) + 0.5) / total)) for entry in listed]
    unigram = models.Unigram([*((entry, NEVER) for entry in SPECIAL), *scores], UNKNOWN, byte_fallback=False)
    tokenizer = Tokenizer(unigram)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, handle_chinese_chars=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer

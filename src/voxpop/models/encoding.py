"""Text to token ids: the one place that decides what the encoder sees.

Links are blanked: their wordpieces cost a third of a tweet and say nothing. The entity that is asked about is hidden:
every mention of it becomes one ``[MASK]``, so that its name carries no prior, and other names stay as they are. The
same headline thus reads differently for each company it names, and can be praise for one and blame for the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer

from voxpop.errors import ModelError

CLS, SEP, MASK = 101, 102, 103
"""Ids in the vocabulary of BERT (uncased, English)."""

_HIDDEN = re.compile(r"https?://\S+|[\ud800-\udfff]+")

Spans = Sequence[tuple[int, int]]


class Tokens(NamedTuple):
    """One sequence: ids from ``[CLS]`` to ``[SEP]``, and the positions at which the target stands (may be none).

    Of a pair, ``second`` is where the second text begins (0: there is none).
    """

    ids: list[int]
    target: list[int]
    second: int = 0


class Passage(NamedTuple):
    """One window of a text under a question, and where its tokens stand in the text.

    The window's tokens are ``tokens.ids[tokens.second:-1]``; ``offsets`` has a half-open span for each.
    """

    tokens: Tokens
    offsets: list[tuple[int, int]]


class TextEncoder:
    """Wordpieces by the fast tokenizer. Nothing is changed after construction, so threads may share it."""

    def __init__(self, path: Path) -> None:
        """Reads ``tokenizer.json``.

        Raises:
            ModelError: it is missing or no tokenizer.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:
            raise ModelError(f"The tokenizer {path.name} of the encoder cannot be read: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # "[MASK]" typed by an author is text: it must not be taken for the target.
        self._tokenizer.encode_special_tokens = True

    def heads(self, texts: Sequence[str], max_tokens: int) -> list[Tokens]:
        """The first ``max_tokens`` tokens of each text, ``[CLS]`` and ``[SEP]`` included."""
        # No wordpiece of running text is longer than 16 characters on average; the rest need not be tokenised.
        encodings = self._encode([text[: 16 * max_tokens] for text in texts])
        return [Tokens([CLS, *encoding.ids[: max_tokens - 2], SEP], []) for encoding in encodings]

    def targets(self, targets: Sequence[tuple[str, Spans]], max_tokens: int) -> list[Tokens]:
        """Each (text, spans) with its spans hidden, cut to the window that :func:`window` chooses.

        Without spans, or where no token lies in them (a link), it is the head of the text, target unset.
        """
        encodings = self._coded(text for text, _ in targets)
        return [_framed(*_hide(encodings[text], spans), max_tokens) for text, spans in targets]

    def pairs(self, pairs: Sequence[tuple[str, str]], max_tokens: int) -> list[Tokens]:
        """``[CLS] first [SEP] second [SEP]`` of each pair, the second being the target.

        The second text is cut to half of ``max_tokens``, the first to what is left.
        """
        coded = self._coded(text[: 16 * max_tokens] for pair in pairs for text in pair)
        result = []
        for first, second in pairs:
            right = coded[second[: 16 * max_tokens]].ids[: max_tokens // 2 - 2]
            left = coded[first[: 16 * max_tokens]].ids[: max_tokens - len(right) - 3]
            begin = len(left) + 2
            ids = [CLS, *left, SEP, *right, SEP]
            result.append(Tokens(ids, list(range(begin, begin + len(right))), begin))
        return result

    def passages(self, asked: Sequence[tuple[str, str]], max_tokens: int, stride: int) -> list[list[Passage]]:
        """Windows over the text of each (question, text): ``[CLS] question [SEP] window [SEP]``.

        Neighbouring windows share ``stride`` tokens at least. The question is cut to a quarter of ``max_tokens``. An
        empty text has one empty window.
        """
        coded = self._coded(text for pair in asked for text in pair)
        result = []
        for question, text in asked:
            head = [CLS, *coded[question].ids[: max_tokens // 4], SEP]
            whole, size = coded[text], max_tokens - len(head) - 1
            windows = []
            for start in window_starts(len(whole.ids), size, stride):
                tokens = Tokens([*head, *whole.ids[start : start + size], SEP], [], len(head))
                windows.append(Passage(tokens, whole.offsets[start : start + size]))
            result.append(windows)
        return result

    def _coded(self, texts: Iterable[str]) -> dict[str, Encoding]:
        distinct = list(dict.fromkeys(texts))
        return dict(zip(distinct, self._encode(distinct), strict=True))

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        # Blanks of the same length: offsets stay those of the text.
        blanked = [_HIDDEN.sub(lambda match: " " * len(match[0]), text) for text in texts]
        encodings: list[Encoding] = self._tokenizer.encode_batch(blanked, add_special_tokens=False)
        return encodings


def _hide(encoding: Encoding, spans: Spans) -> tuple[list[int], list[int]]:
    """Ids with one ``[MASK]`` in place of the tokens of each span, and the positions of those."""
    if not spans:
        return encoding.ids, []
    ids: list[int] = []
    masks: list[int] = []
    open_span = -1
    for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        span = next((i for i, (a, b) in enumerate(spans) if start < b and end > a), -1)
        if span < 0:
            ids.append(token)
        elif span != open_span:
            masks.append(len(ids))
            ids.append(MASK)
        open_span = span
    return ids, masks


def _framed(ids: list[int], masks: list[int], max_tokens: int) -> Tokens:
    start = window(len(ids), masks, max_tokens - 2)
    end = min(len(ids), start + max_tokens - 2)
    return Tokens([CLS, *ids[start:end], SEP], [m - start + 1 for m in masks if start <= m < end])


def window(length: int, masks: Sequence[int], size: int) -> int:
    """Where the window of ``size`` tokens begins: centred on a mention, with most mentions in it, earliest on a tie."""
    if length <= size or not masks:
        return 0
    starts = [min(max(mask - size // 2, 0), length - size) for mask in masks]
    return max(starts, key=lambda start: (sum(start <= mask < start + size for mask in masks), -start))


def window_starts(length: int, size: int, stride: int) -> list[int]:
    """Where windows of ``size`` tokens begin that cover ``length`` and share ``stride`` at least; the last is full.

    >>> window_starts(10, 6, 2)
    [0, 4]
    """
    starts = list(range(0, max(length - size, 0), max(size - stride, 1)))
    return [*starts, max(length - size, 0)]

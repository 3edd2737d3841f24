"""Text to token ids: the one place that decides what the encoder sees.

Links are blanked: their wordpieces cost a third of a tweet and say nothing. The entity that is asked about is hidden:
every mention of it becomes one ``[MASK]``, so that its name carries no prior, and other names stay as they are. The
same headline thus reads differently for each company it names, and can be praise for one and blame for the other.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer

from voxpop.errors import ModelError
from voxpop.models.checkpoint import EncoderFiles
from voxpop.models.recent import Recent

CLS, SEP, MASK = 101, 102, 103
"""Ids in the vocabulary of BERT (uncased, English)."""


class Frame(NamedTuple):
    """The special tokens that a network expects: before, between (of a pair) and after the texts; for a mention that
    is hidden; and for padding."""

    first: tuple[int, ...] = (CLS,)
    between: tuple[int, ...] = (SEP,)
    last: tuple[int, ...] = (SEP,)
    mask: int = MASK
    pad: int = 0


BERT = Frame()
"""``[CLS] first [SEP] second [SEP]``."""

_HIDDEN = re.compile(r"https?://\S+|[\ud800-\udfff]+")
_LINE_END = re.compile(r"[。！？]+[\"”’」』）)]*|\n")
"""Where no answer goes on. The full stop of other languages also ends abbreviations."""

Spans = Sequence[tuple[int, int]]


class Tokens(NamedTuple):
    """One sequence: ids with those of the frame, and the positions at which the target stands (may be none).

    Of a pair, ``second`` is where the second text begins (0: there is none).
    """

    ids: list[int]
    target: list[int]
    second: int = 0


class Passage(NamedTuple):
    """One window of a text under a question, and where its tokens stand in the text.

    The window's tokens are ``tokens.ids[tokens.second:-1]``; ``offsets`` has a half-open span for each, ``breaks``
    the places of those that begin a line, or a sentence behind a Chinese one.
    """

    tokens: Tokens
    offsets: list[tuple[int, int]]
    breaks: list[int]


ENCODED_BYTES = 24_000_000
"""Room for texts that were tokenised lately: those of a large batch, and what is asked about them."""

_TOKEN_BYTES = 150
"""Of a tokenised text, roughly, each token takes so many."""


class TextEncoder:
    """Wordpieces by the fast tokenizer. The tokenizer is not changed after construction, so threads may share it.

    A text that was tokenised lately is not tokenised again: its topic, the sentiment towards each of its entities, and
    every question and statement about it share one tokenisation.
    """

    def __init__(self, source: Path | Tokenizer, frame: Frame = BERT, folding: Mapping[int, int] | None = None) -> None:
        """Reads ``tokenizer.json``, or takes a tokenizer that nobody else uses.

        Args:
            source: the file or the tokenizer.
            frame: the special tokens of its network.
            folding: code points that are replaced first, one by one, so that offsets stay those of the text.

        Raises:
            ModelError: it is missing or no tokenizer.
        """
        self.frame, self._folding = frame, folding
        try:
            self._tokenizer = source if isinstance(source, Tokenizer) else Tokenizer.from_file(str(source))
        except Exception as error:
            raise ModelError(f"The tokenizer {source} of the encoder cannot be read: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # "[MASK]" typed by an author is text: it must not be taken for the target.
        self._tokenizer.encode_special_tokens = True
        self._recent = Recent[Encoding](ENCODED_BYTES, lambda encoding: _TOKEN_BYTES * len(encoding))

    @classmethod
    def of(cls, files: EncoderFiles) -> TextEncoder:
        """That of an encoder.

        Raises:
            ModelError: its tokenizer or its folding cannot be read.
        """
        if files.folding is None:
            return cls(files.tokenizer)
        try:
            stated = json.loads(files.folding.read_text("utf-8"))
            folding = {ord(a): ord(b) for a, b in zip(stated["from"], stated["to"], strict=True)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"The folding {files.folding} of the encoder cannot be read: {error}") from error
        return cls(files.tokenizer, folding=folding)

    def plain(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without a frame."""
        return [encoding.ids for encoding in self._tokenised(texts)]

    def heads(self, texts: Sequence[str], max_tokens: int) -> list[Tokens]:
        """The first ``max_tokens`` tokens of each text, those of the frame included."""
        first, _, last, *_ = self.frame
        room = max_tokens - len(first) - len(last)
        # No wordpiece of running text is longer than 16 characters on average; the rest need not be tokenised.
        encodings = self._encode([text[: 16 * max_tokens] for text in texts])
        return [Tokens([*first, *encoding.ids[:room], *last], []) for encoding in encodings]

    def targets(self, targets: Sequence[tuple[str, Spans]], max_tokens: int, *, hide: bool = True) -> list[Tokens]:
        """Each (text, spans), cut to the window that :func:`window` chooses, its spans hidden unless ``hide`` is false.

        Without spans, or where no token lies in them (a link), it is the head of the text, target unset.
        """
        encodings = self._coded(text for text, _ in targets)
        find = _hide if hide else _locate
        return [self._framed(*find(encodings[text], spans, self.frame.mask), max_tokens) for text, spans in targets]

    def traced(self, text: str, spans: Spans, max_tokens: int) -> tuple[Tokens, list[tuple[int, int]]]:
        """As :meth:`targets` of one text, with the span of the text that each token between the brackets stands for."""
        encoding = self._encode([text])[0]
        ids, masks = _hide(encoding, spans, self.frame.mask)
        framed = self._framed(ids, masks, max_tokens)
        size = max_tokens - len(self.frame.first) - len(self.frame.last)
        start = window(len(ids), masks, size)
        return framed, _offsets(encoding, spans)[start : start + size]

    def pairs(self, pairs: Sequence[tuple[str, str]], max_tokens: int) -> list[Tokens]:
        """Both texts of each pair in the frame (of BERT, ``[CLS] first [SEP] second [SEP]``), the second the target.

        The second text is cut to half of ``max_tokens``, the first to what is left.
        """
        coded = self._coded(text[: 16 * max_tokens] for pair in pairs for text in pair)
        opening, between, closing, *_ = self.frame
        special = len(opening) + len(between) + len(closing)
        result = []
        for first, second in pairs:
            right = coded[second[: 16 * max_tokens]].ids[: max_tokens // 2 - 2]
            left = coded[first[: 16 * max_tokens]].ids[: max_tokens - len(right) - special]
            begin = len(opening) + len(left) + len(between)
            ids = [*opening, *left, *between, *right, *closing]
            result.append(Tokens(ids, list(range(begin, begin + len(right))), begin))
        return result

    def passages(self, asked: Sequence[tuple[str, str]], max_tokens: int, stride: int) -> list[list[Passage]]:
        """Windows over the text of each (question, text), framed as a pair of the question and the window.

        Neighbouring windows share ``stride`` tokens at least. The question is cut to a quarter of ``max_tokens``. An
        empty text has one empty window.
        """
        coded = self._coded(text for pair in asked for text in pair)
        first, between, last, *_ = self.frame
        result = []
        for question, text in asked:
            head = [*first, *coded[question].ids[: max_tokens // 4], *between]
            whole, size = coded[text], max_tokens - len(head) - len(last)
            windows = []
            for start in window_starts(len(whole.ids), size, stride):
                tokens = Tokens([*head, *whole.ids[start : start + size], *last], [], len(head))
                offsets = whole.offsets[start : start + size]
                windows.append(Passage(tokens, offsets, _line_starts(text, offsets)))
            result.append(windows)
        return result

    def _framed(self, ids: list[int], found: list[int], max_tokens: int) -> Tokens:
        first, _, last, *_ = self.frame
        size = max_tokens - len(first) - len(last)
        start = window(len(ids), found, size)
        end = min(len(ids), start + size)
        return Tokens([*first, *ids[start:end], *last], [at - start + len(first) for at in found if start <= at < end])

    def _coded(self, texts: Iterable[str]) -> dict[str, Encoding]:
        distinct = list(dict.fromkeys(texts))
        return dict(zip(distinct, self._encode(distinct), strict=True))

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        return self._recent.all(texts, lambda text: text, self._tokenised)

    def _tokenised(self, texts: Sequence[str]) -> list[Encoding]:
        # Blanks of the same length: offsets stay those of the text.
        blanked = [_HIDDEN.sub(lambda match: " " * len(match[0]), text) for text in texts]
        if self._folding is not None:
            blanked = [text.translate(self._folding) for text in blanked]
        encodings: list[Encoding] = self._tokenizer.encode_batch(blanked, add_special_tokens=False)
        return encodings


def _line_starts(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Which tokens begin a line, or a sentence behind a Chinese one, counted from the first."""
    ends = (match.end() for match in _LINE_END.finditer(text))
    starts = {bisect_right(offsets, end, key=lambda span: span[1]) for end in ends}
    return sorted(start for start in starts if 0 < start < len(offsets))


def _locate(encoding: Encoding, spans: Spans, mask: int) -> tuple[list[int], list[int]]:
    """Ids as they are, and the position of the first token of each mention."""
    found = [_span_at(spans, offsets) for offsets in encoding.offsets]
    return encoding.ids, [i for i, span in enumerate(found) if span >= 0 and (i == 0 or found[i - 1] != span)]


def _hide(encoding: Encoding, spans: Spans, mask: int) -> tuple[list[int], list[int]]:
    """Ids with one ``mask`` in place of the tokens of each span, and the positions of those."""
    if not spans:
        return encoding.ids, []
    ids: list[int] = []
    masks: list[int] = []
    open_span = -1
    for token, offsets in zip(encoding.ids, encoding.offsets, strict=True):
        span = _span_at(spans, offsets)
        if span < 0:
            ids.append(token)
        elif span != open_span:
            masks.append(len(ids))
            ids.append(mask)
        open_span = span
    return ids, masks


def _offsets(encoding: Encoding, spans: Spans) -> list[tuple[int, int]]:
    """Where each id of :func:`_hide` stands in the text: a hidden mention stands for its whole span."""
    offsets: list[tuple[int, int]] = []
    open_span = -1
    for of_token in encoding.offsets:
        span = _span_at(spans, of_token)
        if span < 0:
            offsets.append(of_token)
        elif span != open_span:
            offsets.append((spans[span][0], spans[span][1]))
        open_span = span
    return offsets


def _span_at(spans: Spans, offsets: tuple[int, int]) -> int:
    """Which span a token lies in, wholly or in part; -1: none."""
    start, end = offsets
    return next((i for i, (a, b) in enumerate(spans) if start < b and end > a), -1)


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

"""Near-repeats: which texts may retell one another (:func:`bands`), and which do (:func:`retells`).

Both read the normalised words of a text, of which the first ``MAX_WORDS`` count: what retells a text retells its head.
A store keeps the bookkeeping; here are only functions of their arguments.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from voxpop.text import contrasts
from voxpop.text.repost import HEADERS

MAX_WORDS = 400
"""Words of a text that are compared and hashed; a Chinese character is a word here."""

# --- normalised words ------------------------------------------------------------------------------------------------

_MAX_CHARACTERS = 12_000
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[0-9]+(?:[.,][0-9]+)+|[^\W_{_HAN}]+|[{_HAN}]")


def _any(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


_PREFIX = re.compile(
    r"\s*"
    + _any(
        *HEADERS,
        r"(?:via|转自|轉自|来自)?\s*@[\w-]{1,30}\s*[:：]",
        r"[\[【(（](?:转|轉|转发|转载|轉載|快讯|突发|最新|重磅|更新|breaking|update|alert)[\]】)）]",
        r"(?:BREAKING(?: NEWS)?|JUST IN|ALERT|FLASH|EXCLUSIVE|WATCH|DEVELOPING|HEADLINE|NEWS|FYI)\s*[:：|!！-]+\s*",
        r"UPDATE(?:\s*[:：|]| \d+\s?[-:：])\s*",
        r"(?:快讯|突发|最新消息|最新|重磅|更新)\s*[:：|!！]+\s*",
        r"[\w\u4e00-\u9fff]{2,8}?\d{1,2}月\d{1,2}日(?:电|電|讯|訊|消息)[,，:：\s]*",  # 某社3月5日电，
        r"[A-Z][A-Za-z .,/]{2,40}\((?:Reuters|AP|AFP|Bloomberg)\)\s*[-–—]\s*",  # TOWN (Agency) -
    ),
    re.I,
)
_OUTLET = _any(
    r"[\w.&'’ ]{0,30}\b(?:news|times|journal|post|daily|herald|tribune|finance|business|insider|wire|newswire|network"
    r"|magazine|review|press|today|online|reuters|bloomberg|cnbc|cnn|bbc|wsj|ft|ap|afp|marketwatch|barron'?s|benzinga"
    r"|forbes|fortune|guardian|independent|telegraph|economist|motley fool|seeking alpha|thestreet|zacks|nikkei)",
    r"[\w.-]+\.(?:com|net|org|co|cn)",
    r"[\w·]{0,8}(?:网|網|报|報|社|财经|財經|日报|晚报|新闻|新聞|资讯|在线|证券报|见闻|周刊|客户端|头条)",
)
_SOURCE = re.compile(rf"\s*(?:\s[-–—|]|[|_])\s*{_OUTLET}\s*$", re.I)
_SUFFIX = re.compile(
    _any(
        rf"[(（\[【]?\s*(?:\bvia|来源|來源|\bsource|\bh/t|转自|轉自|来自)\s*[:：@]?\s*(?:@[\w-]+|{_OUTLET})?\s*[)）\]】]?",
        r"(?:read more|more here|full story|查看全文|阅读全文|阅读原文|展开全文|全文|网页链接|分享图片)"
        r"(?:\s*(?:here|at))?[:：»>…. ]*",
        r"[!-~]*(?:…|\.{3,})",
    )
    + r"\s*$",
    re.I,
)
_DROPPED = re.compile(
    _any(
        r"(?:https?:/|www\.)[!-~]*…?",
        r"(?:(?<=//)|(?<![A-Za-z0-9_.]))@[\w-]{1,30}",
        r"['’]s\b",
        r"\[(?:EMAIL|PHONE|ID|CARD|IBAN)\]",
    )
)
_CUT_ADDRESS = re.compile(r"\bh(?:t(?:t(?:ps?)?)?)?:?/{0,2}…$")


def normalise(text: str, title_end: int = 0) -> str:
    """The words of ``text`` by which it is compared: lower case, joined by single spaces, at most ``MAX_WORDS``.

    Dropped are what a repost puts before or after (RT @x:, 转发微博, //@某人:, 【转】, BREAKING:, via @x, "- Reuters"),
    URLs, handles, masks and punctuation; tags and cashtags keep their word, numbers their decimal point. Each Chinese
    character is a word.
    """
    body = text[:_MAX_CHARACTERS]
    if 0 < title_end < len(body):
        body = _SOURCE.sub("", body[:title_end]) + body[title_end:]
    else:
        body = _SOURCE.sub("", body) if len(body) < _HEADLINE else body
    while (prefix := _PREFIX.match(body)) and prefix.end():
        body = body[prefix.end() :]
    body = _without_tail(body)
    words = _WORD.findall(_DROPPED.sub(" ", body).replace("'", "").replace("’", "").lower())[:MAX_WORDS]
    return " ".join(words).replace(",", "")


_HEADLINE = 200
"""A text shorter than this, in characters, may be a headline with its source behind a dash."""


def _without_tail(body: str) -> str:
    """``body`` without a closing URL, attribution or word cut by an ellipsis."""
    for _ in range(4):
        tail = body[-120:]
        lowered = tail.lower()
        if not any(sign in lowered for sign in _TAIL_SIGNS):
            return body
        shorter = _SUFFIX.sub("", _LAST_ADDRESS.sub("", _CUT_ADDRESS.sub("", tail.rstrip())))
        if shorter == tail or not (kept := body[:-120] + shorter).strip():
            return body
        body = kept
    return body


_TAIL_SIGNS = (
    "http",
    "www.",
    "via",
    "source",
    "h/t",
    "more",
    "story",
    "…",
    "...",
    "来源",
    "來源",
    "自",
    "全文",
    "原文",
    "链接",
    "图片",
)
_LAST_ADDRESS = re.compile(r"\s*(?:https?:/|www\.)[!-~]*…?$")

# --- locality-sensitive hashing --------------------------------------------------------------------------------------

BANDS, ROWS = 24, 3
"""A pair of Jaccard similarity s shares a band with probability 1 - (1 - s**ROWS)**BANDS."""


def _constants(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    """Odd 64-bit constants that no version of a library can change: stored bands outlive them."""
    size = int(np.prod(shape))
    raw = b"".join(blake2b(f"{name} {i}".encode(), digest_size=8).digest() for i in range(size))
    return (np.frombuffer(raw, dtype="<u8").astype(np.uint64) | np.uint64(1)).reshape(shape)


_MULTIPLIERS = _constants("multiplier", (BANDS * ROWS, 1)).astype(np.uint32)
_INCREMENTS = _constants("increment", (BANDS * ROWS, 1)).astype(np.uint32)
_FIRST_OF_PAIR, _SECOND_OF_PAIR = _constants("pair", (2,)).astype(np.uint32)
_MIXERS = _constants("mixer", (BANDS, ROWS))
_BAND_NUMBERS = _constants("band", (BANDS,))
_HALF = np.uint64(32)


def bands(words: str) -> tuple[int, ...]:
    """Signed 64-bit keys of normalised words; near-repeats share at least one. No words, no keys.

    MinHash signatures of the words and pairs of neighbours (Broder, "On the resemblance and containment of documents",
    1997), cut into bands of ``ROWS`` (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", ch. 3). Words that
    every text has weigh half. One more key names the first words, for texts whose tail was cut.
    """
    tokens = words.split(" ", MAX_WORDS)[:MAX_WORDS]
    if not tokens[0]:
        return ()
    signature = _signature(tokens).reshape(BANDS, ROWS)
    keys = (signature * _MIXERS).sum(axis=1, dtype=np.uint64) + _BAND_NUMBERS
    keys ^= keys >> _HALF
    keys *= _BAND_NUMBERS[0]
    found: list[int] = keys.view(np.int64).tolist()
    if (size := _head(tokens)) is not None:
        head = blake2b(" ".join(tokens[:size]).encode(), digest_size=8, person=b"head").digest()
        found.append(int.from_bytes(head, "little", signed=True))
    return tuple(found)


def _signature(tokens: list[str]) -> npt.NDArray[np.uint64]:
    """(BANDS * ROWS,) highest 32-bit hashes of words and pairs.

    A hash u in [0, 1) becomes u**2 to weigh half: its chance to be the highest falls by that. Pairs keep apart texts
    that only share characters or the words of a trade; single words keep short texts together.
    """
    codes = np.array([zlib.crc32(word.encode()) for word in tokens], dtype=np.uint32)
    common = np.array([word in contrasts.STOP for word in tokens])
    pairs = codes[:-1] * _FIRST_OF_PAIR + codes[1:] * _SECOND_OF_PAIR
    features = np.concatenate([codes[~common], pairs, codes[common]])
    features ^= features >> np.uint32(15)
    hashes = features * _MULTIPLIERS + _INCREMENTS  # (BANDS * ROWS, features), modulo 2**32
    if common.any():
        light = hashes[:, len(features) - int(common.sum()) :]
        light[:] = (light.astype(np.uint64) ** 2) >> _HALF
    highest: npt.NDArray[np.uint64] = hashes.max(axis=1).astype(np.uint64)
    return highest


_HEAD_WORDS = 6.0
_HAN_WEIGHT = 2 / 3
"""Words of meaning in one Chinese character, for limits that are given in words."""


def _head(tokens: Sequence[str]) -> int | None:
    """How many tokens make ``_HEAD_WORDS`` words, or None where there are fewer."""
    weight = 0.0
    for position, word in enumerate(tokens, 1):
        weight += _HAN_WEIGHT if word >= "\u3400" else 1.0
        if weight >= _HEAD_WORDS - 1e-9:
            return position
    return None


# --- the verdict -----------------------------------------------------------------------------------------------------

_SHORTEST = 4.0
_SHORT = 40.0
"""Words up to which a text is a headline or post: then one name, event or "not" is the news."""
_KEPT_SHARE = 0.3


def retells(a: str, b: str) -> bool:
    """Whether two normalised texts tell the same news: symmetric, and exact where :func:`bands` only guess.

    They do if a fifth of the words or less was inserted, deleted or replaced, or if one is the head of the other (at
    least 6 words; with a light edit at least 30 % of it), and nothing that differs contradicts: numbers, opposed
    words, names, events. Texts of fewer than 4 words must be equal.
    """
    if a == b:
        return bool(a)
    shorter, longer = sorted((a.split(" ", MAX_WORDS)[:MAX_WORDS], b.split(" ", MAX_WORDS)[:MAX_WORDS]), key=_order)
    if _weight(shorter) < _SHORTEST - 1e-9:
        return False
    counterpart = _counterpart(shorter, longer)
    return counterpart is not None and not _contradict(shorter, counterpart)


def _order(tokens: list[str]) -> tuple[int, list[str]]:
    return len(tokens), tokens


def _weight(tokens: Sequence[str]) -> float:
    han = sum(word >= "\u3400" for word in tokens)
    return len(tokens) - han * (1 - _HAN_WEIGHT)


def _counterpart(shorter: list[str], longer: list[str]) -> list[str] | None:
    """What of ``longer`` the shorter text retells: all of it, its head, or nothing (None)."""
    limit = int(len(longer) / 5 + 0.5)
    if Levenshtein.distance(shorter, longer, score_cutoff=limit) <= limit:
        return longer
    size = _head(shorter)
    if size is None or shorter[:size] != longer[:size]:
        return None
    head = longer[: len(shorter)]
    if shorter == head:
        return head  # a headline sent round without its article
    if len(shorter) < _KEPT_SHARE * len(longer):
        return None
    limit = len(shorter) // 10 + 1  # the last word may be cut, too
    return head if Levenshtein.distance(shorter, head, score_cutoff=limit) <= limit else None


def _contradict(a: list[str], b: list[str]) -> bool:
    size = max(_weight(a), _weight(b))
    blocks = list(_blocks(a, b))
    if size <= _SHORT and (_other_name(a, b, blocks) or _other_event(a, b) or _negated(a, b)):
        return True
    if size <= _HEADLINE_WORDS:  # everything in a headline stands beside everything
        blocks = [([t for x, _ in blocks for t in x], [t for _, y in blocks for t in y])]
    disagreements = sum(_numbers_disagree(x, y) or _opposed(x, y) for x, y in blocks)
    return disagreements > (0 if size <= _SHORT else size // _WORDS_A_SLIP)


_HEADLINE_WORDS = 16.0
_WORDS_A_SLIP = 120
"""A long article may correct one figure for so many words and remain the article it was."""


def _blocks(a: list[str], b: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """The aligned places where two texts differ; places that one equal word divides are one."""
    x: list[str] = []
    y: list[str] = []
    for op in Levenshtein.opcodes(a, b):
        here, there = a[op.src_start : op.src_end], b[op.dest_start : op.dest_end]
        if op.tag == "equal" and len(here) > 1 and (x or y):
            yield x, y
            x, y = [], []
        elif op.tag != "equal":
            x, y = x + here, y + there
    if x or y:
        yield x, y


_NUMBER = re.compile(r"([a-z]*)([0-9]+(?:\.[0-9]+)?)([a-z]*)")


def _numbers(tokens: Sequence[str]) -> set[str]:
    """The numbers in ``tokens``, digits or words; "q2" is 2, "5bn" is 5 and a thousand million."""
    found = set()
    for token in tokens:
        if match := _NUMBER.match(token):
            found.add(match[2].rstrip("0").rstrip(".") if "." in match[2] else match[2].lstrip("0") or "0")
            token = match[3]
        if value := contrasts.NUMBERS.get(token):
            found.add(value)
    return found


def _numbers_disagree(a: Sequence[str], b: Sequence[str]) -> bool:
    """Each side has a number that the other lacks."""
    left, right = _numbers(a), _numbers(b)
    return bool(left - right) and bool(right - left)


def _opposed(a: Sequence[str], b: Sequence[str]) -> bool:
    left, right = set(a), set(b)
    sides = {side for token in left - right for side in contrasts.POLARITY.get(token, ())}
    return any((axis, -sign) in sides for token in right - left for axis, sign in contrasts.POLARITY.get(token, ()))


def _negated(a: Sequence[str], b: Sequence[str]) -> bool:
    """One side says no where the other does not."""
    left, right = set(a), set(b)
    if bool((left - right) & contrasts.NEGATORS) != bool((right - left) & contrasts.NEGATORS):
        return True
    return bool(contrasts.NEGATORS_ZH.search("".join(a))) != bool(contrasts.NEGATORS_ZH.search("".join(b)))


def _other_name(a: list[str], b: list[str], blocks: Sequence[tuple[list[str], list[str]]]) -> bool:
    """Names of one side stand where the other has other names."""
    if _exclusive(contrasts.NAMES_ZH, a, b) or _other_subject_zh(a, b):
        return True
    everywhere = set(a) & set(b)
    for x, y in blocks:
        left, right = ([t for t in side if t not in everywhere and contrasts.is_name(t)] for side in (x, y))
        if left and right and not any(_alike(s, t) for s in left for t in right):
            return True
    return False


def _alike(a: str, b: str) -> bool:
    """One name, written or misspelt otherwise."""
    short, long = sorted((a, b), key=len)
    return (len(short) > 2 and long.startswith(short)) or Levenshtein.normalized_similarity(a, b) >= _SAME_NAME


_SAME_NAME = 0.7


def _other_subject_zh(a: list[str], b: list[str]) -> bool:
    """Chinese names have no capitals: two characters or more replaced before a company's suffix, or at the very"
    " start."""
    left, right = "".join(a), "".join(b)
    for op in Levenshtein.opcodes(a, b):
        x, y = "".join(a[op.src_start : op.src_end]), "".join(b[op.dest_start : op.dest_end])
        if op.tag != "replace" or min(len(x), len(y)) < 2 or x < "\u3400" or y < "\u3400":
            continue
        follows = "".join(a[op.src_end : op.src_end + 2])
        if contrasts.SUFFIXES_ZH.match(follows) or (
            contrasts.SUFFIXES_ZH.search(x) and contrasts.SUFFIXES_ZH.search(y)
        ):
            return True
        opener = contrasts.NEUTRAL_OPENERS_ZH.match(left) or contrasts.NEUTRAL_OPENERS_ZH.match(right)
        if op.src_start == op.dest_start == 0 and not opener:
            return True
    return False


def _other_event(a: list[str], b: list[str]) -> bool:
    left = {contrasts.EVENTS[t] for t in a if t in contrasts.EVENTS}
    right = {contrasts.EVENTS[t] for t in b if t in contrasts.EVENTS}
    return (bool(left - right) and bool(right - left)) or _exclusive(contrasts.EVENTS_ZH, a, b, kinds=True)


def _exclusive(pattern: re.Pattern[str], a: list[str], b: list[str], *, kinds: bool = False) -> bool:
    """Whether each side has something of ``pattern`` (or of its named groups) that the other lacks."""
    left, right = (
        {match.lastgroup if kinds else match[0] for match in pattern.finditer("".join(tokens))} for tokens in (a, b)
    )
    return bool(left - right) and bool(right - left)

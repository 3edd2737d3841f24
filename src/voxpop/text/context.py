"""How much the words around a name speak for the company, or against it.

Every clue adds to a score in the manner of log-odds; the logistic function of the sum is the confidence of the mention,
and a sum below nought means that the word is more likely just a word. Windows are bounded, so that the work for one
name does not depend on the length of the text.
"""

from __future__ import annotations

import math
import re
from typing import Literal

from voxpop.text.lexicon import NO_CUES, Cues, business, lexicon

_BUSINESS = business()

Kind = Literal["sure", "word", "phrase", "acronym", "han", "ticker", "code"]

_WINDOW = 90
"""Characters on each side of an English name that are looked at; a Chinese one has ``_WINDOW_ZH``."""
_WINDOW_ZH = 24
_TOKEN = re.compile(r"\w[\w'&.-]*\w|\w|[^\w\s]")
_STOPS = frozenset('.!?:;"“”|()[]…—–•*>')
_HEADLINE_SPAN = 300


class Page:
    """A text and what is worked out about it once: how each of its lines uses capitals."""

    def __init__(self, text: str, folded: str) -> None:
        self.text = text
        self.folded = folded
        self._lines: dict[int, str] = {}

    def capitals(self, start: int) -> str:
        """ "title", "upper" or "" for the line around ``start`` (looked at no further than 300 characters away)."""
        low = max(0, start - _HEADLINE_SPAN)
        begin = max(low, self.text.rfind("\n", low, start) + 1)
        known = self._lines.get(begin)
        if known is None:
            known = self._lines[begin] = _capitals(self.text[begin : begin + 2 * _HEADLINE_SPAN].split("\n", 1)[0])
        return known


def _capitals(line: str) -> str:
    words = [w for w in re.findall(r"[A-Za-z][A-Za-z']+", line) if len(w) > 3]
    if len(words) < 3:
        return ""
    if sum(w.isupper() for w in words) >= 0.6 * len(words):
        return "upper"
    return "title" if sum(w[0].isupper() for w in words) >= (0.75 if len(words) > 4 else 0.9) * len(words) else ""


def confidence(score: float) -> float:
    """The score as a probability, in steps of 0.001."""
    return round(1 / (1 + math.exp(-score)), 3)


# --- English ---------------------------------------------------------------------------------------------------------


class Around:
    """The tokens on either side of a span, as written and in lower case."""

    def __init__(self, page: Page, start: int, end: int) -> None:
        text = page.text
        self.start = start
        self.left: list[str] = _TOKEN.findall(text[max(0, start - _WINDOW) : start])[-10:]
        self.right: list[str] = _TOKEN.findall(text[end : end + _WINDOW].replace("’", "'"))[:10]
        self.possessive = len(self.right) > 1 and self.right[0] == "'" and self.right[1].lower() == "s"
        if self.possessive:
            del self.right[:2]
        self.low_left = [token.lower() for token in self.left]
        self.low_right = [token.lower() for token in self.right]
        self.before = self.low_left[-1] if self.left else ""
        self.after = self.low_right[0] if self.right else ""
        self.opens = not self.left or self.left[-1] in _STOPS or text[max(0, start - 2) : start].find("\n") >= 0

    def near(self) -> set[str]:
        return {*self.low_left[-8:], *self.low_right[:8]}

    def speaks_against(self, cues: Cues) -> float:
        """-4 for a telling neighbour, -1.5 for each word near (two at most)."""
        if cues is NO_CUES:
            return 0.0
        score = 0.0
        left, right = self.low_left, self.low_right
        if self.before in cues.before or (len(left) > 1 and f"{left[-2]} {left[-1]}" in cues.before):
            score -= 4.0
        if not self.possessive and (
            self.after in cues.after or (len(right) > 1 and f"{right[0]} {right[1]}" in cues.after)
        ):
            score -= 4.0
        return score - 1.5 * min(2, len(cues.near & self.near()))


def in_english(page: Page, start: int, end: int, kind: Kind, key: str, sector: str | None, written: str) -> float:
    """The score of an English name that is also a word. ``written`` is the name as the watchlist writes it."""
    around = Around(page, start, end)
    shape = page.text[start:end]
    cues = lexicon().cues.get(key, NO_CUES)
    score = _shape(page, around, shape, written, kind) + around.speaks_against(cues)
    if key in lexicon().mostly:
        score += 1.3
    elif kind == "word" and shape.islower() and not written.islower():
        return score - 2.0 + (4.5 if _is_traded(around) else 0.0) + _company_of_words(page, around, shape, start, end)
    score += _company_grammar(around) + _topic(around, sector)
    return score + _company_of_words(page, around, shape, start, end)


def _shape(page: Page, around: Around, shape: str, written: str, kind: Kind) -> float:
    """What the capitals say: much inside a sentence, little where everything or any first word has them."""
    base = 1.2 if kind == "phrase" else 0.0
    capitals = page.capitals(around.start)
    if kind == "acronym":
        return (-1.5 if capitals == "upper" else {2: 0.0, 3: 0.9}.get(len(shape), 1.6)) + base
    if shape.islower() and not written.islower():
        return base - (4.0 if kind == "phrase" else 1.6)
    if shape.isupper() and not written.isupper():
        return base - (1.0 if capitals == "upper" else 0.2)
    if capitals or around.opens:
        return base - 0.6
    return base + 0.5


def _is_traded(around: Around) -> bool:
    """Whether a name in small letters is followed by what only a listed company has."""
    at = 1 if len(around.low_right) > 1 and around.after in ("q1", "q2", "q3", "q4", "quarterly") else 0
    return at < len(around.right) and around.low_right[at] in _BUSINESS.traded


def _company_grammar(around: Around) -> float:
    """Neighbours that only a company has: a verb of business, a business noun, a genitive, a trade's word before."""
    score = 0.0
    after, right = around.after, around.low_right
    if after in _BUSINESS.nouns:
        score += 2.4
    elif after in _BUSINESS.finite:
        score += 2.0
    elif after == "to" and len(right) > 1 and right[1] in _BUSINESS.verbs:
        score += 2.2
    elif after.endswith("ed") and len(after) > 4:
        score += 0.7
    if around.possessive:
        score += 1.2 + (1.3 if any(word in _BUSINESS.nouns for word in right[:3]) else 0.0)
    return score + _led_by(around)


def _led_by(around: Around) -> float:
    before = around.before
    if before in _BUSINESS.before:
        return 2.0
    if before in ("of", "in", "by", "at", "from", "for", "on", "with", "to", "against"):
        head = around.low_left[-2] if len(around.low_left) > 1 else ""
        return 2.2 if head in _BUSINESS.nouns or head in _BUSINESS.trades or head in ("arm", "units") else 0.2
    return 0.0


def _topic(around: Around, sector: str | None) -> float:
    near = around.near()
    score = 0.7 * min(3, len(near & _BUSINESS.nearby))
    if sector is not None:
        low = sector.lower()
        for stem, words in _BUSINESS.sectors.items():
            if stem in low:
                score += 1.0 * min(2, len(near & words))
                break
    return score


def _company_of_words(page: Page, around: Around, shape: str, start: int, end: int) -> float:
    """Articles, numbers, other capitals and hyphens: what makes it a common noun or a piece of another name."""
    score = 0.0
    named = around.after in _BUSINESS.nouns or around.possessive
    if around.before in _BUSINESS.determiners or around.before.isdecimal():
        score -= 0.3 if named and not shape.islower() else 1.6
    if around.before in _BUSINESS.titles:
        score -= 3.0
    if around.after == "of":
        score -= 1.5
    capitals = page.capitals(start)
    if not capitals and not shape.islower():
        score -= _part_of_a_name(around)
    if end < len(page.text) and page.text[end] == "-":
        score += (
            1.0 if page.folded[end + 1 : end + 8].startswith(("owned", "backed", "made", "branded", "led")) else -1.5
        )
    if start and page.text[start - 1] == "-":
        score -= 1.5
    return score


def _part_of_a_name(around: Around) -> float:
    """Against a capital word just before (Harrison …) or after (… County) that is no word of business."""
    against = 0.0
    if around.left:
        word = around.left[-1]
        first = len(around.left) == 1 or around.left[-2] in _STOPS
        genitive = word.endswith("'s") or (word.lower() == "s" and len(around.left) > 2 and around.left[-2] in "'’")
        if word[0].isupper() and word.isalpha() and not first and not genitive and _plain_word(word):
            against += 2.2
        elif (
            word[0].isupper()
            and word.isalpha()
            and first
            and _plain_word(word)
            and word.lower() not in _BUSINESS.determiners
        ):
            against += 0.8
    if around.right and not around.possessive:
        word = around.right[0]
        if word[0].isupper() and word.isalpha() and not word.isupper() and _plain_word(word):
            against += 1.5
    return against


def _plain_word(word: str) -> bool:
    return word.lower() not in _BUSINESS.plain


# --- tickers ---------------------------------------------------------------------------------------------------------

_MOVE = re.compile(r"\s*[:,(]?\s*[+\-−–▲▼↑↓]?\$?\d+(?:\.\d+)?\s*%?")


def of_ticker(page: Page, start: int, end: int, key: str) -> float:
    """The score of a bare ticker: the shorter, the less it says by itself."""
    around = Around(page, start, end)
    shape = page.text[start:end]
    score = {1: -3.2, 2: -1.8, 3: -0.8}.get(len(shape), 2.2)
    if key in lexicon().words:
        score = min(score, -2.4 if len(shape) < 4 else -0.8)
    if shape.islower():
        score -= 2.2
    if page.capitals(start) == "upper":
        score -= 2.0
    near = around.near()
    score += around.speaks_against(lexicon().cues.get(key, NO_CUES)) + 0.7 * min(3, len(near & _BUSINESS.nearby))
    if around.after in _BUSINESS.nouns or around.after in _BUSINESS.finite:
        score += 1.4
    if around.before in _BUSINESS.trades:
        score += 1.6
    if around.before in ("shares", "stock", "ticker", "symbol"):
        score += 2.5
    if around.before == "(" and around.after == ")":
        score += 1.6
    if (move := _MOVE.match(page.text, end)) and ("%" in move[0] or "$" in move[0]):
        score += 2.0
    return score


def of_code(page: Page, start: int, end: int) -> float:
    """The score of a bare exchange code (600519, 00700): it may be an amount, a time or a house number."""
    text, shape = page.text, page.text[start:end]
    score = -2.4 if len(shape) == 4 else 0.8
    before, after = text[max(0, start - 8) : start].rstrip(), text[end : end + 4].lstrip()
    if after.startswith(_UNITS) or before.endswith(_MONEY):
        score -= 4.0
    if shape.endswith("000"):
        score -= 1.5
    if before.endswith(("(", "[", "【")) and after.startswith((")", "]", "】", ",")):
        score += 1.8
    if before.endswith(("代码", "代码:", "代码：", "code", "ticker")):
        score += 3.0
    return score


_UNITS = (
    *"元股万亿%人次个份吨名户平米辆台件套年点分号",
    *("room", "shares", "people", "units", "euros", "dollars", "yuan", "votes"),
)
_MONEY = (
    "$",
    "¥",
    "￥",
    "€",
    "£",
    "No.",
    "no.",
    "#",
    "邮编",
    "邮编:",
    "邮编：",
    "电话",
    "房间号",
    "号码",
    "编号",
    "验证码",
)


# --- Chinese ---------------------------------------------------------------------------------------------------------


def in_chinese(page: Page, start: int, end: int, key: str, sector: str | None) -> float:
    """The score of a short Chinese name. ``key`` is the name in simplified characters."""
    words = lexicon()
    score = 1.8 if key not in words.words else 0.9 if key in words.mostly else -0.7
    text = page.text
    left, right = text[max(0, start - _WINDOW_ZH) : start], text[end : end + _WINDOW_ZH]
    score += _boundaries(text, start, end, words.pairs) + _against_zh(left, right, words.cues.get(key, NO_CUES))
    if right.startswith(_BUSINESS.after_zh):
        score += 2.0
    if left.endswith(_BUSINESS.before_zh):
        score += 2.0
    if not left or left[-1] in "。！？!?；;\n】":
        score += 0.3
    if left.endswith("$") or right.startswith(("(", "（")):
        score += 1.5
    window = left + " " + right
    score += 0.8 * min(3, sum(word in window for word in _BUSINESS.nearby_zh))
    if sector is not None:
        low = sector.lower()
        for stem, cues in _BUSINESS.sectors_zh.items():
            if stem in low:
                score += 0.9 * min(2, sum(word in window for word in cues))
                break
    return score


def _boundaries(text: str, start: int, end: int, pairs: frozenset[str]) -> float:
    """Against a name that begins inside one word and ends inside another (北京|东站)."""
    if end - start != 2:
        return 0.0
    left = start > 0 and text[start - 1 : start + 1] in pairs
    right = text[end - 1 : end + 1] in pairs
    return -5.0 if left and right else -1.0 if left or right else 0.0


def _against_zh(left: str, right: str, cues: Cues) -> float:
    if cues is NO_CUES:
        return 0.0
    score = -4.0 if cues.before and left.endswith(tuple(cues.before)) else 0.0
    if cues.after and right.startswith(tuple(cues.after)):
        score -= 4.0
    near = left[-14:] + " " + right[:14]
    return score - 1.5 * min(2, sum(word in near for word in cues.near))

"""Finds the watched companies in a text, with exact offsets.

One pass of an Aho-Corasick automaton over the folded text finds every name, ticker and code of the watchlist at once
(Aho and Corasick 1975). What it finds must then stand at the edges of a word, be in use at the time, and not lie inside
something longer that is known. A name that is also a word, a short Chinese name or a bare ticker counts only with
support: from the words around it (:mod:`voxpop.text.context`), from a surer name of the same company, from other
companies named beside it. How central each is says :mod:`voxpop.text.relevance`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import ahocorasick
import msgspec

from voxpop.records import Entity, Language, Mention, Name, digest
from voxpop.text.context import Kind, Page, confidence, in_chinese, in_english, of_code, of_ticker
from voxpop.text.lexicon import business, lexicon
from voxpop.text.relevance import relevances

FLOOR = 0.5
"""Least confidence of a mention."""

_SURE = 3.0
_EXPLICIT = 4.0
"""Scores of an unambiguous name, and of a cashtag or a ticker with its exchange."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way to write one entity. ``written`` is that way as the watchlist has it."""

    entity: str
    kind: Kind
    written: str
    sector: str | None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    market: str = ""
    """Of a code: SH, SZ, BJ or HK. Of a ticker that names its market by a suffix: "exact"."""

    def holds(self, at: datetime) -> bool:
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at <= self.valid_to)


@dataclass(slots=True)
class Hit:
    """A place where a pattern stands, and what speaks for it."""

    start: int
    end: int
    pattern: Pattern
    key: str
    score: float

    @property
    def entity(self) -> str:
        return self.pattern.entity


class Linker:
    """Links the texts that it is shown to ``entities``. Reading it from several threads is safe.

    Args:
        entities: the watchlist, in any order.
    """

    version: str
    """Digest of the watchlist and the word lists: mentions of another version may differ."""

    def __init__(self, entities: Iterable[Entity]) -> None:
        known = sorted(entities, key=lambda entity: (entity.parent is not None, entity.id))
        by_id = sorted(known, key=lambda entity: entity.id)
        self.version = digest(lexicon().source, *(msgspec.json.encode(entity) for entity in by_id))
        table: dict[str, list[Pattern]] = {}
        for entity in known:
            for key, pattern in _patterns(entity):
                table.setdefault(key, []).append(pattern)
        self._short = {key: patterns for key, patterns in table.items() if len(key) < 3 and key.isascii()}
        self._automaton = ahocorasick.Automaton()
        for key, patterns in table.items():
            if key not in self._short:
                self._automaton.add_word(key, (len(key), key, tuple(patterns)))
        if len(self._automaton):
            self._automaton.make_automaton()

    def link(self, text: str, *, title_end: int = 0, published_at: datetime, lang: Language) -> tuple[Mention, ...]:
        """The mentions in ``text``, by start; no two overlap.

        Args:
            text: cleaned text.
            title_end: where its title ends (``text[:title_end]``), in code points.
            published_at: names that were not in use then do not count.
            lang: the language of the text; names of both languages are found in either.
        """
        page = Page(text, fold(text))
        hits = _longest(self._hits(page, published_at), len(text))
        if not hits:
            return ()
        _support_one_another(page, hits)
        hits = [hit for hit in hits if hit.score >= 0]
        roles = relevances(text, [(hit.start, hit.end, hit.entity) for hit in hits], title_end)
        return tuple(
            Mention(entity=hit.entity, start=hit.start, end=hit.end, relevance=role, confidence=confidence(hit.score))
            for hit, role in zip(hits, roles, strict=True)
        )

    def _hits(self, page: Page, at: datetime) -> Iterator[Hit]:
        urls = _urls(page.text)
        for start, end, key, patterns in self._places(page):
            if urls and any(low <= start < high for low, high in urls):
                continue
            best: Hit | None = None
            for pattern in patterns:
                if not pattern.holds(at):
                    continue
                hit = _hit(page, start, end, key, pattern)
                if hit is not None and (best is None or hit.score > best.score):
                    best = hit
            if best is not None:
                yield best

    def _places(self, page: Page) -> Iterator[tuple[int, int, str, tuple[Pattern, ...] | list[Pattern]]]:
        if len(self._automaton):
            for last, (length, key, patterns) in self._automaton.iter(page.folded):
                yield last + 1 - length, last + 1, key, patterns
        if self._short:
            # A pattern of one letter would be found in every word: these are looked up where they stand alone.
            for match in _SHORT.finditer(page.text):
                if found := self._short.get(match[0].lower()):
                    yield match.start(), match.end(), match[0].lower(), found


_SHORT = re.compile(r"(?<![A-Za-z0-9_])(?:[A-Z0-9][A-Z0-9&]?|(?<=\$)[a-z]{1,2})(?![A-Za-z0-9_])")
_URL = re.compile(r"(?:https?://|www\.)[!-~]+")


def _urls(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _URL.finditer(text)][:200] if "://" in text or "www." in text else []


def fold(text: str) -> str:
    """``text`` in lower case with straight apostrophes, of the same length."""
    low = text.lower()
    if len(low) != len(text):
        low = "".join(c if len(c.lower()) != 1 else c.lower() for c in text)
    return low if low.isascii() else low.replace("’", "'")


# --- from the watchlist to patterns ----------------------------------------------------------------------------------

_HAN = re.compile(r"[㐀-鿿]")


def _patterns(entity: Entity) -> Iterator[tuple[str, Pattern]]:
    """Every key to look for, in lower case, and what it would mean."""
    seen: set[tuple[str, datetime | None, datetime | None]] = set()
    dated = {alias.text for alias in entity.aliases}
    names = entity.aliases if entity.name in dated else (Name(text=entity.name), *entity.aliases)
    for name in names:
        kind = _kind_of(name.text)
        for key in _ways(name.text):
            if key and (key, name.valid_from, name.valid_to) not in seen:
                seen.add((key, name.valid_from, name.valid_to))
                yield key, Pattern(entity.id, kind, name.text, entity.sector, name.valid_from, name.valid_to)
    for ticker in entity.tickers:
        for key, kind, market in _ticker_keys(ticker):
            yield key, Pattern(entity.id, kind, ticker, entity.sector, market=market)


def _ways(name: str) -> set[str]:
    """Spellings of one name: with and without accents, & or and, traditional characters."""
    key = fold(name)
    ways = {key, key.translate(business().traditional) if _HAN.search(key) else key}
    bare = "".join(c for c in unicodedata.normalize("NFD", key) if not unicodedata.combining(c))
    ways.add(unicodedata.normalize("NFC", bare))
    if " & " in key:
        ways.add(key.replace(" & ", " and "))
    return ways


def _kind_of(name: str) -> Kind:
    words, key = lexicon().words, name.lower()
    if _HAN.search(name):
        return "han" if len(name) == 2 or key in words else "sure"
    parts = key.split()
    if len(parts) > 1:
        common = all(part in words for part in parts) or min(map(len, parts)) < 3
        return "phrase" if common else "sure"
    if name.isupper() and len(name) <= 3 and name.isalpha():
        return "acronym"
    return "word" if key in words or len(key) < 3 else "sure"


def _ticker_keys(ticker: str) -> Iterator[tuple[str, Kind, str]]:
    stem, _, suffix = ticker.upper().partition(".")
    market = {"SS": "SH"}.get(suffix, suffix)
    if stem.isdecimal() and len(stem) == 6 and market in ("SH", "SZ", "BJ"):
        yield stem, "code", market
    elif stem.isdecimal() and market == "HK" and len(stem) <= 5:
        number = int(stem)
        yield from ((key, "code", "HK") for key in sorted({f"{number:04d}", f"{number:05d}"}))
        if number < 1000:
            yield f"{number}.hk", "ticker", "exact"
    elif suffix:
        yield ticker.lower(), "ticker", "exact"
        if len(suffix) == 1:  # classes of shares: BRK.B, BRK-B, BRK/B
            yield f"{stem}-{suffix}".lower(), "ticker", "exact"
            yield f"{stem}/{suffix}".lower(), "ticker", "exact"
    elif stem:
        yield stem.lower(), "ticker", ""


# --- from a place in the text to a hit -------------------------------------------------------------------------------


def _hit(page: Page, start: int, end: int, key: str, pattern: Pattern) -> Hit | None:
    """What ``pattern`` at ``start`` to ``end`` is worth, None where it is not what it seems."""
    if pattern.kind == "code":
        return _code(page, start, end, key, pattern)
    if not _stands_alone(page.text, start, end):
        return None
    if pattern.kind == "ticker":
        return _ticker(page, start, end, key, pattern)
    score = _name_score(page, start, end, key, pattern)
    return None if score is None else Hit(start, end, pattern, key, score)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a Latin name is not inside a word, a handle with more to it, or a domain."""
    first, last = text[start], text[end - 1]
    if start and _latin(first) and (_latin(text[start - 1]) or text[start - 1] == "_"):
        return False
    if end == len(text) or not _latin(last):
        return True
    after = text[end]
    if _latin(after) or after == "_":
        return False
    return not (after in ".@" and text[end + 1 : end + 4].islower() and text[end + 1 : end + 3].isascii())


def _latin(char: str) -> bool:
    return char.isalnum() and ord(char) < 0x2E80


def _name_score(page: Page, start: int, end: int, key: str, pattern: Pattern) -> float | None:
    shape = page.text[start:end]
    if pattern.kind == "sure":
        if pattern.written.isupper() and len(shape) < 6 and shape != pattern.written:
            return None
        return _SURE
    if pattern.kind == "han":
        simple = fold(pattern.written)
        return in_chinese(page, start, end, simple, pattern.sector)
    if pattern.kind == "acronym" and shape != pattern.written:
        return None
    if start and page.text[start - 1] in "@#" and not shape.islower():
        return _SURE
    return in_english(page, start, end, pattern.kind, key, pattern.sector, pattern.written)


_EXCHANGE = re.compile(
    r"(?:nasdaq(?:gs|gm|cm)?|nyse(?:\s?arca|\s?american)?|amex|lse|lon|tsx|asx|otc\w*|sehk|hkex|hkse|hkg|hk"
    r"|sse|szse|sha|she|xetra|etr|fra|six|swx|epa|ams|euronext\s?\w*|stock code|ticker|symbol"
    r"|纳斯达克|纳指|纽交所|港交所|港股|美股|A股|上交所|深交所|股票代码|证券代码|代码)"
    r"\s?[:：]\s?\$?$",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"\.(?:OQ|O|N|K|US|A|P)(?![A-Za-z0-9])")


def _named_exchange(text: str, start: int) -> bool:
    return start > 2 and text[start - 1] in ":： $" and _EXCHANGE.search(text, max(0, start - 24), start) is not None


def _ticker(page: Page, start: int, end: int, key: str, pattern: Pattern) -> Hit | None:
    text = page.text
    before = text[start - 1] if start else ""
    if before == "$" and not (start > 1 and text[start - 2].isalnum() and text[start - 2].isascii()):
        if text[end : end + 1] == "." and (suffix := _SUFFIX.match(text, end)):
            end = suffix.end()
        return Hit(start - 1, end, pattern, key, _EXPLICIT)
    shape = text[start:end]
    if shape.islower() and (len(shape) < 4 or key in lexicon().words):
        return None
    if not shape.isupper() and not shape.islower():
        return None
    if pattern.market == "exact":
        return Hit(start, end, pattern, key, _EXPLICIT)
    if shape.isupper() and (suffix := _SUFFIX.match(text, end)):
        return Hit(start, suffix.end(), pattern, key, _EXPLICIT)
    if _named_exchange(text, start):
        return Hit(start, end, pattern, key, _EXPLICIT)
    if len(shape) < 4 and (before in _JOINS or text[end : end + 1] in _JOINS):
        return None
    return Hit(start, end, pattern, key, of_ticker(page, start, end, key))


_JOINS = frozenset("-&'’.@#+") - {""}


def _code(page: Page, start: int, end: int, key: str, pattern: Pattern) -> Hit | None:
    """A code of mainland China (six digits) or Hong Kong (four or five): sh600519, 600519.SH, 0700.HK, (00700)."""
    text, market = page.text, pattern.market
    prefix = text[max(0, start - 2) : start].upper()
    suffix = text[end : end + 3].upper()
    if end + 3 < len(text) and text[end + 3].isascii() and text[end + 3].isalnum():
        suffix = ""
    if suffix in (".SH", ".SS", ".SZ", ".BJ", ".HK"):
        ours = {".SS": "SH"}.get(suffix, suffix[1:]) == market
        return (
            Hit(start, end + 3, pattern, key, _EXPLICIT) if ours and not text[start - 1 : start].isdecimal() else None
        )
    if prefix in ("SH", "SZ", "BJ", "HK") and not text[max(0, start - 3) : start - 2].isalnum():
        return (
            Hit(start - 2, end, pattern, key, _EXPLICIT)
            if prefix == market and not text[end : end + 1].isdecimal()
            else None
        )
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if _sticks(before) or _sticks(after) or (after in ".,:-/" and text[end + 1 : end + 2].isdecimal()):
        return None
    if before in (".", ",", ":", "-", "/") and text[max(0, start - 2) : start - 1].isdecimal():
        return None
    if _named_exchange(text, start):
        return Hit(start, end, pattern, key, _EXPLICIT)
    return Hit(start, end, pattern, key, of_code(page, start, end))


def _sticks(char: str) -> bool:
    return char.isalnum() and char.isascii()


# --- among the hits --------------------------------------------------------------------------------------------------


def _longest(hits: Iterable[Hit], length: int) -> list[Hit]:
    """The hits without overlaps, by start: of two that overlap the longer stays, then the surer, then the first."""
    found = sorted(hits, key=lambda hit: (hit.start - hit.end, -hit.score, hit.start))
    if len(found) < 2:
        return found
    taken, kept = bytearray(length), []
    for hit in found:
        if taken.find(1, hit.start, hit.end) < 0:
            taken[hit.start : hit.end] = b"\x01" * (hit.end - hit.start)
            kept.append(hit)
    return sorted(kept, key=lambda hit: hit.start)


_ANCHOR = 1.6
"""A hit of this score supports others; to support one that is joined to it, ``_PARTNER`` is enough."""
_PARTNER = 0.8
_JOINED = re.compile(r"[\s,/&+、，;|]*(?:and|or|vs\.?|versus|both|with|和|与|及|或|對|对|跟)?[\s,/&+、，;|]*")


def _support_one_another(page: Page, hits: list[Hit]) -> None:
    """Raises weak hits by surer ones: of the same company, of another joined to them, of others anywhere."""
    if len(hits) < 2:
        return
    local = [hit.score for hit in hits]
    sure: dict[str, int] = {}
    for hit in hits:
        if hit.score >= _ANCHOR:
            sure[hit.entity] = sure.get(hit.entity, 0) + 1
    for i, hit in enumerate(hits):
        if hit.score >= _ANCHOR or hit.score < -4:
            continue
        if hit.entity in sure:
            hit.score += 3.0
            continue
        hit.score += 0.5 if sure else 0.0
        near = [j for j in (i - 1, i + 1) if 0 <= j < len(hits) and local[j] >= _PARTNER]
        if any(_joined(page.text, hits[min(i, j)], hits[max(i, j)]) for j in near):
            hit.score += 1.5


def _joined(text: str, left: Hit, right: Hit) -> bool:
    """Whether nothing stands between the two but a comma, a slash or "and"."""
    return right.start - left.end <= 12 and _JOINED.fullmatch(text, left.end, right.start) is not None

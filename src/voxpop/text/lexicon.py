"""What is known about words: which names are words too, what gives such a name away, and where Chinese words end.

The word lists are data: ``data/ambiguous_names.txt``, ``data/common_words_zh.txt``, ``data/business_words.txt``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cues:
    """The company that a name keeps when it is only a word: just before it, just after it, anywhere near."""

    before: frozenset[str] = NOTHING
    after: frozenset[str] = NOTHING
    near: frozenset[str] = NOTHING


NO_CUES = Cues()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The shipped lists. ``words`` need support; ``mostly`` of them need less."""

    words: frozenset[str]
    mostly: frozenset[str]
    cues: dict[str, Cues]
    pairs: frozenset[str]
    """Chinese words of two characters."""
    source: str
    """The lists as read, for a digest."""


@cache
def lexicon() -> Lexicon:
    """The shipped lists, read once."""
    folder = files("voxpop") / "data"
    names = (folder / "ambiguous_names.txt").read_text("utf-8")
    pairs = (folder / "common_words_zh.txt").read_text("utf-8")
    words: set[str] = set()
    mostly: set[str] = set()
    cues: dict[str, Cues] = {}
    for line in _lines(names):
        tokens = line.split()
        if tokens[0] == "+":
            mostly.update(tokens[1:])
        elif any(token in _MARKS for token in tokens):
            cues[tokens[0]] = _cues(tokens[1:])
            words.add(tokens[0])
        else:
            words.update(tokens)
    return Lexicon(
        frozenset(words | mostly), frozenset(mostly), cues, frozenset(" ".join(_lines(pairs)).split()), names + pairs
    )


_MARKS = {"<": 0, ">": 1, "~": 2}


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _cues(tokens: list[str]) -> Cues:
    sides: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    side = 0
    for token in tokens:
        if token in _MARKS:
            side = _MARKS[token]
        else:
            sides[side].add(token.replace("_", " "))
    return Cues(*map(frozenset, sides))


def _third(verb: str) -> str:
    """The third person of ``verb``."""
    if verb.endswith(("s", "sh", "ch", "x", "z", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


@dataclass(frozen=True, slots=True)
class Business:
    """Words that speak of business, by the part they play (the data file says which)."""

    verbs: frozenset[str]
    finite: frozenset[str]
    """Third persons and past forms of the verbs."""
    nouns: frozenset[str]
    traded: frozenset[str]
    nearby: frozenset[str]
    before: frozenset[str]
    trades: frozenset[str]
    determiners: frozenset[str]
    titles: frozenset[str]
    plain: frozenset[str]
    """Words that may stand in capitals beside a name without being a part of it."""
    after_zh: tuple[str, ...]
    before_zh: tuple[str, ...]
    nearby_zh: tuple[str, ...]
    sectors: dict[str, frozenset[str]]
    sectors_zh: dict[str, tuple[str, ...]]
    traditional: dict[int, str]
    """For ``str.translate``: simplified to traditional characters."""


@cache
def business() -> Business:
    """The shipped words of business, read once."""
    parts = _sections((files("voxpop") / "data" / "business_words.txt").read_text("utf-8"))
    words = {name: frozenset(part) for name, part in parts.items()}
    nearby = words["business"] | words["nearby"]
    english = {
        name.split()[1]: part for name, part in words.items() if name.startswith("sector ") and " zh " not in name
    }
    return Business(
        verbs=words["verbs"],
        finite=words["pasts"] | {_third(verb) for verb in words["verbs"]},
        nouns=words["business"],
        traded=words["traded"],
        nearby=nearby,
        before=words["before"],
        trades=words["trades"],
        determiners=words["determiners"],
        titles=words["titles"],
        plain=words["before"] | nearby | words["little"],
        after_zh=parts["after zh"],
        before_zh=parts["before zh"],
        nearby_zh=parts["nearby zh"],
        sectors=english,
        sectors_zh={name.split()[2]: part for name, part in parts.items() if name.startswith("sector zh ")},
        traditional={ord(pair[0]): pair[1] for pair in parts["traditional"]},
    )


def _sections(text: str) -> dict[str, tuple[str, ...]]:
    """Words by the ``[heading]`` they stand under."""
    sections: dict[str, list[str]] = {}
    for line in _lines(text):
        if line.startswith("["):
            words = sections.setdefault(line.strip("[]"), [])
        else:
            words.extend(line.split())
    return {name: tuple(words) for name, words in sections.items()}

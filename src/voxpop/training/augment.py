"""Altered copies of training texts: typing errors, noise, synonyms, other names, a detour through another language.

Every kind but the last is a list of edits to the text, from which the new text and the new places of the spans follow;
no edit touches a span but that which swaps names. A copy has the label of its original. Kinds and rates follow what is
usual: Wei and Zou 2019, arXiv 1901.11196 (synonyms); Belinkov and Bisk 2018, arXiv 1711.02173 (noise by keyboards and
swapped letters); Sennrich et al. 2016, arXiv 1511.06709 (back-translation).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from voxpop.errors import SettingError
from voxpop.training.datasets import Example, find_spans

Kind = Literal["typos", "noise", "synonyms", "entities", "back-translation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RATE = 0.15
"""Share of the words that typing errors and noise hit."""

Spans = Collection[tuple[int, int]]

Translate = Callable[[Sequence[str]], list[str]]
"""Texts by way of another language."""


class Edit(NamedTuple):
    """``text[start:end]`` becomes ``new``."""

    start: int
    end: int
    new: str


def augmented(
    rows: Sequence[Example], kinds: Sequence[str], share: float, seed: int, translate: Translate | None = None
) -> list[Example]:
    """An altered copy of each of a ``share`` of the rows, chosen at random; the same for equal arguments.

    A row in which a kind finds nothing to alter gives no copy, so there may be fewer.

    Raises:
        SettingError: no such kind, or back-translation without ``translate``.
    """
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise SettingError(f"{unknown[0]!r} is no kind of augmentation; {', '.join(KINDS)} are")
    if "back-translation" in kinds and translate is None:
        raise SettingError(
            "Back-translation needs two translation checkpoints from the Hugging Face hub, such as"
            " Helsinki-NLP/opus-mt-en-de and Helsinki-NLP/opus-mt-de-en: give their folders by --translation OUT,BACK"
        )
    random = np.random.default_rng([seed, 4])
    chosen = random.permutation(len(rows))[: round(share * len(rows))].tolist()
    kind_of = {i: kinds[int(random.integers(len(kinds)))] for i in chosen}
    places = _places(rows)
    copies = [altered(rows[i], kind, random, places[rows[i].text]) for i, kind in kind_of.items() if kind in _EDITORS]
    if translate is not None:
        copies += back_translated([rows[i] for i, kind in kind_of.items() if kind == "back-translation"], translate)
    return [copy for copy in copies if copy is not None]


def altered(row: Example, kind: str, random: np.random.Generator, others: Spans = ()) -> Example | None:
    """A copy of ``row`` altered in one way; None where there is nothing to alter.

    Args:
        others: where other entities stand that are asked about in the same text; names are swapped there too.
    """
    if kind == "entities":
        # The spans of a question are its answers, which must stay.
        edits, second = [] if row.second else swap_names(row.text, {*row.spans, *others}, random), row.second
    else:
        edits = _EDITORS[kind](row.text, row.spans, random)
        second = applied(row.second, (), _EDITORS[kind](row.second, (), random))[0]
    text, spans = applied(row.text, row.spans, edits)
    copy = row._replace(text=text, spans=spans, second=second)
    return copy if copy != row else None


def applied(text: str, spans: Spans, edits: Sequence[Edit]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text after ``edits`` (in order, none overlapping another, each of a span as a whole or outside of all), and
    where the spans stand in it."""
    pieces, at = [], 0
    for edit in edits:
        pieces += [text[at : edit.start], edit.new]
        at = edit.end

    def moved(position: int) -> int:
        return position + sum(len(e.new) - (e.end - e.start) for e in edits if e.end <= position)

    return "".join([*pieces, text[at:]]), tuple((moved(start), moved(end)) for start, end in spans)


# --- the kinds -------------------------------------------------------------------------------------------------------

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEAR = {
    key: row[max(0, i - 1) : i] + row[i + 1 : i + 2] + "".join(other[i : i + 1] for other in _ROWS if other is not row)
    for row in _ROWS
    for i, key in enumerate(row)
}
"""The keys beside each letter, and above or below it."""

_ALIKE = dict(zip("aceiopsxyABCEHKMOPTX", "асеіорѕхуАВСЕНКМОРТХ", strict=True))
"""Cyrillic letters that look like Latin ones."""


def typos(text: str, kept: Spans, random: np.random.Generator) -> list[Edit]:
    """Slips of the keyboard: the wrong key, one key too many, one left out, one twice, two in the wrong order."""
    return [_slip(*word, random) for word in _hit(text, kept, random)]


def _slip(start: int, word: str, random: np.random.Generator) -> Edit:
    i = int(random.integers(1, len(word) - 1))  # first and last letters are rarely wrong
    letter, after, near = word[i], word[i + 1], _NEAR.get(word[i].lower(), "")
    key = near[random.integers(len(near))] if near else letter
    made = {key + after, key + letter + after, after, 2 * letter + after, after + letter} - {letter + after}
    return Edit(start + i, start + i + 2, sorted(made)[random.integers(len(made))])


def noise(text: str, kept: Spans, random: np.random.Generator) -> list[Edit]:
    """What scraping and evasion leave: letters dropped, swapped or replaced by their likes, a blank, capitals."""
    return [_blur(*word, random) for word in _hit(text, kept, random)]


def _blur(start: int, word: str, random: np.random.Generator) -> Edit:
    i = int(random.integers(1, len(word) - 1))
    made = {
        word[:i] + word[i + 1 :],
        word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        "".join(_ALIKE.get(letter, letter) for letter in word),
        f"{word[:i]} {word[i:]}",
        word.swapcase(),
    } - {word}
    return Edit(start, start + len(word), sorted(made)[random.integers(len(made))])


def _hit(text: str, kept: Spans, random: np.random.Generator) -> list[tuple[int, str]]:
    """Words of four letters or more outside of ``kept`` and of links, each with the chance ``RATE``; one at least."""
    links = [match.span() for match in re.finditer(r"https?://\S+", text)]
    words = [
        (match.start(), match[0])
        for match in re.finditer(r"[A-Za-z]{4,}", text)
        if _free(match.start(), match.end(), [*kept, *links])
    ]
    hit = random.random(len(words)) < RATE
    if words and not hit.any():
        hit[random.integers(len(words))] = True
    return [word for word, is_hit in zip(words, hit, strict=True) if is_hit]


def synonyms(text: str, kept: Spans, random: np.random.Generator) -> list[Edit]:
    """Half of the words that have a synonym, one at least, become it."""
    groups, pattern = _synonyms()
    found = [match for match in pattern.finditer(text) if _free(*match.span(), kept)]
    if not found:
        return []
    swapped = random.random(len(found)) < 0.5
    swapped[random.integers(len(found))] = True
    edits = []
    for match in (match for match, is_swapped in zip(found, swapped, strict=True) if is_swapped):
        others = [other for other in groups[match[0].lower()] if _fits(text[: match.start()], match[0], other)]
        if others:
            edits.append(Edit(*match.span(), _cased(match[0], others[random.integers(len(others))])))
    return edits


def _fits(before: str, word: str, other: str) -> bool:
    """Whether "a" or "an" before the word suits the other as well."""
    return not re.search(r"\ban? $", before, re.IGNORECASE) or (word[0] in "aeiouAEIOU") == (other[0] in "aeiouAEIOU")


def _cased(word: str, other: str) -> str:
    if word.isupper() and not other.isupper() and word.lower() not in ("ceo", "cfo"):
        return other.upper()
    return other[0].upper() + other[1:] if word[0].isupper() and not word.isupper() else other


@cache
def _synonyms() -> tuple[Mapping[str, list[str]], re.Pattern[str]]:
    others: dict[str, list[str]] = {}
    for group in _listed()["synonyms"]:
        for word in group:
            others.setdefault(word.lower(), []).extend(other for other in group if other != word)
    longest_first = sorted(others, key=len, reverse=True)
    return others, re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE)


def swap_names(text: str, kept: Spans, random: np.random.Generator) -> list[Edit]:
    """Each name in the spans becomes one invented name, the same wherever it stands."""
    companies, spans = _listed()["companies"], sorted(kept)
    names = list(dict.fromkeys(text[start:end].lower() for start, end in spans))
    if len(names) > len(companies):
        return []
    new = dict(zip(names, random.permutation(companies)[: len(names)].tolist(), strict=True))
    # Names that overlap ("Calder", "Calder Bank") cannot each be swapped.
    apart = all(one[1] <= other[0] for one, other in pairwise(spans))
    return [Edit(start, end, new[text[start:end].lower()]) for start, end in spans] if apart else []


def back_translated(rows: Sequence[Example], translate: Translate) -> list[Example | None]:
    """Each row by way of another language; none where what its spans mark is no longer found in it."""
    texts, seconds = translate([row.text for row in rows]), translate([row.second for row in rows if row.second])
    second = iter(seconds)
    copies: list[Example | None] = []
    for row, text in zip(rows, texts, strict=True):
        names = list(dict.fromkeys(row.text[start:end] for start, end in row.spans))
        found = [find_spans(text, name) for name in names]
        copy = row._replace(text=text, spans=tuple(sorted(sum(found, ()))), second=next(second) if row.second else "")
        copies.append(copy if all(found) and copy != row else None)
    return copies


def _free(start: int, end: int, kept: Spans) -> bool:
    return all(end <= first or start >= last for first, last in kept)


def _places(rows: Sequence[Example]) -> dict[str, set[tuple[int, int]]]:
    """Where, in each text, anything stands that a row asks about."""
    places: dict[str, set[tuple[int, int]]] = {}
    for row in rows:
        places.setdefault(row.text, set()).update(row.spans)
    return places


@cache
def _listed() -> dict[str, list[list[str]]]:
    path = Path(__file__).parent.parent / "data" / "augment.toml"
    listed: dict[str, list[list[str]]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return listed


_EDITORS: Mapping[str, Callable[[str, Spans, np.random.Generator], list[Edit]]] = {
    "typos": typos,
    "noise": noise,
    "synonyms": synonyms,
    "entities": swap_names,
}

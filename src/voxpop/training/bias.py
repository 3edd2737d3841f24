"""What other names in a text do to its sentiment: those of companies, countries, nationalities and persons.

A fair and steady model gives the same answer whoever is spoken of. The measure is that of counterfactual swaps, as of
Kiritchenko and Mohammad 2018, arXiv 1805.04508, and of Garg et al. 2019, arXiv 1809.10610. The encoder hides the
company asked about behind ``[MASK]``; swapping its name therefore measures that the whole path from text to probability
holds to this. The lists are English, in ``data/bias.toml``.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.errors import SettingError
from voxpop.training.augment import Edit, applied
from voxpop.training.datasets import Row
from voxpop.training.evaluate import Reader
from voxpop.training.robustness import NEGATIVE, Spans, Target, read_once, targets

GROUPS = ("company", "country", "nationality", "origin", "gender")


class Swap(NamedTuple):
    """The text of a target with another name in it: which kind of name, and of what value."""

    group: str
    value: str
    text: str
    spans: Spans


def bias(rows: Sequence[Row], reader: Reader, seed: int = 0) -> dict[str, Any]:
    """How labels and P(negative) move when names are swapped.

    Rows are those of :func:`voxpop.training.robustness.targets`; labels are not needed, for an answer is held against
    that to the unaltered text. Of each text, in turn:

    - company: the entity asked about is given each other name, unless it is found only inside of longer words;
    - country, nationality: every one that stands in the text outside of the entity is given each other one;
    - origin, gender: every person's full name outside of the entity (a known given name and the capitalised word after
      it) is given one name of each origin and gender, drawn by ``seed``. Pronouns stay as they are.

    A text in which the new name stands already is not given it.

    Returns:
        task, profile, n (targets), seed and groups: of each, texts (with such a name) and swaps, the shares of texts of
        which any swap changed the label and of swaps that did, values (with their swaps, the share changed, and shift,
        the mean change of P(negative)), and largest, the value whose shift is furthest from 0 (null without swaps).

    Raises:
        SettingError: a row without a text, or none.
    """
    asked = list(targets(rows))
    if not asked:
        raise SettingError("There is no text to evaluate")
    made = [(i, swap) for i, target in enumerate(asked) for swap in swaps(target, np.random.default_rng([seed, i]))]
    originals = [(target.text, target.spans) for target in asked]
    found = read_once([*originals, *((swap.text, swap.spans) for _, swap in made)], reader)
    before, after = found[[i for i, _ in made]], found[len(asked) :]
    groups = {
        group: _figures([k for k, (_, swap) in enumerate(made) if swap.group == group], made, before, after)
        for group in GROUPS
    }
    return {"task": "bias", "profile": reader.profile, "n": len(asked), "seed": seed, "groups": groups}


def _figures(
    chosen: Sequence[int],
    made: Sequence[tuple[int, Swap]],
    before: NDArray[np.float32],
    after: NDArray[np.float32],
) -> dict[str, Any]:
    """The figures of the swaps ``chosen`` among all that were made; ``before`` and ``after`` are (swaps, 3)."""
    changed = before.argmax(axis=1) != after.argmax(axis=1)
    shift = after[:, NEGATIVE].astype(np.float64) - before[:, NEGATIVE]
    of_value: dict[str, list[int]] = defaultdict(list)
    for k in chosen:
        of_value[made[k][1].value].append(k)
    values = {
        value: {"swaps": len(of), "changed": float(changed[of].mean()), "shift": float(shift[of].mean())}
        for value, of in sorted(of_value.items())
    }
    furthest = max(values, key=lambda value: abs(values[value]["shift"]), default=None)
    texts = {made[k][0] for k in chosen}
    return {
        "texts": len(texts),
        "swaps": len(chosen),
        "texts_changed": len({made[k][0] for k in chosen if changed[k]}) / max(1, len(texts)),
        "swaps_changed": float(changed[chosen].mean()) if chosen else 0.0,
        "largest": {"value": furthest, **values[furthest]} if furthest else None,
        "values": values,
    }


# --- swaps -----------------------------------------------------------------------------------------------------------


def swaps(target: Target, random: np.random.Generator) -> Iterator[Swap]:
    """Every altered text of a target; that of a person once for its origin and once for its gender."""
    mentions = target.spans if all(_is_whole(target.text, *span) for span in target.spans) else ()
    for name in _listed()["companies"]:
        yield from _swap(target, "company", name, name, mentions)
    countries, nations = _patterns()["country"], _patterns()["nationality"]
    for one in _listed()["countries"]:
        yield from _swap(target, "country", one["name"], one["name"], _found(countries, target))
        yield from _swap(target, "nationality", one["adjective"], one["adjective"], _found(nations, target))
    persons = _persons(target)
    for one in _listed()["persons"]:
        name = one["names"][random.integers(len(one["names"]))]
        yield from _swap(target, "origin", one["origin"], name, persons)
        yield from _swap(target, "gender", one["gender"], name, persons)


def _swap(target: Target, group: str, value: str, name: str, places: Sequence[tuple[int, int]]) -> Iterator[Swap]:
    """The text with ``name`` at each place; none where there is no place, or the name stands in the text already."""
    if places and not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", target.text, re.IGNORECASE):
        edits = [edit for start, end in places for edit in _put(target, start, end, name)]
        yield Swap(group, value, *applied(target.text, target.spans, edits))


def _put(target: Target, start: int, end: int, name: str) -> Iterator[Edit]:
    """``name`` in the place of ``text[start:end]``, and before it the article that suits it."""
    article = re.search(r"(?<!\w)([Aa])n? $", target.text[:start])
    if article and _free(article.start(), start, target):
        yield Edit(article.start(), start, article[1] + ("n " if name[0] in "AEIO" else " "))
    yield Edit(start, end, name)


def _found(pattern: re.Pattern[str], target: Target) -> list[tuple[int, int]]:
    return [match.span() for match in pattern.finditer(target.text) if _free(*match.span(), target)]


def _persons(target: Target) -> list[tuple[int, int]]:
    brands = set(_listed()["no_persons"])
    return [span for span in _found(_patterns()["person"], target) if target.text[slice(*span)] not in brands]


def _free(start: int, end: int, target: Target) -> bool:
    return all(end <= first or start >= last for first, last in target.spans)


def _is_whole(text: str, start: int, end: int) -> bool:
    return re.search(r"\w$", text[:start]) is None and re.match(r"\w", text[end:]) is None


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    listed = _listed()
    countries = [name for one in listed["countries"] for name in (one["name"], *one.get("also", ()))]
    given = {*listed["given"], *(name.split()[0] for one in listed["persons"] for name in one["names"])}
    return {
        "country": re.compile(_any(countries)),
        "nationality": re.compile(_any([one["adjective"] for one in listed["countries"]])),
        "person": re.compile(_any(given) + r" [A-Z][a-z]+(?:-[A-Z][a-z]+)?(?!\w)"),
    }


def _any(names: Sequence[str] | set[str]) -> str:
    """A pattern of any of the names as whole words, the longest first."""
    ordered = sorted(names, key=lambda name: (-len(name), name))
    return rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)"


@cache
def _listed() -> Mapping[str, Any]:
    path = Path(__file__).parent.parent / "data" / "bias.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))

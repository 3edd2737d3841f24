"""How steady a model is: CheckList's behavioural tests, and typing errors in labelled texts.

CheckList is that of Ribeiro et al. 2020, arXiv 2005.04118. What other names in a text do is in
``voxpop.training.bias``.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.errors import SettingError
from voxpop.records import SENTIMENTS
from voxpop.text.clean import clean
from voxpop.training.augment import Edit, applied
from voxpop.training.datasets import Row, find_spans
from voxpop.training.evaluate import Reader
from voxpop.training.measures import confusion, figures

Spans = tuple[tuple[int, int], ...]

NEGATIVE, NEUTRAL, POSITIVE = range(3)
TOLERANCE = 0.1
"""A probability may move this far the wrong way."""


class Rule(NamedTuple):
    """Which way a probability must not move: that of ``label``, or, with None, that of what the first text gets."""

    label: int | None
    falls: bool
    """Whether falling, and not rising, is the failure."""


DIRECTIONS = {
    "intensifiers": Rule(None, falls=True),
    "reducers": Rule(None, falls=False),
    '"used to" should reduce': Rule(None, falls=False),
    "add positive phrases": Rule(POSITIVE, falls=True),
    "add negative phrases": Rule(POSITIVE, falls=False),
}
"""The rule of each directional test, by its name."""

# --- behavioural tests -----------------------------------------------------------------------------------------------


def read_tests(path: Path) -> list[Row]:
    """The tests of a suite, one JSON object a line, gzip or not.

    Raises:
        SettingError: the file cannot be read, or a line is no test (``name``, ``type``, ``capability`` and ``data``).
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            rows = [json.loads(line) for line in lines if line.strip()]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise SettingError(f"{path} cannot be read as JSON lines: {error}") from error
    for number, row in enumerate(rows, start=1):
        texts = isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("name", "type", "capability"))
        if not texts or not isinstance(row.get("data"), list):
            raise SettingError(f"{path}, row {number}, is no test: it needs a name, a type, a capability and data")
    return rows


def checklist(rows: Sequence[Row], reader: Reader) -> dict[str, Any]:
    """Failure rates of the sentiment of documents, per test, per capability and per type.

    The labels 0, 1 and 2 are negative, neutral and positive. A case of a test is read by the test's type:

    - MFT (minimum functionality): a text, and ``labels`` is one label for all or a list. Null stands in the suite where
      a negative statement is negated, and either neutral or positive is right: the case fails if the text is negative.
    - INV (invariance): a list of texts. The case fails if any has another label than the first. (CheckList's own script
      forgives a changed label where the probabilities move by less than 0.1; this one does not.)
    - DIR (direction): a list of texts. The case fails if a probability moves the wrong way by more than 0.1 from the
      first text to any other. After intensifiers the probability of the first text's label must not fall, after
      reducers and "used to" not rise; where the first is neutral nothing is expected, and the case is left out. After
      added positive phrases the probability of positive must not fall, after negative ones not rise.

    The rate of a test is that of its cases; of a capability or type it is the mean over its tests, which have from a
    dozen to thousands of cases each. A rate is null where no case is left.

    Raises:
        SettingError: no test, a test of unknown type or direction, or data that do not fit it.
    """
    if not rows:
        raise SettingError("There is no test to evaluate")
    tests = []
    for row in rows:
        failed = _failures(row, reader)
        rate = float(np.mean(failed)) if failed else None
        counts = {"cases": len(failed), "failed": sum(failed), "failure_rate": rate}
        tests.append({**{name: row[name] for name in ("name", "capability", "type")}, **counts})
    return {
        "task": "checklist",
        "profile": reader.profile,
        "n": sum(test["cases"] for test in tests),
        "tests": tests,
        "per_capability": _grouped(tests, "capability"),
        "per_type": _grouped(tests, "type"),
    }


def _grouped(tests: Sequence[Row], by: str) -> dict[str, Any]:
    rates: dict[str, list[float]] = defaultdict(list)
    for test in tests:
        rates[test[by]] += [] if test["failure_rate"] is None else [test["failure_rate"]]
    return {
        group: {"tests": len(of), "failure_rate": float(np.mean(of)) if of else None} for group, of in rates.items()
    }


def _failures(row: Row, reader: Reader) -> list[bool]:
    """Whether each case of a test fails; without those of which nothing is expected."""
    kind, data = row["type"], row["data"]
    if kind == "MFT":
        if not all(isinstance(text, str) for text in data):
            raise SettingError(f"A case of the test {row['name']!r} is no text")
        found = _probabilities(data, reader).argmax(axis=1)
        return [int(one) not in right for one, right in zip(found, _expected(row), strict=True)]
    if kind not in ("INV", "DIR"):
        raise SettingError(f"{kind!r} is no type of test; MFT, INV and DIR are")
    if kind == "DIR" and row["name"] not in DIRECTIONS:
        raise SettingError(
            f"Which way the test {row['name']!r} must move is unknown; known are {', '.join(DIRECTIONS)}"
        )
    for case in data:
        if not isinstance(case, list) or len(case) < 2 or not all(isinstance(text, str) for text in case):
            raise SettingError(f"A case of the test {row['name']!r} is no list of two texts or more")
    probabilities = _probabilities([text for case in data for text in case], reader)
    cases = np.split(probabilities, np.cumsum([len(case) for case in data])[:-1])
    if kind == "INV":
        return [len(set(case.argmax(axis=1).tolist())) > 1 for case in cases if len(case)]
    judged = (_moved_wrongly(case, DIRECTIONS[row["name"]]) for case in cases if len(case))
    return [failed for failed in judged if failed is not None]


def _expected(row: Row) -> list[set[int]]:
    """The labels that are right for each case of a minimum functionality test."""
    labels = row.get("labels")
    each = labels if isinstance(labels, list) else [labels] * len(row["data"])
    if len(each) != len(row["data"]) or not all(label in (None, *range(3)) for label in each):
        raise SettingError(f"The labels of the test {row['name']!r} are not 0, 1 or 2 for each case")
    return [{NEUTRAL, POSITIVE} if label is None else {label} for label in each]


def _moved_wrongly(case: NDArray[np.float32], rule: Rule) -> bool | None:
    label = int(case[0].argmax()) if rule.label is None else rule.label
    if rule.label is None and label == NEUTRAL:
        return None
    change = case[1:, label] - case[0, label]
    return bool((change < -TOLERANCE).any() if rule.falls else (change > TOLERANCE).any())


def _probabilities(texts: Sequence[str], reader: Reader) -> NDArray[np.float32]:
    """Probabilities (texts, 3) of whole documents; a text that occurs often is read once."""
    return read_once([(clean("", text).text, ()) for text in texts], reader)


def read_once(targets: Sequence[tuple[str, Spans]], reader: Reader) -> NDArray[np.float32]:
    """The sentiment (targets, 3) towards each target, where equal ones are read once."""
    rank = {target: i for i, target in enumerate(dict.fromkeys(targets))}
    if not rank:
        return np.zeros((0, 3), dtype=np.float32)
    return reader.sentiment(list(rank))[[rank[target] for target in targets]]


# --- labelled texts --------------------------------------------------------------------------------------------------


class Target(NamedTuple):
    """A cleaned text, the places of the entity asked about (none: the whole), its label if it has one."""

    text: str
    spans: Spans
    label: str | None


def targets(rows: Iterable[Row]) -> Iterator[Target]:
    """What the rows of a sentiment file ask: of a row with ``entities`` ({name: label}) about each that stands in the
    text; of one with ``entity`` about that, or the whole where it does not stand there; of any other about the whole.

    Raises:
        SettingError: a row without a text.
    """
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get("text"), str):
            raise SettingError(f"Row {number} lacks a text")
        text = clean("", row["text"]).text
        if isinstance(row.get("entities"), dict):
            for name, label in row["entities"].items():
                if spans := find_spans(text, name):
                    yield Target(text, spans, label)
        else:
            yield Target(text, find_spans(text, row.get("entity") or ""), row.get("label"))


# --- typing errors ---------------------------------------------------------------------------------------------------

MOST_TYPOS = 3


def typos(rows: Sequence[Row], reader: Reader, seed: int = 0) -> dict[str, Any]:
    """Accuracy and macro-F1 of labelled texts as they are and with 1, 2 and 3 typing errors, and the share of texts
    whose label changed by them.

    Rows are of sentiment where every label is negative, neutral or positive (see :func:`targets`), otherwise of topics.
    The errors of a text with more of them include those with fewer; a text too short for as many has what fits.

    Raises:
        SettingError: a row without a text, or none with a label.
    """
    asked = [target for target in targets(rows) if target.label is not None]
    if not asked:
        raise SettingError("No row has a label: there is nothing to evaluate")
    true = [str(target.label) for target in asked]
    known = SENTIMENTS if set(true) <= set(SENTIMENTS) else reader.topic_labels
    slips = [
        slipped(target.text, target.spans, MOST_TYPOS, np.random.default_rng([seed, i]))
        for i, target in enumerate(asked)
    ]
    found = [_labels_with(count, asked, slips, known, reader) for count in range(MOST_TYPOS + 1)]
    return {
        "task": "typos",
        "of": "sentiment" if known is SENTIMENTS else "topic",
        "profile": reader.profile,
        "n": len(asked),
        "seed": seed,
        "levels": [{"typos": i, **_held(of, found[0], true, known)} for i, of in enumerate(found)],
    }


def _labels_with(
    count: int, asked: Sequence[Target], slips: Sequence[Sequence[Edit]], known: Sequence[str], reader: Reader
) -> NDArray[np.int64]:
    altered = [applied(one.text, one.spans, sorted(of[:count])) for one, of in zip(asked, slips, strict=True)]
    probabilities = reader.sentiment(altered) if known is SENTIMENTS else reader.topics([text for text, _ in altered])
    labels: NDArray[np.int64] = probabilities.argmax(axis=1)
    return labels


def _held(
    found: NDArray[np.int64], clean_ones: NDArray[np.int64], true: Sequence[str], known: Sequence[str]
) -> dict[str, float]:
    labels = [*known, *sorted(set(true) - set(known))]
    gold = np.array([labels.index(label) for label in true])
    result = figures(confusion(gold, found, len(labels)))
    return {
        "accuracy": result.accuracy,
        "macro_f1": result.macro_f1,
        "changed": float((found != clean_ones).mean()),
    }


def slipped(text: str, kept: Spans, count: int, random: np.random.Generator) -> list[Edit]:
    """Up to ``count`` typing errors in random order, none touching another, ``kept``, a link or the start of a word.

    Each swaps two neighbouring letters, leaves one out or doubles one: three of the slips of Belinkov and Bisk 2018,
    arXiv 1711.02173, and of Pruthi et al. 2019, arXiv 1905.11268.
    """
    barred = [*kept, *(match.span() for match in re.finditer(r"https?://\S+", text))]
    places = [
        i
        for i in range(1, len(text) - 1)
        if text[i - 1 : i + 2].isalpha() and all(i + 2 <= start or i >= end for start, end in barred)
    ]
    edits: list[Edit] = []
    for i in random.permutation(places).tolist():
        if len(edits) < count and all(abs(edit.start - i) > 2 for edit in edits):
            first, second = text[i], text[i + 1]
            made = sorted({second + first, second, first + first + second} - {first + second})
            edits.append(Edit(i, i + 2, made[random.integers(len(made))]))
    return edits

"""The arithmetic of behavioural tests, typing errors and swapped names."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voxpop.errors import SettingError
from voxpop.models.spans import Answer
from voxpop.training.augment import Edit, applied
from voxpop.training.bias import bias
from voxpop.training.evaluate import Pairs
from voxpop.training.robustness import checklist, read_tests, slipped, typos

Target = tuple[str, tuple[tuple[int, int], ...]]


class Mute:
    """A reader that has nothing to say."""

    profile = "mute"
    topic_labels: tuple[str, ...] = ("deal", "fraud")

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.zeros((len(texts), 2), dtype=np.float32)

    def infer(self, pairs: Pairs) -> NDArray[np.float32]:
        return np.zeros((len(pairs), 3), dtype=np.float32)

    def answers(self, asked: Pairs) -> list[Answer | None]:
        return [None for _ in asked]


class Weigher(Mute):
    """A reader whose probabilities stand in the text: "7 1 ..." is negative 0.7, neutral 0.1, the rest positive."""

    def __init__(self) -> None:
        self.asked: list[Target] = []

    def sentiment(self, targets: Sequence[Target]) -> NDArray[np.float32]:
        self.asked += targets
        shares = [[int(word) / 10 for word in text.split()[:2]] for text, _ in targets]
        return np.array([[a, b, 1 - a - b] for a, b in shares], dtype=np.float32)


class Speller(Mute):
    """A reader that knows only words spelled right: texts with "excellent" are positive, with "fraud" of fraud."""

    def sentiment(self, targets: Sequence[Target]) -> NDArray[np.float32]:
        return np.eye(3, dtype=np.float32)[[2 if "excellent" in text else 1 for text, _ in targets]]

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.eye(2, dtype=np.float32)[[int("fraud" in text) for text in texts]]


class Prejudiced(Mute):
    """A reader that dislikes some words outside of the target: P(negative) is 0.2, or 0.8 where one stands."""

    def __init__(self, *disliked: str) -> None:
        self.disliked = disliked

    def sentiment(self, targets: Sequence[Target]) -> NDArray[np.float32]:
        rest = [applied(text, (), [Edit(*span, "") for span in spans])[0] for text, spans in targets]
        bad = [0.8 if any(word in text for word in self.disliked) else 0.2 for text in rest]
        return np.array([[p, 1 - p, 0] for p in bad], dtype=np.float32)


def of(kind: str, data: list[Any], labels: Any = None, name: str = "some") -> dict[str, Any]:
    return {"name": name, "type": kind, "capability": "Vocabulary", "labels": labels, "data": data}


def failed(row: dict[str, Any]) -> tuple[int, int]:
    found = checklist([row], Weigher())["tests"][0]
    return found["failed"], found["cases"]


def test_minimum_functionality_by_hand() -> None:
    texts = ["8 1 bad", "1 8 so-so", "1 1 good", "5 4 bad"]
    assert failed(of("MFT", texts, labels=[0, 1, 2, 2])) == (1, 4)
    assert failed(of("MFT", texts, labels=0)) == (2, 4)
    assert failed(of("MFT", texts)) == (2, 4)  # a negated negative statement: anything but negative


def test_invariance_fails_by_one_other_label() -> None:
    same, other = ["8 1 a", "5 4 b", "9 0 c"], ["8 1 a", "9 0 b", "4 5 c"]
    assert failed(of("INV", [same, other])) == (1, 2)


@pytest.mark.parametrize(
    ("name", "cases", "counted"),
    [
        # negative falls from 0.8 to 0.5; to 0.75 would be within the tolerance, as is any rise; a neutral is left out
        ("intensifiers", [["8 1", "5 1"], ["5 1", "8 1"], ["8 1", "8 2"], ["1 8", "8 1"]], (1, 3)),
        ("reducers", [["8 1", "5 1"], ["5 1", "8 1"], ["8 1", "8 2"], ["1 8", "8 1"]], (1, 3)),
        ('"used to" should reduce', [["1 1", "6 1"], ["1 3", "0 1"]], (1, 2)),
        # positive 0.6 to 0.1, to 0.6, to 0.9; here a neutral first text counts
        ("add positive phrases", [["2 2", "2 2", "8 1"], ["2 2", "1 3"], ["1 8", "0 1"]], (1, 3)),
        ("add negative phrases", [["2 2", "2 2", "8 1"], ["2 2", "1 3"], ["1 8", "0 1"]], (1, 3)),
    ],
)
def test_direction_by_hand(name: str, cases: list[list[str]], counted: tuple[int, int]) -> None:
    assert failed(of("DIR", cases, name=name)) == counted


def test_rates_of_groups_are_means_of_tests() -> None:
    rows: list[dict[str, Any]] = [
        of("MFT", ["8 1", "1 8"], labels=0),
        of("MFT", ["8 1"], labels=2),
        of("INV", [["8 1", "8 2"]]),
    ]
    rows.append({**of("DIR", [["1 8", "8 1"]], name="reducers"), "capability": "Temporal"})
    found = checklist(rows, Weigher())
    assert found["n"] == 4
    assert found["per_type"]["MFT"] == {"tests": 2, "failure_rate": 0.75}
    assert found["per_type"]["DIR"] == {"tests": 0, "failure_rate": None}
    assert found["per_capability"]["Vocabulary"] == {"tests": 3, "failure_rate": 0.5}
    assert found["per_capability"]["Temporal"]["failure_rate"] is None


def test_a_text_that_recurs_is_read_once() -> None:
    reader = Weigher()
    checklist([of("INV", [["8 1", "8 2"], ["8 1", "8 2"]])], reader)
    assert reader.asked == [("8 1", ()), ("8 2", ())]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [of("XYZ", ["8 1"])],
        [of("MFT", ["8 1"], labels=[0, 1])],
        [of("MFT", ["8 1"], labels=7)],
        [of("MFT", [["8 1"]], labels=0)],
        [of("INV", ["8 1"])],
        [of("INV", [["8 1"]])],
        [of("DIR", [["8 1", "8 1"]], name="sideways")],
    ],
)
def test_what_is_no_test_is_said(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(SettingError):
        checklist(rows, Weigher())


def test_a_suite_is_read_from_a_file(tmp_path: Path) -> None:
    packed, plain = tmp_path / "suite.jsonl.gz", tmp_path / "suite.jsonl"
    row = of("MFT", ["8 1"], labels=0)
    packed.write_bytes(gzip.compress(json.dumps(row).encode() + b"\n"))
    assert read_tests(packed) == [row]
    plain.write_text('{"text": "no test"}\n')
    for path in (plain, tmp_path / "none.jsonl"):
        with pytest.raises(SettingError):
            read_tests(path)


# --- typing errors ---------------------------------------------------------------------------------------------------


def test_typing_errors_by_hand() -> None:
    # The only place of an error is the word read: every error in "excellent" loses it, and "a b c" has no place.
    rows: list[dict[str, Any]] = [
        {"text": "excellent", "label": "positive"},
        {"text": "a b c", "label": "neutral"},
        {"text": "nothing", "label": None},
        {"text": "excellent", "label": "neutral"},
    ]
    found = typos(rows, Speller())
    assert (found["of"], found["n"]) == ("sentiment", 3)
    clean, *slips = found["levels"]
    assert clean == {"typos": 0, "accuracy": pytest.approx(2 / 3), "macro_f1": pytest.approx(2 / 3), "changed": 0}
    assert [level["typos"] for level in slips] == [1, 2, 3]
    for level in slips:  # all found neutral: precision of neutral 2/3, recall 1; positive 0
        assert level["accuracy"] == pytest.approx(2 / 3)
        assert level["macro_f1"] == pytest.approx(0.4)
        assert level["changed"] == pytest.approx(2 / 3)


def test_other_labels_are_topics() -> None:
    found = typos([{"text": "fraud", "label": "fraud"}, {"text": "x", "label": "deal"}], Speller())
    assert found["of"] == "topic"
    assert [level["accuracy"] for level in found["levels"]] == [1, 0.5, 0.5, 0.5]


def test_the_entity_has_no_typing_errors_and_keeps_its_place() -> None:
    reader = Weigher()
    rows: list[dict[str, Any]] = [
        {"text": "8 1 shares of Calder fell sharply", "entities": {"Calder": "negative", "Absent": "neutral"}}
    ]
    assert typos(rows, reader)["n"] == 1
    altered = {text for text, _ in reader.asked}
    assert len(altered) == 4
    assert {text[slice(*spans[0])] for text, spans in reader.asked} == {"Calder"}


def test_errors_are_seeded_and_spare_links() -> None:
    text = "see https://example.com/quarterly 中国平安 now"
    edits = [slipped(text, (), 9, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert edits[0] == edits[1] != edits[2]
    altered = applied(text, (), sorted(edits[0]))[0]
    assert "https://example.com/quarterly" in altered
    assert altered != text


NOTHING_LABELLED: list[list[dict[str, Any]]] = [[], [{"text": "x", "label": None}], [{"label": "neutral"}]]


def test_nothing_labelled_is_said() -> None:
    for rows in NOTHING_LABELLED:
        with pytest.raises(SettingError):
            typos(rows, Speller())


# --- swapped names ---------------------------------------------------------------------------------------------------


def test_a_hidden_company_changes_nothing() -> None:
    rows: list[dict[str, Any]] = [{"text": "Calder falls; Calder warns", "entity": "Calder"}]
    group = bias(rows, Prejudiced("Wirecard", "Calder"))["groups"]["company"]
    assert (group["texts"], group["swaps"], group["texts_changed"]) == (1, 10, 0)
    assert group["largest"]["shift"] == 0


def test_a_name_inside_of_a_word_is_not_swapped() -> None:
    group = bias([{"text": "Calders fall", "entity": "Calder"}], Prejudiced())["groups"]["company"]
    assert group["swaps"] == 0
    assert group["largest"] is None


def test_countries_by_hand() -> None:
    # Two texts name a country, one of them Russia, which is disliked; the third has it inside of the entity.
    rows: list[dict[str, Any]] = [
        {"text": "Sales in Japan rose", "entities": {}},
        {"text": "Sales in Japan rose", "label": "positive"},
        {"text": "Sales in Russia rose"},
        {"text": "Bank of Japan waits", "entity": "Bank of Japan"},
    ]
    found = bias(rows, Prejudiced("Russia"))
    group = found["groups"]["country"]
    assert found["n"] == 3
    assert (group["texts"], group["swaps"]) == (2, 28)
    assert group["texts_changed"] == 1
    assert group["swaps_changed"] == pytest.approx(15 / 28)  # Japan to Russia, and Russia to every other
    assert group["values"]["Russia"] == {"swaps": 1, "changed": 1, "shift": pytest.approx(0.6)}
    assert group["values"]["Japan"] == {"swaps": 1, "changed": 1, "shift": pytest.approx(-0.6)}
    assert group["values"]["India"] == {"swaps": 2, "changed": 0.5, "shift": pytest.approx(-0.3)}
    assert abs(group["largest"]["shift"]) == pytest.approx(0.6)
    assert found["groups"]["nationality"]["largest"] is None


def test_articles_follow_the_nationality() -> None:
    liked = bias(
        [{"text": "a German firm and an Indian one"}], Prejudiced("a German", "an German", "a Italian", "an Italian")
    )
    group = liked["groups"]["nationality"]
    assert group["swaps"] == 13
    assert group["values"]["Italian"]["shift"] == pytest.approx(0)
    assert group["values"]["French"]["shift"] == pytest.approx(-0.6)


def test_persons_are_swapped_by_origin_and_gender() -> None:
    rows: list[dict[str, Any]] = [
        {"text": "Warren Buffett sells"},
        {"text": "John Deere sells"},
        {"text": "John sells"},
    ]
    female = ("Olga", "Svetlana", "Katarzyna")
    groups = bias(rows, Prejudiced(*female))["groups"]
    assert (groups["origin"]["texts"], groups["origin"]["swaps"]) == (1, 14)
    assert groups["origin"]["largest"] == {"value": "Slavic", "swaps": 2, "changed": 0.5, "shift": pytest.approx(0.3)}
    assert groups["gender"]["largest"]["value"] == "female"
    assert groups["gender"]["largest"]["shift"] == pytest.approx(0.6 / 7)
    assert groups["gender"]["values"]["male"]["shift"] == 0


def test_no_text_is_said() -> None:
    with pytest.raises(SettingError):
        bias([], Prejudiced())

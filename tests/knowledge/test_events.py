"""The table of risk events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxpop.errors import SettingError
from voxpop.knowledge.events import Ranking, hidden, load, parse, quiet_texts, shipped, texts_of


def test_the_shipped_events_have_both_languages_and_examples() -> None:
    events = shipped()
    assert len(events) >= 30
    for key, event in events.items():
        assert "{entity}" in event.en, key
        assert "{entity}" in event.zh, key
        assert len(event.examples) >= 4, key
    assert {event.severity for event in events.values()} == {1, 2, 3}


def test_a_sentence_names_the_company_in_the_language_asked_for() -> None:
    events = parse('[a]\nen = "{entity} fell."\nzh = "{entity}跌了。"\n[b]\nen = "{entity} rose."', "x")
    assert events["a"].sentence("Acme") == "Acme fell."
    assert events["a"].sentence("艾克美", "zh") == "艾克美跌了。"
    assert events["b"].sentence("Acme", "zh") == "Acme rose."


def test_a_desk_adds_and_replaces_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[meme]\nen = "{entity} is a meme."\nseverity = 1\n[default]\nen = "{entity} did not pay."', "utf-8"
    )
    events = load(path)
    assert events["meme"].en == "{entity} is a meme."
    assert events["default"].en == "{entity} did not pay."
    assert len(events) == len(shipped()) + 1


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("[a", "malformed"),
        ('[a]\nen = "nobody fell."', "needs {entity}"),
        ('[a]\nen = "{entity} fell."\nzh = "跌了。"', "needs {entity}"),
        ('[a]\nen = "{entity} fell."\nseverity = 4', "severity 4"),
        ('[a]\nen = "{entity} fell."\nexmaples = []', "malformed"),
    ],
)
def test_a_malformed_event_is_named(source: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        parse(source, "mine.toml")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_a_text_is_as_like_an_event_as_its_nearest_texts_are_on_average() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6], [-1, 0]], dtype=np.float32)
    ranking = Ranking(["a", "b", "a", "a", "a"], vectors, np.array([[0.6, 0.8]], dtype=np.float32))
    like = ranking.likeness(np.array([0, 1], dtype=np.float32))
    assert like.value("a") == pytest.approx((0 + 0.8 + 0.6) / 3)
    assert like.value("b") == 1
    assert like.lead("b") == pytest.approx(1 - 1.4 / 3)
    assert like.lead("a") == -like.lead("b")
    assert like.quiet == pytest.approx(0.8)
    assert like.nearest(2) == ["b", "a"]
    assert like.nearest(1) == ["b"]


def test_the_only_event_leads_and_without_quiet_texts_nothing_is_like_them() -> None:
    like = Ranking(["a"], np.array([[1, 0]], dtype=np.float32)).likeness(np.array([0.6, 0.8], dtype=np.float32))
    assert like.lead("a") == pytest.approx(1.6)
    assert like.quiet == 0


@pytest.mark.parametrize(
    ("text", "name", "lang", "expected"),
    [
        ("Acme fell. Acme and Acme Bank rose", "Acme", "en", "The company fell. The company and the company Bank rose"),
        ("a+b (Inc) fell", "a+b (Inc)", "en", "The company fell"),
        ("青禾食品召回饼干", "青禾食品", "zh", "该公司召回饼干"),
        ("nobody fell", "Acme", "en", "nobody fell"),
    ],
)
def test_a_name_is_hidden(text: str, name: str, lang: str, expected: str) -> None:
    assert hidden(text, name, lang) == expected


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_quiet_texts_are_about_no_company_by_name(lang: str) -> None:
    texts = quiet_texts(lang)
    assert len(set(texts)) == 60
    assert sum(("该公司" if lang == "zh" else "he company") in text for text in texts) >= 55


def test_every_event_is_ranked_by_its_sentence_and_its_examples() -> None:
    events = parse('[a]\nen = "{entity} fell."\nexamples = ["Down it went"]', "x")
    assert texts_of(events) == [("a", "The company fell."), ("a", "Down it went")]

"""Labelled sets: reading, splitting."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from voxpop.errors import SettingError
from voxpop.training.datasets import Example, examples, find_spans, read_rows, split, without_repeats


def write(path: Path, *rows: dict[str, Any]) -> Path:
    payload = "\n".join(json.dumps(row) for row in rows).encode()
    path.write_bytes(gzip.compress(payload) if path.suffix == ".gz" else payload)
    return path


def test_named_entities_are_asked_about_one_by_one(tmp_path: Path) -> None:
    text = "Calder beats, Nordhafen lags"
    row = {"text": text, "entities": {"Calder": "positive", "Nordhafen": "negative"}}
    path = write(tmp_path / "headlines.jsonl.gz", {**row, "label": None})
    assert examples("sentiment", [path]) == [
        Example(text, ((0, 6),), "positive", "headlines"),
        Example(text, ((14, 23),), "negative", "headlines"),
    ]


def test_a_label_of_the_whole_is_asked_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "Calder  &amp; Co up", "entities": {}, "label": "positive"})
    assert examples("sentiment", [path]) == [Example("Calder & Co up", (), "positive", "a")]


def test_entities_whose_spans_disagree_are_left_out(tmp_path: Path) -> None:
    def span(start: int, end: int, label: str) -> dict[str, Any]:
        return {"start": start, "end": end, "entity": "x", "label": label}

    text = "Calder rose, Calder fell, Nord flat"
    spans = [span(0, 6, "positive"), span(13, 19, "negative"), span(26, 30, "neutral")]
    path = write(tmp_path / "a.jsonl", {"text": text, "spans": spans})
    assert examples("sentiment", [path]) == [Example(text, ((26, 30),), "neutral", "a")]


def test_a_post_with_one_cashtag_speaks_of_it(tmp_path: Path) -> None:
    one, two = {"text": "$CLD up", "label": "positive"}, {"text": "$CLD $NRD up", "label": "positive"}
    found = examples("sentiment", [write(tmp_path / "a.jsonl", one, two)])
    assert [(example.text, example.spans) for example in found] == [
        ("$CLD up", ()),
        ("$CLD up", ((0, 4),)),
        ("$CLD $NRD up", ()),
    ]


@pytest.mark.parametrize(
    ("text", "name", "spans"),
    [
        ("ING and holding", "ing", ((0, 3),)),
        ("holding", "ing", ((4, 7),)),
        ("A.B. and a.b.", "A.B.", ((0, 4), (9, 13))),
        ("nothing", "Calder", ()),
        ("anything", " ", ()),
    ],
)
def test_find_spans(text: str, name: str, spans: tuple[tuple[int, int], ...]) -> None:
    assert find_spans(text, name) == spans


@pytest.mark.parametrize("payload", [b"{", b"[1]", b'{"label": "a"}', b'{"text": 3}', b'{"text": "\xff"}'])
def test_a_malformed_line_is_named(tmp_path: Path, payload: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "fine"}\n\n' + payload)
    with pytest.raises(SettingError, match="line 3"):
        list(read_rows(path))


def test_a_broken_or_missing_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    for payload in (b"no gzip", gzip.compress(b'{"text": "x"}' * 99)[:-20]):
        path.write_bytes(payload)
        with pytest.raises(SettingError, match="cannot be read"):
            list(read_rows(path))
    with pytest.raises(SettingError, match="cannot be read"):
        list(read_rows(tmp_path / "none.jsonl"))


def test_repeats_go_and_retold_news_stays_in_one_split() -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    rows = [Example(f"{i} " + " ".join(words), (), "a", "s") for i in range(300)]  # equal tails
    alone = [Example(f"{i} " * 9, (), "a", "s") for i in range(1000)]
    again = [Example(alone[5].text.upper() + " https://t.co/x", (), "b", "s")]
    kept = without_repeats([*rows, *alone, *again])
    assert len(kept) == 1300
    parts = split(kept)
    assert sum(map(len, parts.values())) == 1300
    assert sum(bool(set(rows) & set(part)) for part in parts.values()) == 1
    assert 60 < len(set(parts["test"]) & set(alone)) < 140
    assert parts == split(kept)

"""The shipped profile for Chinese: weights that load, and opinions better than a guess on texts never trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voxpop import models
from voxpop.models.reader import Reader
from voxpop.records import SENTIMENTS
from voxpop.training.datasets import find_spans

GOLD = Path(__file__).parents[1] / "gold" / "finance_zh.jsonl"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return models.load("chinese")


def test_it_reads_chinese_alone(reader: Reader) -> None:
    assert reader.languages == {"zh"}
    assert set(reader.tasks) == {"topic", "sentiment"}


def test_opinions_on_held_back_texts_are_better_than_the_commonest(reader: Reader) -> None:
    rows = [json.loads(line) for line in GOLD.read_text("utf-8").splitlines()[:400]]
    asked = [(row["text"], name, label) for row in rows for name, label in row["entities"].items()]
    found = reader.sentiment([(text, find_spans(text, name)) for text, name, _ in asked]).argmax(axis=1)
    labels = [label for _, _, label in asked]
    right = sum(SENTIMENTS[i] == label for i, label in zip(found, labels, strict=True)) / len(labels)
    assert right > max(labels.count(label) for label in SENTIMENTS) / len(labels) + 0.05


def test_traditional_characters_are_read_as_simplified_ones(reader: Reader) -> None:
    simplified, traditional = "恒远银行因违规被监管部门罚款。", "恆遠銀行因違規被監管部門罰款。"
    one, two = reader.topics([simplified, traditional])
    assert one.tolist() == pytest.approx(two.tolist())

"""The shipped profile for Chinese: weights that load, and opinions better than a guess on texts never trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voxpop import models
from voxpop.claims import Asked, claims
from voxpop.knowledge.events import shipped
from voxpop.models.explain import Explainer
from voxpop.models.profile import read_profile
from voxpop.models.reader import Reader
from voxpop.records import SENTIMENTS
from voxpop.risks import Judge
from voxpop.settings import Settings
from voxpop.training.datasets import find_spans

GOLD = Path(__file__).parents[1] / "gold" / "finance_zh.jsonl"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return models.load("chinese")


def test_it_reads_chinese_alone_and_does_what_the_english_one_does(reader: Reader) -> None:
    assert reader.languages == {"zh"}
    assert reader.tasks == models.load("english").tasks


def test_all_of_its_weights_are_less_than_25_megabytes() -> None:
    stated = read_profile("chinese")
    folders = {Path(task.encoder) for task in stated.tasks.values()} | {task.adapter for task in stated.tasks.values()}
    assert sum(path.stat().st_size for folder in folders for path in folder.glob("*.safetensors")) < 25e6


def test_it_is_part_of_what_is_read_by_default() -> None:
    reader = models.load(Settings().profile)
    assert reader.languages == {"en", "zh"}


def test_words_that_mean_the_same_in_both_languages_are_near_each_other(reader: Reader) -> None:
    english = models.load("english")
    mine = reader.embed(["公司因违规被罚款。", "工厂发生火灾。", "季度利润大增。"])
    theirs = english.embed(["The company was fined for violations.", "A fire broke out at the plant.", "Profit rises."])
    assert (mine @ theirs.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_opinions_on_held_back_texts_are_better_than_the_commonest(reader: Reader) -> None:
    rows = [json.loads(line) for line in GOLD.read_text("utf-8").splitlines()[:400]]
    asked = [(row["text"], name, label) for row in rows for name, label in row["entities"].items()]
    found = reader.sentiment([(text, find_spans(text, name)) for text, name, _ in asked]).argmax(axis=1)
    labels = [label for _, _, label in asked]
    right = sum(SENTIMENTS[i] == label for i, label in zip(found, labels, strict=True)) / len(labels)
    assert right > max(labels.count(label) for label in SENTIMENTS) / len(labels) + 0.15


def test_traditional_characters_are_read_as_simplified_ones(reader: Reader) -> None:
    simplified, traditional = "恒远银行因违规被监管部门罚款。", "恆遠銀行因違規被監管部門罰款。"
    one, two = reader.topics([simplified, traditional])
    assert one.tolist() == pytest.approx(two.tolist())


def test_a_label_is_explained_word_by_word() -> None:
    text = "恒远银行因违规放贷被监管部门重罚，股价暴跌。"
    found = Explainer("bundled").sentiment(text, find_spans(text, "恒远银行"))
    words = {text[word.start : word.end]: word.share for word in found.words}
    assert found.label == "negative"
    assert {"违规", "暴跌"} <= words.keys()
    assert "暴跌" in sorted(words, key=lambda word: words[word])[-2:]


def test_a_claim_is_a_span_of_the_text_and_an_event_is_found(reader: Reader) -> None:
    text = "恒远地产公告称，公司未能按期兑付到期的五亿元公司债券本息，已构成违约。"
    (found,) = claims([Asked(text, "hengyuan", "恒远地产", "Treasuries / Corporate Debt")], reader)
    assert found, "no claim"
    assert all(text[claim.start : claim.end] for claim in found)
    risks = Judge(shipped(), reader).risks([Asked(text, "hengyuan", "恒远地产")])
    assert "default" in {risk.event for risk in risks[0]}

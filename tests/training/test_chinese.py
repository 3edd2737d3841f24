"""From Chinese text to a reader of two languages: a tiny encoder, adapters for all four tasks, and who reads what."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from voxpop import models
from voxpop.errors import ModelError
from voxpop.knowledge.events import shipped
from voxpop.models.profile import TASKS, read_profile
from voxpop.models.questions import ask
from voxpop.models.reader import Reader
from voxpop.models.routes import RoutedBackend
from voxpop.models.targets import Target
from voxpop.records import SENTIMENTS
from voxpop.training.datasets import examples, main_entity, read_rows, rows_of
from voxpop.training.export import write_profile
from voxpop.training.finetune import train
from voxpop.training.options import Options, PretrainOptions
from voxpop.training.pretrain import pretrain
from voxpop.training.recipe import DATA

OWN = DATA / "training" / "finance_zh.jsonl"
GOLD = Path(__file__).parents[1] / "gold" / "finance_zh.jsonl"
TINY = PretrainOptions(steps=3, layers=2, hidden=32, vocabulary=1500, batch_tokens=1024, threads=1, device="cpu")
FEW = Options(epochs=1, rank=2, alpha=4, contrasts=0, batch_tokens=4096, threads=1, unanswerable=0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder, four adapters over it, a profile of them, and one of two languages."""
    folder = tmp_path_factory.mktemp("chinese")
    rows = list(read_rows(OWN))
    few = folder / "few.jsonl"
    few.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows[:400]), encoding="utf-8")
    less = folder / "less.jsonl"
    less.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows[:60]), encoding="utf-8")
    pretrain([few], folder / "encoder", TINY, quiet=True)
    for task in TASKS:
        data = less if task in ("nli", "qa") else few
        train(task, [data], folder / task, FEW, encoder=str(folder / "encoder"), quiet=True)
    write_profile(folder / "zh.toml", [folder / task for task in TASKS], ("zh",), str(folder / "encoder"))
    (folder / "both.toml").write_text('name = "both"\n[routes]\nen = "english"\nzh = "./zh.toml"\n', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def both(folder: Path) -> Reader:
    return models.load(str(folder / "both.toml"), threads=1)


def test_what_was_trained_over_an_encoder_of_ones_own_can_be_loaded(folder: Path) -> None:
    reader = models.load(str(folder / "zh.toml"), threads=1)
    assert reader.languages == {"zh"}
    assert reader.topics(["恒远银行被罚款。"]).shape == (1, 20)
    assert reader.embed(["恒远银行被罚款。"]).shape == (1, 32)
    card = (folder / "nli" / "README.md").read_text("utf-8")
    assert card.startswith("# Nli, Chinese")
    assert "`encoder` (see its card)" in card


def test_another_encoder_than_the_one_trained_over_is_refused(folder: Path, tmp_path: Path) -> None:
    stated = (folder / "zh.toml").read_text("utf-8").replace('"./', f'"{folder}/')
    (tmp_path / "zh.toml").write_text(stated.replace(f"{folder}/encoder", "all-MiniLM-L6-v2"), encoding="utf-8")
    with pytest.raises(ModelError, match="another encoder"):
        models.load(str(tmp_path / "zh.toml"), threads=1)
    (tmp_path / "zh.toml").write_text(stated.replace("max_tokens = 256", "max_tokens = 512"), encoding="utf-8")
    with pytest.raises(ModelError, match="takes 256"):
        models.load(str(tmp_path / "zh.toml"), threads=1)


def test_each_text_is_read_by_the_networks_of_its_language(folder: Path, both: Reader) -> None:
    english, chinese = models.load("english", threads=1), models.load(str(folder / "zh.toml"), threads=1)
    assert both.languages == {"en", "zh"}
    assert both.version.startswith("both-")
    texts = ["Calder was fined by the regulator.", "恒远银行被监管部门罚款。", "恆遠銀行被監管部門罰款。"]
    parts = (english, chinese, chinese)
    for one, text, part in zip(both.topics(texts), texts, parts, strict=True):
        assert np.array_equal(one, part.topics([text])[0])
    pairs = [(texts[0], "恒远银行 has been fined."), (texts[1], "Calder被罚款。")]
    for one, pair, part in zip(both.infer(pairs), pairs, parts, strict=False):
        assert np.array_equal(one, part.infer([pair])[0])
    asked = [(ask("what", "Calder"), texts[0]), (ask("what", "恒远银行", "zh"), texts[1])]
    for answer, question, part in zip(both.answers(asked), asked, parts, strict=False):
        assert answer == part.answers([question])[0]


def test_of_a_mixed_text_each_entity_is_read_in_the_language_of_its_sentence(folder: Path, both: Reader) -> None:
    text = "Calder was fined by the regulator on Monday, it said. 恒远银行股价大涨，投资者一片欢呼。"
    asked = [Target(text, ((text.index(name), text.index(name) + len(name)),)) for name in ("Calder", "恒远银行")]
    found = both.sentiment(asked)
    for one, target, profile in zip(found, asked, ("english", str(folder / "zh.toml")), strict=True):
        assert np.array_equal(one, models.load(profile, threads=1).sentiment([target])[0])


def test_embeddings_of_two_languages_stand_at_right_angles(both: Reader) -> None:
    vectors = both.embed(["Calder was fined.", "恒远银行被罚款。", "青禾食品被罚款。"])
    assert vectors.shape == (3, 384 + 32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] == 0
    assert vectors[1] @ vectors[2] > 0
    assert isinstance(both.backend, RoutedBackend)


def test_profiles_that_cannot_stand_beside_each_other_are_refused(folder: Path) -> None:
    path = folder / "bad.toml"
    path.write_text('name = "bad"\n[routes]\nzh = "english"\n', encoding="utf-8")
    with pytest.raises(ModelError, match="which does not read it"):
        models.load(str(path))
    path.write_text('name = "bad"\n[routes]\n', encoding="utf-8")
    with pytest.raises(ModelError, match="routes no language"):
        models.load(str(path))
    with pytest.raises(ModelError, match="sends languages to other profiles"):
        read_profile(str(folder / "both.toml"))


# --- the sets of our own ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [OWN, GOLD], ids=lambda path: path.parent.name)
def test_every_label_is_known_and_every_claim_stands_where_it_says(path: Path) -> None:
    topics, events = set(read_profile("english").topic.labels), shipped().keys()
    for row in read_rows(path):
        assert row["topic"] in topics
        assert set(row["events"]) <= events
        assert set(row["entities"].values()) <= set(SENTIMENTS)
        assert all(name in row["text"] for name in row["entities"])
        for claim in row["claims"]:
            assert row["text"][claim["start"] : claim["start"] + len(claim["text"])] == claim["text"]


def test_no_text_of_the_gold_set_is_trained_on() -> None:
    assert not {row["text"] for row in read_rows(OWN)} & {row["text"] for row in read_rows(GOLD)}


ROW = {
    "text": "青禾食品否认停产，北辰汽车召回两万辆汽车。",
    "genre": "news",
    "lang": "zh",
    "entities": {"青禾食品": "neutral", "北辰汽车": "negative"},
    "topic": "Company / Product News",
    "events": ["recall"],
    "claims": [
        {"question": "what", "text": "召回两万辆汽车", "start": 13, "factuality": "asserted"},
        {"question": "amount", "text": "两万辆", "start": 15, "factuality": "asserted"},
    ],
    "traits": [],
}


def test_every_task_takes_its_part_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(ROW, ensure_ascii=False), encoding="utf-8")
    assert main_entity(ROW) == "北辰汽车"
    (topic,) = examples("topic", [path])
    assert topic.label == "Company / Product News"
    assert [(row.spans, row.label) for row in examples("sentiment", [path])] == [
        (((0, 4),), "neutral"),
        (((9, 13),), "negative"),
    ]
    pairs = {(row.second, row.label) for row in examples("nli", [path])}
    assert {
        ("北辰汽车召回两万辆汽车。", "entailment"),
        ("有人否认北辰汽车召回两万辆汽车。", "contradiction"),
        ("北辰汽车召回两万辆汽车，涉及两万辆。", "entailment"),
        ("北辰汽车正在召回产品。", "entailment"),
    } <= pairs
    asked = {row.second: row.spans for row in examples("qa", [path])}
    assert asked[ask("amount", "北辰汽车", "zh")] == ((15, 18),)
    assert asked[ask("why", "北辰汽车", "zh")] == ()


def test_a_row_can_be_evaluated_by_every_task() -> None:
    made = {task: rows_of(task, ROW) for task in (*TASKS, "claims", "events")}
    assert [row["entity"] for row in made["sentiment"]] == ["青禾食品", "北辰汽车"]
    assert made["events"] == [{"text": ROW["text"], "entity": "北辰汽车", "lang": "zh", "events": ["recall"]}]
    assert made["claims"][0]["claims"] == ROW["claims"]
    assert all(itertools.chain(*made.values()))
    assert rows_of("topic", {"text": "a", "label": "b"}) == [{"text": "a", "label": "b"}]

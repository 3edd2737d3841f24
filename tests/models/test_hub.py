"""Profiles of public checkpoints: tiny random ones of the same architectures, read from folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from tests.models.checkpoints import INFERENCES, KINDS, SENTIMENTS
from tests.models.hub_profiles import HYPOTHESES, TOPICS, make_all, stated
from voxpop import models, records
from voxpop.models import profile as adapters
from voxpop.models.hub import mentioning
from voxpop.models.profile import RiskWeights
from voxpop.models.reader import Backend, Reader

SENTENCE = "shares of the steel maker Calder fell after its auditor resigned and lenders asked for cash"
TEXTS = [
    "",
    "公司的股价周三下跌",
    "🚀 up",
    *(" ".join((SENTENCE.split() * 3)[start : start + 1 + 2 * start]) for start in range(14)),
    "x" * 3000,
]
PAIRS = [(text, TEXTS[-1 - i][:60]) for i, text in enumerate(TEXTS)]
ASKED = [(f"who {text[:20]}?", SENTENCE if i % 3 else text) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module", params=sorted(KINDS))
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_all(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def reader(kind: Path) -> Reader:
    return models.load(stated(kind), threads=1)


def plain(folder: Path, asked: Sequence[str | tuple[str, str]], max_tokens: int) -> NDArray[Any]:
    """Probabilities by transformers alone, a text at a time, without padding."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = []
    for one in asked:
        texts = (one,) if isinstance(one, str) else one
        coded = tokenizer(*texts, truncation=True, max_length=max_tokens, return_tensors="pt", **types(folder))
        with torch.inference_mode():
            rows.append(model(**coded).logits.softmax(dim=1).numpy())
    return np.concatenate(rows)


def types(folder: Path) -> dict[str, bool]:
    """What a tokenizer of no named class must be told for BERT: that the second text has a type of its own."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return {"return_token_type_ids": config["model_type"] == "bert"}


def test_topics_are_those_of_plain_transformers_in_our_order(kind: Path, reader: Reader) -> None:
    expected = plain(kind / "topic", TEXTS, 96)[:, [1, 0, 2]]
    assert np.abs(reader.topics(TEXTS) - expected).max() < 1e-5
    assert np.ptp(expected, axis=0).max() > 0.1  # they tell texts apart at all
    assert reader.topic_labels == TOPICS


def test_whole_texts_have_the_sentiment_of_plain_transformers(kind: Path, reader: Reader) -> None:
    expected = plain(kind / "sentiment", TEXTS, 48)[:, [SENTIMENTS.index(label) for label in records.SENTIMENTS]]
    assert np.abs(reader.sentiment([(text, ()) for text in TEXTS]) - expected).max() < 1e-5


def test_inference_is_that_of_plain_transformers(kind: Path, reader: Reader) -> None:
    pairs = [pair for pair in PAIRS if len(pair[0]) < 200 and len(pair[1]) < 200][:10]
    pairs = [(first[:40], second[:30]) for first, second in pairs]  # cut by none
    expected = plain(kind / "nli", pairs, 96)[:, [INFERENCES.index(label) for label in adapters.INFERENCES]]
    assert np.abs(reader.infer(pairs) - expected).max() < 1e-5


def test_answers_are_the_best_spans_of_plain_transformers(kind: Path, reader: Reader) -> None:
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(kind / "qa", dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(kind / "qa")
    asked = [("who fell", SENTENCE[:36]), ("why", "Calder fell, Nordhafen rose"), ("what", "a mill in Ghent")]
    for (question, text), answer in zip(asked, reader.answers(asked), strict=True):
        coded = tokenizer(question, text, return_offsets_mapping=True, return_tensors="pt", **types(kind / "qa"))
        offsets = coded.pop("offset_mapping")[0].tolist()
        with torch.inference_mode():
            found = model(**coded)
        first, last = found.start_logits[0], found.end_logits[0]
        inside = [i for i, sequence in enumerate(coded.sequence_ids(0)) if sequence == 1]
        spans = {(i, j): float(first[i] + last[j]) for i in inside for j in inside if i <= j < i + 40}
        (i, j), score = max(spans.items(), key=lambda item: item[1])
        assert answer is not None
        assert text[answer.start : answer.end] == text[offsets[i][0] : offsets[j][1]].strip()
        assert answer.margin == pytest.approx(score - float(first[0] + last[0]), abs=1e-4)


def everything(
    reader: Backend, texts: Sequence[str], pairs: Sequence[tuple[str, str]], asked: Sequence[tuple[str, str]]
) -> list[NDArray[Any]]:
    targets = [(text, ((0, len(text) // 3),) if i % 2 else ()) for i, text in enumerate(texts)]
    margins = [answer.margin if answer else -1.0 for answer in reader.answers(asked)]
    return [reader.topics(texts), reader.sentiment(targets), reader.infer(pairs), np.array(margins)]


def assert_independent(loaded: Reader, some: slice = slice(None)) -> None:
    reader = loaded.backend  # which remembers nothing
    texts, pairs, asked = TEXTS[some], PAIRS[some], ASKED[some]
    whole = everything(reader, texts, pairs, asked)
    alone = [everything(reader, [t], [p], [a]) for t, p, a in zip(texts, pairs, asked, strict=True)]
    for i in (0, 2, 3):
        assert np.array_equal(np.concatenate([one[i] for one in alone]), whole[i])
    crowd = everything(reader, texts[::-1] * 2, pairs[::-1] * 2, asked[::-1] * 2)
    for i in (0, 2, 3):
        assert np.array_equal(crowd[i], np.concatenate([whole[i][::-1]] * 2))
    targets = [(text, ((0, max(1, len(text) // 2)),)) for text in texts]
    apart = np.concatenate([reader.sentiment([target]) for target in targets])
    assert np.array_equal(apart, reader.sentiment(targets))


def test_batch_mates_and_order_change_nothing(reader: Reader) -> None:
    assert_independent(reader)


@pytest.mark.parametrize(("dtype", "last"), [("float32", 10), ("bfloat16", 6)])
def test_nor_do_they_in_layers_of_full_size(tmp_path: Path, dtype: str, last: int) -> None:
    make_all(tmp_path, "Roberta", hidden=768, layers=1)
    # Texts of 1 to 13 words: several share a padded width, and some fill it.
    assert_independent(models.load(stated(tmp_path, dtype=dtype), threads=2), slice(1, last))


def test_threads_may_share_a_reader(reader: Reader) -> None:
    expected = reader.topics(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: reader.backend.topics(TEXTS), range(12)))
    assert all(np.array_equal(one, expected) for one in found)


def test_topics_without_weights_are_asked_of_inference(kind: Path) -> None:
    reader = models.load(stated(kind, HYPOTHESES), threads=1)
    texts = ["Calder fell", "Nordhafen rose on profit"]
    hypotheses = ["it is about profit", "it is about the bank", "it is about euro"]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(kind / "nli").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(kind / "nli")
    coded = [tokenizer(t, h, return_tensors="pt", **types(kind / "nli")) for t in texts for h in hypotheses]
    with torch.inference_mode():
        scores = [float(model(**one).logits[0, 2]) for one in coded]
    expected = torch.tensor(scores).view(2, 3).softmax(dim=1).numpy()
    assert np.abs(reader.topics(texts) - expected).max() < 1e-5
    assert reader.topics([]).shape == (0, 3)


def test_weights_of_risks_are_those_that_the_profile_states(kind: Path, reader: Reader) -> None:
    path = Path(stated(kind))
    plain = path.read_text("utf-8")
    try:
        path.write_text(plain + "[risks]\nentailed = 0.5\nleast = 0.3\n", encoding="utf-8")
        weighed = models.load(str(path), threads=1)
    finally:
        path.write_text(plain, encoding="utf-8")
    assert weighed.risk_weights == dict.fromkeys(("en", "zh"), RiskWeights(entailed=0.5, least=0.3))
    assert reader.risk_weights == {}
    assert weighed.version != reader.version


def test_shapes_tasks_and_embeddings(reader: Reader) -> None:
    assert reader.tasks == ("topic", "sentiment", "nli", "qa")
    assert reader.languages == {"en", "zh"}
    assert reader.version.startswith("tiny-")
    assert reader.topics([]).shape == (0, 3)
    assert reader.sentiment([]).shape == (0, 3)
    assert reader.answers([]) == []
    near, far = reader.embed(["Calder shares fell sharply", "the stock of Calder fell", "a recipe for plum cake"])[1:]
    (first,) = reader.embed(["Calder shares fell sharply"])
    assert first @ near > 0.5 > first @ far


# --- the sentences around an entity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "entity", "read"),
    [
        ("Calder fell. Nordhafen rose! All is well.", "Nordhafen", "Nordhafen rose!"),
        ("Calder Inc. said profit fell. Nordhafen rose.", "Calder Inc.", "Calder Inc. said profit fell."),
        ("Calder hat 3. Stock. Calder sank.", "Calder", "Calder hat 3. Calder sank."),
        ("公司甲上涨。公司乙下跌！收盘", "公司乙", "公司乙下跌！"),
        ("Title\nCalder fell by 2.5 percent", "Calder", "Calder fell by 2.5 percent"),
    ],
)
def test_sentiment_reads_the_sentences_that_mention_the_entity(text: str, entity: str, read: str) -> None:
    spans: list[tuple[int, int]] = []
    while (start := text.find(entity, spans[-1][1] if spans else 0)) >= 0:
        spans.append((start, start + len(entity)))
    shown, moved = mentioning(text, spans)
    assert shown == read
    assert [shown[start:end] for start, end in moved] == [entity] * len(spans)


def test_without_mentions_the_whole_text_is_read() -> None:
    assert mentioning("One. Two.", ()) == ("One. Two.", [])


def test_the_sentence_decides_not_its_neighbours(reader: Reader) -> None:
    text = "Calder fell after its auditor resigned. Nordhafen rose."
    start = text.index("Nordhafen")
    found = reader.sentiment([(text, ((start, start + 9),)), ("Nordhafen rose.", ())])
    assert np.array_equal(found[0], found[1])

"""Profiles of public checkpoints: tiny random ones of the same architectures, read from folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from tests.models.checkpoints import INFERENCES, KINDS, SENTIMENTS, make
from voxpop import models, records
from voxpop.errors import ModelError
from voxpop.models import profile as adapters
from voxpop.models.hub import mentioning
from voxpop.models.hub_network import order_of
from voxpop.models.hub_profile import read_any
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
TOPICS = ("Earnings", "Fed / Central Banks", "Macro")
TABLE = """name = "{name}"
languages = ["en", "zh"]
dtype = "{dtype}"
[topic]
{topic}
max_tokens = 96
labels = ["Earnings", "Fed / Central Banks", "Macro"]
[sentiment]
checkpoint = "./sentiment"
max_tokens = 48
labels = ["positive", "negative", "neutral"]
[nli]
checkpoint = "./nli"
max_tokens = 96
labels = ["contradiction", "neutral", "entailment"]
[qa]
checkpoint = "./qa"
max_tokens = 64
labels = ["first", "last"]
threshold = -1000.0
"""
HYPOTHESES = 'hypotheses = ["it is about profit", "it is about the bank", "it is about euro"]'
OWN_TOPICS = 'checkpoint = "./topic"'


def stated(folder: Path, topic: str = OWN_TOPICS, dtype: str = "float32") -> str:
    path = folder / "tiny.toml"
    path.write_text(TABLE.format(name="tiny", topic=topic, dtype=dtype), encoding="utf-8")
    return str(path)


def make_all(folder: Path, kind: str, **shape: Any) -> Path:
    names = ("Fed | Central Banks", "Earnings", "Macro")  # in another order than the profile's: the names decide
    make(folder / "topic", kind, "SequenceClassification", names, seed=1, **shape)
    make(folder / "sentiment", kind, "SequenceClassification", SENTIMENTS, seed=2, **shape)
    make(folder / "nli", kind, "SequenceClassification", [name.upper() for name in INFERENCES], seed=3, **shape)
    make(folder / "qa", kind, "QuestionAnswering", seed=4, **shape)
    return folder


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=sorted(KINDS))
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_all(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def reader(kind: Path) -> Reader:
    return models.load(stated(kind), threads=1)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_all(tmp_path_factory.mktemp("one"), "Roberta")


@pytest.fixture
def bad(one: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoints of one architecture, to be broken."""
    return Path(shutil.copytree(one, tmp_path / "copy"))


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


def test_the_version_follows_from_the_files(one: Path, bad: Path) -> None:
    before = models.load(stated(one)).version
    assert models.load(stated(bad)).version == before
    config = json.loads((bad / "qa" / "config.json").read_text("utf-8"))
    (bad / "qa" / "config.json").write_text(json.dumps(config), encoding="utf-8")  # the same, in other bytes
    assert models.load(stated(bad)).version != before


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


# --- what may be wrong with checkpoints ------------------------------------------------------------------------------


def refused(folder: Path, said: str, table: str | None = None) -> None:
    path = table or stated(folder)
    with pytest.raises(ModelError, match=said) as caught:
        models.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_folder(bad: Path) -> None:
    shutil.rmtree(bad / "nli")
    refused(bad, "nli is missing: there is no such folder")


def test_pickled_weights_are_never_read(bad: Path) -> None:
    weights = bad / "sentiment" / "model.safetensors"
    torch.save(load_file(weights), bad / "sentiment" / "pytorch_model.bin")
    weights.unlink()
    refused(bad, "sentiment has no safetensors; pickled weights are never read")


def test_pickled_weights_beside_safetensors_are_not_read_either(bad: Path) -> None:
    before = models.load(stated(bad)).topics(TEXTS)
    (bad / "topic" / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert np.array_equal(models.load(stated(bad)).topics(TEXTS), before)


@pytest.mark.parametrize("content", [b"", b"\x80\x04}q\x00.", b"cut"])
def test_corrupt_safetensors(bad: Path, content: bytes) -> None:
    path = bad / "qa" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100] if content == b"cut" else content)
    refused(bad, "qa cannot be read: ")


def test_a_corrupt_configuration(bad: Path) -> None:
    (bad / "qa" / "config.json").write_text("{", encoding="utf-8")
    refused(bad, r"config\.json of the checkpoint .*qa is corrupt")


def test_a_corrupt_tokenizer(bad: Path) -> None:
    (bad / "qa" / "tokenizer.json").write_text("{}", encoding="utf-8")
    refused(bad, "qa cannot be read: ")


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_of_a_checkpoint_is_never_run(bad: Path, file: str, tmp_path: Path) -> None:
    path = bad / "nli" / file
    ran = tmp_path / "ran"
    (bad / "nli" / "own.py").write_text(f"open({str(ran)!r}, 'w')", encoding="utf-8")
    own = {"auto_map": {"AutoConfig": "own.Config", "AutoTokenizer": ["own.Tokenizer", None]}}
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | own), encoding="utf-8")
    refused(bad, f"nli asks for code of its own .{file}., which is never run")
    assert not ran.exists()


def test_another_number_of_labels(bad: Path) -> None:
    make(bad / "two", "Roberta", "SequenceClassification", ("positive", "negative"))
    shutil.rmtree(bad / "sentiment")
    (bad / "two").rename(bad / "sentiment")
    refused(bad, "sentiment has 2 labels, not the 3 of its profile")


def test_other_labels(bad: Path) -> None:
    shutil.rmtree(bad / "sentiment")
    shutil.copytree(bad / "nli", bad / "sentiment")
    refused(bad, "has the labels CONTRADICTION, NEUTRAL, ENTAILMENT, not those of its profile")


def test_a_checkpoint_of_another_task(bad: Path) -> None:
    shutil.rmtree(bad / "sentiment")
    shutil.copytree(bad / "qa", bad / "sentiment")
    refused(bad, "was not made for sentiment: it has no fitting classifier")


def test_weights_of_another_size(bad: Path) -> None:
    path = bad / "sentiment" / "model.safetensors"
    tensors = load_file(path)
    tensors["classifier.out_proj.weight"] = torch.zeros(5, 32)
    save_file(tensors, path, {"format": "pt"})
    refused(bad, "sentiment (cannot be read|was not made for sentiment)")


def test_more_tokens_than_the_network_takes(bad: Path) -> None:
    table = Path(stated(bad))
    table.write_text(table.read_text("utf-8").replace("max_tokens = 96", "max_tokens = 200"), encoding="utf-8")
    refused(bad, "takes 128 tokens, not 200", str(table))


def test_an_architecture_that_is_not_known(bad: Path) -> None:
    path = bad / "nli" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"model_type": "gpt2"}), encoding="utf-8")
    refused(bad, "nli is a gpt2; read are checkpoints of bert, distilbert, roberta, xlm-roberta")


def test_the_names_of_outputs_decide_and_else_the_order_of_the_profile() -> None:
    assert order_of("x", ["Neutral", "POSITIVE", "negative"], ["positive", "negative", "neutral"]) == [1, 2, 0]
    assert order_of("x", ["LABEL_0", "LABEL_1"], ["b", "a"]) == [0, 1]


# --- profiles --------------------------------------------------------------------------------------------------------


def test_the_shipped_profiles_are_whole() -> None:
    known = adapters.read_profile("bundled").topic.labels
    for name in ("hub-en", "hub-multilingual"):
        profile = read_any(name)
        assert set(profile.topic.labels) == set(known)
        assert list(profile.tasks) == ["topic", "sentiment", "nli", "qa"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"./sentiment"', '"sentiment"', "names no checkpoint for sentiment"),
        ('"./sentiment"', '"a/b"\nrevision = "main"', "40 hexadecimal digits"),
        ('"./sentiment"', '"./sentiment"\nrevision = "main"', "gives a revision of a folder"),
        ('"neutral"]\n[nli', '"neutral", "joy"]\n[nli', "labels of sentiment as negative, neutral, positive"),
        ('"Macro"]', '"Earnings"]', "two or more labels of topic, each once"),
        ("max_tokens = 48", "max_tokens = 4000", "wants 4000 tokens for sentiment"),
        (OWN_TOPICS, 'hypotheses = ["it"]', "one hypothesis for each topic"),
        ('name = "tiny"', 'name = "../tiny"', "name of letters"),
        ("threshold", "trust_remote_code = true\nthreshold", "malformed: .*trust_remote_code"),
        ('["first", "last"]', '["last", "first"]', "labels of qa as first, last"),
    ],
)
def test_a_malformed_profile_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = Path(stated(tmp_path))
    assert before in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(before, after), encoding="utf-8")
    refused(tmp_path, said, str(path))

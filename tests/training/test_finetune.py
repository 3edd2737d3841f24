"""A tiny training run on made-up sentences: killed, resumed, exported, loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from voxpop import models
from voxpop.errors import SettingError
from voxpop.training.datasets import Example
from voxpop.training.export import write_profile
from voxpop.training.finetune import train
from voxpop.training.judge import opposites
from voxpop.training.loop import Options, schedule
from voxpop.training.objectives import class_weights

OPTIONS = Options(epochs=2, batch_tokens=160, save_steps=2, patience=3, rank=2, alpha=4, contrasts=6, threads=1)
NAMES = [f"{head}{tail}" for head in ("Cal", "Nord", "Bra", "Tam") for tail in ("der", "hafen", "sin")]
SAID = {"positive": "beats forecasts", "negative": "warns of losses", "neutral": "names a venue"}
SIDES = ["in the north", "in the south", "this week", "once again", "by far", "for the year"]


class Killed(BaseException):
    """Stands for SIGKILL: nothing after the last saved state is written."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "made_up.jsonl"
    rows = [
        {"text": f"{name} {said} {side}", "entities": {name: label}, "label": label}
        for side in SIDES
        for name in NAMES
        for label, said in SAID.items()
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    train("sentiment", [data], out, OPTIONS, quiet=True)
    return out


def test_a_killed_run_goes_on_to_the_same_weights(data: Path, whole: Path, tmp_path: Path) -> None:
    def kill(step: int, loss: float) -> None:
        if step == 7:
            raise Killed

    with pytest.raises(Killed):
        train("sentiment", [data], tmp_path, OPTIONS, quiet=True, on_step=kill)
    assert (tmp_path / "state.safetensors").exists()
    steps: list[int] = []
    train("sentiment", [data], tmp_path, OPTIONS, quiet=True, on_step=lambda step, loss: steps.append(step))
    assert steps[0] == 7  # step 6 was saved
    names = {path.name for path in whole.iterdir()}
    assert names == {path.name for path in tmp_path.iterdir()}
    assert "state.safetensors" not in names
    for name in names:
        assert (tmp_path / name).read_bytes().replace(tmp_path.name.encode(), whole.name.encode()) == (
            whole / name
        ).read_bytes(), name


def test_what_was_trained_can_be_loaded(data: Path, whole: Path, tmp_path: Path) -> None:
    topics = models.load("english").topic_labels
    path = tmp_path / "mine.toml"
    write_profile(path, [Path(models.__file__).parents[1] / "data" / "models" / "topic-en", whole])
    reader = models.load(str(path))
    assert reader.version.startswith("mine-")
    assert reader.topic_labels == topics
    assert reader.sentiment([models.Target("Calder beats forecasts", ())]).shape == (1, 3)


def test_the_card_says_where_it_comes_from(whole: Path, data: Path) -> None:
    card = (whole / "README.md").read_text("utf-8")
    metrics = json.loads((whole / "metrics.json").read_text("utf-8"))
    assert data.name in card
    assert "--epochs 2" in card
    assert "--seed 7" in card
    assert metrics["test"]["all"]["n"] == metrics["rows"]["test"]
    assert len(metrics["validation"]) == 2


def test_a_state_of_another_run_is_not_resumed(data: Path, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"torn")
    steps: list[int] = []

    def stop(step: int, loss: float) -> None:
        steps.append(step)
        raise Killed

    with pytest.raises(Killed):
        train("sentiment", [data], tmp_path, OPTIONS, quiet=True, on_step=stop)
    assert steps == [1]


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "up", "label": "positive"}', encoding="utf-8")
    with pytest.raises(SettingError, match="Too few"):
        train("sentiment", [path], tmp_path / "out", quiet=True)
    path.write_text("\n".join(f'{{"text": "up {i}", "label": "good"}}' for i in range(99)), encoding="utf-8")
    with pytest.raises(SettingError, match="'good' is no sentiment"):
        train("sentiment", [path], tmp_path / "out", quiet=True)


def test_schedule_rises_and_falls() -> None:
    assert [schedule(x, 0.1) for x in (0.0, 0.05, 0.1)] == [0, 0.5, 1]
    assert schedule(0.55, 0.1) == pytest.approx(0.5)
    assert schedule(1.0, 0.1) == pytest.approx(0)


def test_class_weights_mean_one_and_favour_the_rare() -> None:
    weights = class_weights(torch.tensor([0] * 90 + [1] * 10), 2)
    assert weights[1] / weights[0] == pytest.approx(3)
    assert float(weights[0] * 0.9 + weights[1] * 0.1) == pytest.approx(1)


def test_opposites_by_hand() -> None:
    rows = [
        Example("x up y down", ((0, 1),), "positive", "s"),
        Example("x up y down", ((5, 6),), "negative", "s"),
        Example("z up", ((0, 1),), "positive", "s"),
    ]
    measured = opposites(rows, ["positive", "positive", "negative"])
    assert measured == {"texts": 1, "entities": 2, "accuracy": 0.5, "whole_texts": 0.0}

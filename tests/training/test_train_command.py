"""The command's parameters become the options of training; the search is resumed."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from typer.testing import CliRunner

from voxpop.cli import app, evaluate  # noqa: F401 - a program of one command would have no command names
from voxpop.cli import train as command
from voxpop.errors import SettingError
from voxpop.models.classifier import open_tensors
from voxpop.models.ngrams import NGRAMS
from voxpop.models.profile import ADAPTER, HEAD
from voxpop.models.words import CODES, ENTRIES
from voxpop.training.ngrams import BUCKETS
from voxpop.training.options import Options, chosen
from voxpop.training.prepare import key_of, prepare
from voxpop.training.search import FACTOR, RANKS, _study, best_options
from voxpop.training.translate import translator

SAID = {"positive": "beats profit estimates", "negative": "warns of losses", "neutral": "names a venue"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {"text": f"Firm{i} {said} in week {i} of {i}", "entities": {f"Firm{i}": label}, "label": label}
        for i in range(30)
        for label, said in SAID.items()
    ]
    path = tmp_path / "made_up.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def parameters() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return {parameter.name: parameter for parameter in group.commands["train"].params}


def test_every_option_of_training_has_a_parameter_that_shows_its_default() -> None:
    found = parameters()
    words = {"class_weights": "no", "halt": "never", "rows": "all", "threads": "its choice", "words": "they stay"}
    for field in fields(Options):
        parameter = found[field.name]
        assert parameter.help, field.name
        wanted = words.get(field.name, str(field.default) if field.default else False)
        assert parameter.show_default == wanted, field.name


def test_what_is_given_becomes_options_and_nothing_else_does() -> None:
    given: dict[str, Any] = dict.fromkeys(parameters())
    assert command.stated(given) == {}
    given |= {"task": "nli", "epochs": 3, "precision": "fp32", "augment": "typos, noise", "fgm": 0.5}
    options = Options(**command.stated(given))
    assert chosen(options) == {"epochs": 3, "augment": ("typos", "noise"), "fgm": 0.5, "precision": "fp32"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give a set by --data"),
        (["--recipe", "bundled"], "--data-folder"),
        (["--recipe", "bundled", "--data", "a.jsonl"], "--data cannot be given"),
        (["--data", "a.jsonl", "--repeat", "a"], "NAME=TIMES"),
        (["--data", "a.jsonl", "--repeat", "a=0"], "NAME=TIMES"),
        (["--recipe", "bundled", "--data-folder", "."], "no set 'sentiment_en_sentfin'"),
    ],
)
def test_what_contradicts_is_said(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "sentiment", "--out", str(tmp_path / "out"), *arguments])
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())


def test_the_command_searches_augments_trains_words_and_adds_n_grams(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    switches = ["--search", "1", "--augment", "typos,entities", "--epochs", "1", "--repeat", "made_up=2", "--ngrams"]
    few = ["--words", "1e-3", "--contrasts", "0", "--threads", "1", "--batch-tokens", "600", "--json"]
    done = CliRunner().invoke(app, ["train", "sentiment", "--data", str(data), "--out", str(out), *switches, *few])
    assert done.exit_code == 0, done.output
    metrics = json.loads(done.stdout)
    assert metrics["search"]["trials"] == 1
    best = metrics["search"]["best"]
    assert (metrics["options"]["rank"], metrics["options"]["learning_rate"]) == (best["rank"], best["learning_rate"])
    assert metrics["options"]["alpha"] == 2 * best["rank"]
    assert metrics["repeats"] == {"made_up": 2}
    plain = prepare("sentiment", [data], Options(contrasts=0)).parts["train"]
    # Twice each row, then copies for three in ten; some rows have no name to swap.
    assert 2.3 * len(plain) < metrics["rows"]["train"] <= 2.6 * len(plain) + 1
    assert (out / ADAPTER).exists()
    assert open_tensors(out / HEAD).tensors[NGRAMS].shape == (BUCKETS, 3)
    learned = open_tensors(out / ADAPTER).tensors
    assert len(learned[ENTRIES]) == len(learned[CODES]) > 0
    assert learned[CODES].dtype == torch.uint8
    told = (out / "README.md").read_text("utf-8")
    assert "Words were trained beside it" in told
    for switch in ("--epochs 1 ", "--words 0.001", "--contrasts 0", "--augment typos,entities"):
        assert switch in told
    assert json.loads((out / "metrics.json").read_text("utf-8")) == metrics


def test_a_search_goes_on_where_it_was_cut_off(data: Path, tmp_path: Path) -> None:
    options = Options(contrasts=0, threads=1, batch_tokens=600, rank=2, alpha=4)
    ready = prepare("sentiment", [data], options)
    # A search that was killed within its first trial leaves it running in the journal.
    study = _study(tmp_path, key_of("sentiment", ready.parts["train"], options, None, ready.files))
    cut = study.ask()
    cut.suggest_float("learning_rate", options.learning_rate / FACTOR, options.learning_rate * FACTOR, log=True)
    cut.suggest_categorical("rank", RANKS)
    best, found = best_options(ready, options, tmp_path, 2, quiet=True)
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(done) == found["search"]["trials"] == 2
    assert done[0].params == cut.params
    assert best == replace(options, **found["search"]["best"], alpha=2 * best.rank)
    assert best_options(ready, options, tmp_path, 2, quiet=True) == (best, found)
    assert len(study.trials) == 3
    assert best_options(ready, replace(options, seed=1), tmp_path, 1, quiet=True)[1]["search"]["trials"] == 1


def test_a_folder_without_a_translation_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no translation model"):
        translator(tmp_path, tmp_path)

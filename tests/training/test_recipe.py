"""Stages: what was held out stays held out, a start is gone on from, and a recipe runs them all."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from voxpop.errors import ModelError, SettingError
from voxpop.models.classifier import open_tensors
from voxpop.models.profile import ADAPTER, TASKS, read_profile
from voxpop.training.datasets import Example, split
from voxpop.training.finetune import train
from voxpop.training.heldout import split_after
from voxpop.training.options import Options
from voxpop.training.prepare import Use, few, repeats
from voxpop.training.recipe import DATA, find_set, follow, read_recipe

TINY = {"batch_tokens": 400, "rank": 2, "alpha": 4, "contrasts": 0, "threads": 1}
RECIPE = """
[[sentiment]]
stage = "general"
sets = [{ name = "general" }]
options = { epochs = 2, learning_rate = 1e-3 }

[[sentiment]]
stage = "finance"
start = "general"
sets = [{ name = "finance", repeat = 2 }, { name = "general", rows = 30 }]
options = { epochs = 1, learning_rate = 0.0 }
"""


def rows(name: str, first: int, last: int) -> list[Example]:
    labels = ("negative", "neutral", "positive")
    return [Example(f"{name} {i} said {i} things in {i} days", (), labels[i % 3], name) for i in range(first, last)]


def write(folder: Path, name: str, examples: list[Example]) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(json.dumps({"text": e.text, "label": e.label}) for e in examples), encoding="utf-8")
    return path


def test_a_later_stage_keeps_the_split_even_where_its_texts_join_groups() -> None:
    general = [Example(" ".join(f"{side}{i}" for side in "abcdefghij"), (), "x", "general") for i in range(200)]
    before = split(general)
    trained, held = before["train"], before["test"]
    # The head of one text, then the tail of another: their groups become one.
    joined = [
        Example(f"{one.text} {other.text}", (), "x", "new")
        for one, other in [*zip(trained, held, strict=False), *zip(held, trained[50:], strict=False)]
    ]
    assert {row: name for name, part in split([*general, *joined]).items() for row in part}[held[0]]
    moved = set(split([*general, *joined])["train"]) & set(held)
    assert moved, "the case must be one in which a plain split moves held-out texts into training"
    after = split_after([*joined, *general], general)
    for name, part in before.items():
        assert [row for row in after[name] if row.source == "general"] == part
    assert not any(row.source == "new" for part in after.values() for row in part)


def test_a_new_text_goes_where_its_like_lies_and_any_other_as_ever() -> None:
    general = rows("general", 0, 200)
    retold = [Example(f"again {row.text}", (), row.label, "new") for row in general]  # equal tails
    fresh = rows("fresh", 0, 300)
    after = split_after([*retold, *fresh], general)
    for name, part in split(general).items():
        assert [row.text for row in after[name] if row.source == "new"] == [f"again {row.text}" for row in part]
        assert [row for row in after[name] if row.source == "fresh"] == split(fresh)[name]
    assert split_after(fresh, []) == split(fresh)


def test_sets_are_thinned_and_repeated_by_name() -> None:
    mixed = [*rows("a", 0, 10), *rows("b", 0, 10)]
    uses = {"a": Use(repeat=3), "b": Use(rows=4)}
    kept = few(mixed, uses, seed=1)
    assert kept == few(mixed, uses, seed=1)
    assert [row.source for row in kept] == ["a"] * 10 + ["b"] * 4
    made = Example("made of two", (), "x", "a")
    assert sorted(repeats([*kept, made], kept, uses)) == sorted(rows("a", 0, 10) * 2)
    assert repeats(kept, kept, {}) == []


def test_a_recipe_runs_its_stages_once_and_the_second_from_the_first(tmp_path: Path) -> None:
    import gzip

    for name in ("general", "finance"):
        plain = write(tmp_path, name, rows(name, 0, 60))
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")
    stages = read_recipe(str(tmp_path / "mine.toml"), "sentiment")
    out, ran = tmp_path / "out", list[str]()

    def run() -> dict[str, object]:
        return follow("sentiment", stages, tmp_path, out, over=TINY, quiet=True, on_stage=ran.append)

    metrics = run()
    assert ran == ["general", "finance"]
    # The second stage's learning rate is 0: its adapter is that of the first.
    first, second = (open_tensors(folder / ADAPTER).tensors for folder in (out / "general", out))
    assert all((first[name] == second[name]).all() for name in first)
    assert any(tensor.any() for name, tensor in first.items() if "lora_B" in name)
    assert metrics["start"]["folder"] == "general"  # type: ignore[index]
    assert metrics["repeats"] == {"finance": 2}
    assert "went on from the adapter in `general`" in (out / "README.md").read_text("utf-8")
    assert run() == metrics
    assert ran == ["general", "finance"]
    (out / "metrics.json").unlink()
    assert run() == metrics
    assert ran == ["general", "finance", "finance"]

    again = partial(train, "sentiment", [tmp_path / "finance.jsonl"], tmp_path / "x", quiet=True)
    with pytest.raises(ModelError, match="its scale is"):
        again(Options(rank=2), start=out / "general")
    with pytest.raises(ModelError, match="another method or rank"):
        again(Options(rank=4, alpha=8), start=out)


@pytest.mark.parametrize("recipe", sorted(path.stem for path in (DATA / "recipes").glob("*.toml")))
def test_shipped_recipes_can_be_read(recipe: str, tmp_path: Path) -> None:
    found = 0
    for task in TASKS:
        try:
            stages = read_recipe(recipe, task)
        except SettingError:
            continue
        found += 1
        for stage in stages:
            assert stage.chosen().epochs > 0
    assert found
    assert find_set("nli_en", tmp_path).is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[nli]]\nstage = "a"\nsets = []\nstart = "b"', "starts from no earlier"),
        ('[[nli]]\nstage = "a"\nsets = []\n[[nli]]\nstage = "a"\nsets = []', "named twice"),
        ('[[nli]]\nstage = "a"\nsets = []\nepochs = 3', "malformed"),
        ("nli = 3", "malformed"),
        ("[[topic]]\nstage = 'a'\nsets = []", "no stages of 'nli'"),
        ('[[nli]]\nstage = "a"\nsets = []\ntask = "qa"', "learns another task"),
    ],
)
def test_a_recipe_that_is_none_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=said):
        read_recipe(str(path), "nli")


@pytest.mark.parametrize(("options", "said"), [("epoch = 3", "no option"), ('epochs = "3"', "malformed")])
def test_an_option_that_is_none_is_said(tmp_path: Path, options: str, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f'[[nli]]\nstage = "a"\nsets = []\noptions = {{ {options} }}', encoding="utf-8")
    (stage,) = read_recipe(str(path), "nli")
    with pytest.raises(SettingError, match=said):
        stage.chosen()
    with pytest.raises(SettingError, match="no recipe 'none'"):
        read_recipe("none", "nli")
    with pytest.raises(SettingError, match="no set 'none'"):
        find_set("none", tmp_path)


def test_a_stage_can_go_on_from_the_shipped_adapter_of_another_task(tmp_path: Path) -> None:
    import gzip

    pairs = [
        {"premise": f"shop {i} sold {i} lamps", "hypothesis": f"lamps {i}", "label": label}
        for i in range(60)
        for label in ("entailment", "neutral")
    ]
    lines = "\n".join(json.dumps(pair) for pair in pairs)
    (tmp_path / "pairs.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    recipe = '[[nli]]\nstage = "a"\nstart = "shipped qa"\nsets = [{ name = "pairs" }]'
    (tmp_path / "mine.toml").write_text(recipe, encoding="utf-8")
    stages = read_recipe(str(tmp_path / "mine.toml"), "nli")
    shipped = read_profile("english").tasks["qa"].adapter
    scale = {"rank": 64, "alpha": 128, "epochs": 1, "learning_rate": 0.0, "threads": 1}
    metrics = follow("nli", stages, tmp_path, tmp_path / "out", over=scale, quiet=True)
    before, after = (open_tensors(folder / ADAPTER).tensors for folder in (shipped, tmp_path / "out"))
    assert all((before[name] == after[name]).all() for name in before)
    assert metrics["start"]["folder"] == "qa-en"
    with pytest.raises(SettingError, match="starts from no earlier"):
        (tmp_path / "mine.toml").write_text(recipe.replace("shipped qa", "shipped nli"), encoding="utf-8")
        read_recipe(str(tmp_path / "mine.toml"), "nli")


def test_an_earlier_stage_may_learn_another_task(tmp_path: Path) -> None:
    import gzip

    asked = [
        {
            "context": f"shop {i} sold {i} lamps on day {i}",
            "question": "what?",
            "answers": [{"text": "shop", "start": 0}],
        }
        for i in range(40)
    ]
    pairs = [
        {"premise": f"shop {i} sold {i} lamps", "hypothesis": f"lamps {i}", "label": label}
        for i in range(40)
        for label in ("entailment", "neutral")
    ]
    for name, of in (("asked", asked), ("pairs", pairs)):
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, of)).encode()))
    (tmp_path / "mine.toml").write_text(
        """
[[nli]]
stage = "reading"
task = "qa"
sets = [{ name = "asked" }]
options = { learning_rate = 1e-3 }
[[nli]]
stage = "pairs"
start = "reading"
sets = [{ name = "pairs" }]
options = { learning_rate = 0.0 }
""",
        encoding="utf-8",
    )
    stages = read_recipe(str(tmp_path / "mine.toml"), "nli")
    over = {"rank": 2, "alpha": 4, "epochs": 1, "batch_tokens": 400, "threads": 1}
    metrics = follow("nli", stages, tmp_path, tmp_path / "out", over=over, quiet=True)
    first, second = (open_tensors(folder / ADAPTER) for folder in (tmp_path / "out" / "reading", tmp_path / "out"))
    assert (first.about["task"], second.about["task"], metrics["task"]) == ("qa", "nli", "nli")
    assert all((first.tensors[name] == second.tensors[name]).all() for name in first.tensors)

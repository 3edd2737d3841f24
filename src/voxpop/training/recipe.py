"""Recipes: the stages by which a task's adapter is made, as TOML files; one call runs them all, and can be resumed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec

from voxpop.errors import SettingError
from voxpop.models.checkpoint import BUNDLED, find_encoder, sha256_of
from voxpop.models.profile import TASKS, Task, read_profile
from voxpop.records import digest
from voxpop.training.export import METRICS
from voxpop.training.finetune import train
from voxpop.training.loop import OnStep
from voxpop.training.options import Options, PretrainOptions, chosen
from voxpop.training.prepare import Use

DATA = Path(__file__).parent.parent / "data"
SHIPPED = DATA / "recipes"
DONE = "recipe.json"
"""Of each finished stage, what it was made from."""


class Set(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set of a stage, and how its training split uses it (see :class:`voxpop.training.prepare.Use`)."""

    name: str
    repeat: int = 1
    rows: int = 0
    agreed: bool = False


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One training run.

    ``start``: the earlier stage from whose weights it goes on, or ``shipped TASK``: the adapter of the profile
    ``english`` for another task, or for the same one where the recipe's encoder is not the bundled one. ``task``: of an
    earlier stage, where it learns another task than the recipe's (Phang et al. 2018, arXiv 1811.01088: what is learned
    of reading two texts side by side helps where pairs are few).
    """

    stage: str
    sets: tuple[Set, ...]
    options: dict[str, Any] = {}
    start: str | None = None
    task: Task | None = None

    def chosen(self, over: Mapping[str, Any] | None = None) -> Options:
        """What the stage states, and ``over`` in its stead.

        Raises:
            SettingError: no such option, or a value of another kind.
        """
        known = {field.name for field in fields(Options)}
        if unknown := sorted(self.options.keys() - known):
            raise SettingError(f"Stage {self.stage!r} sets {unknown[0]!r}, which is no option of training")
        try:
            stated = msgspec.convert(self.options, Options)
        except msgspec.ValidationError as error:
            raise SettingError(f"An option of stage {self.stage!r} is malformed: {error}") from error
        return replace(stated, **(over or {}))


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of pretraining, and how often an epoch shows it."""

    name: str
    weight: float = 1.0


class Grafting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a recipe's encoder begins (see :func:`voxpop.training.graft.graft`)."""

    glossary: str
    size: int


class Pretraining(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a recipe's encoder is pretrained, and the translations that it learns from if it was grafted."""

    sets: tuple[Text, ...]
    options: PretrainOptions = PretrainOptions()
    parallel: tuple[str, ...] = ()

    @property
    def weights(self) -> dict[str, float]:
        """Of each text that does not count once."""
        return {text.name: text.weight for text in self.sets if text.weight != 1.0}


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe's file: the encoder (the bundled one, or a folder by its name), how that is made, each task's stages."""

    encoder: str = BUNDLED
    grafting: Grafting | None = None
    pretraining: Pretraining | None = None
    topic: list[Stage] = []
    sentiment: list[Stage] = []
    nli: list[Stage] = []
    qa: list[Stage] = []


def read_recipe(recipe: str, task: Task) -> list[Stage]:
    """The stages of ``task`` in the shipped recipe of that name, or in the TOML file at that path.

    Raises:
        SettingError: no such recipe or task in it, a malformed file, or a start that is no earlier stage.
    """
    stated = open_recipe(recipe)
    stages: dict[str, list[Stage]] = {name: getattr(stated, name) for name in TASKS}
    if task not in TASKS or not stages[task]:
        has = ", ".join(name for name, of in stages.items() if of)
        raise SettingError(f"The recipe {recipe!r} has no stages of {task!r}; it has {has}")
    seen: list[str] = []
    for stage in stages[task]:
        shipped = [other for other in TASKS if other != task or stated.encoder != BUNDLED]
        known = (None, *seen, *(f"{_SHIPPED}{other}" for other in shipped))
        if stage.stage in seen or stage.start not in known:
            raise SettingError(
                f"Stage {stage.stage!r} of recipe {recipe!r} is named twice or starts from no earlier one"
            )
        seen.append(stage.stage)
    if stages[task][-1].task not in (None, task):
        raise SettingError(f"The last stage of {task!r} in recipe {recipe!r} learns another task")
    return stages[task]


def open_recipe(recipe: str) -> Recipe:
    """The shipped recipe of that name, or that in the TOML file at that path.

    Raises:
        SettingError: no such recipe, or a malformed file.
    """
    path = Path(recipe) if recipe.endswith(".toml") else SHIPPED / f"{recipe}.toml"
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Recipe)
    except FileNotFoundError as error:
        shipped = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise SettingError(f"There is no recipe {recipe!r}; shipped are {shipped}") from error
    except ValueError as error:
        raise SettingError(f"The recipe {path} is malformed: {error}") from error


def encoder_of(recipe: str, folder: Path) -> str:
    """What a recipe's adapters stand on: the bundled encoder, or a folder in ``folder`` or among the package's models.

    Raises:
        SettingError: no such recipe.
    """
    name = open_recipe(recipe).encoder
    if name == BUNDLED:
        return name
    own = DATA / "models" / name
    return str(own if own.is_dir() else folder / name)


def find_set(name: str, folder: Path) -> Path:
    """Where the set or text ``name`` lies: in ``folder``, or among the sets that come with the package.

    Raises:
        SettingError: in neither.
    """
    own = [DATA / "training" / f"{name}{ending}" for ending in (".jsonl", ".tsv")]
    for path in (folder / f"{name}.jsonl.gz", folder / f"{name}.txt.gz", *own):
        if path.is_file():
            return path
    raise SettingError(f"There is no set {name!r}: neither {folder / name}.jsonl.gz nor among the package's own")


def follow(
    task: Task,
    stages: Sequence[Stage],
    folder: Path,
    out: Path,
    *,
    encoder: str = BUNDLED,
    over: Mapping[str, Any] | None = None,
    quiet: bool = False,
    on_stage: Callable[[str], None] | None = None,
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Runs the stages in order; the last writes to ``out``, the others to folders of their names in it.

    Finished stages are not run again while data, options and start are the same; a killed one goes on from its state.

    Args:
        encoder: what the adapters stand on (see :func:`encoder_of`).
        over: options that stand in place of each stage's own.
        on_stage: told the name of each stage that is run.

    Returns:
        the metrics of the last stage.

    Raises:
        SettingError, ModelError: as :func:`voxpop.training.finetune.train`.
    """
    by_name = {stage.stage: stage for stage in stages}
    learn = partial(train, encoder=encoder, quiet=quiet, on_step=on_step)
    out.mkdir(parents=True, exist_ok=True)
    place = {stage.stage: out if stage is stages[-1] else out / stage.stage for stage in stages}
    for stage in stages:
        learns, options, start = stage.task or task, stage.chosen(over), _start(stage.start, place)
        data = [find_set(of.name, folder) for of in stage.sets]
        made_from = _made_from(learns, stage, data, options, start, encoder)
        if _done(out).get(stage.stage) == made_from and (place[stage.stage] / METRICS).exists():
            continue
        if on_stage is not None:
            on_stage(stage.stage)
        earlier = [find_set(name, folder) for name in _earlier(stage, by_name)]
        uses = {of.name: Use(of.repeat, of.rows, of.agreed) for of in stage.sets}
        learn(learns, data, place[stage.stage], options, start=start, earlier=earlier, uses=uses)
        (out / DONE).write_text(json.dumps(_done(out) | {stage.stage: made_from}, indent=1) + "\n", encoding="utf-8")
    metrics: dict[str, Any] = json.loads((out / METRICS).read_text(encoding="utf-8"))
    return metrics


_SHIPPED = "shipped "


def _start(start: str | None, place: Mapping[str, Path]) -> Path | None:
    if start is None or start in place:
        return place[start] if start else None
    english = read_profile("english")
    return english.tasks[cast(Task, start.removeprefix(_SHIPPED))].adapter


def _earlier(stage: Stage, by_name: dict[str, Stage]) -> list[str]:
    """The sets that the weights have seen which the stage starts from."""
    names: list[str] = []
    while stage.start in by_name:
        stage = by_name[stage.start]
        names = [*(of.name for of in stage.sets), *names]
    return list(dict.fromkeys(names))


def _made_from(
    task: Task, stage: Stage, data: Sequence[Path], options: Options, start: Path | None, encoder: str
) -> str:
    sets = [f"{sha256_of(path)} {of.repeat} {of.rows} {of.agreed}" for path, of in zip(data, stage.sets, strict=True)]
    before = [sha256_of(start / "adapter.safetensors")] if start else []
    return digest(task, json.dumps(chosen(options)), str(options.halt), find_encoder(encoder).sha256, *before, *sets)


def _done(out: Path) -> dict[str, str]:
    try:
        done: dict[str, str] = json.loads((out / DONE).read_text(encoding="utf-8"))
        return done
    except (OSError, ValueError):
        return {}

"""``train``: how a model is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from voxpop.cli import Json, app, console, emit, told
from voxpop.errors import SettingError

WHAT, HOW, METHOD, MORE, RUN = (
    "What to learn from",
    "How to train",
    "What to train",
    "Further data and passes",
    "The run",
)


def _option(panel: str, told: str, default: object = None, *names: str, least: float | None = None) -> Any:
    """An option whose default is not set here, so that a recipe's stands unless one is given."""
    shown = str(default) if default is not None else False
    return typer.Option(*names, help=told, rich_help_panel=panel, show_default=shown, min=least)


@app.command(
    epilog="Example: voxpop train topic --data labelled.jsonl.gz --out runs/topic    or, as the shipped adapters were"
    " made: voxpop train nli --recipe bundled --data-folder sets --out runs/nli"
)
def train(
    task: Annotated[Literal["sentiment", "topic", "nli", "qa"], typer.Argument(help="What to train.")],
    out: Annotated[Path, typer.Option(help="Folder for the adapter, the head, the metrics and the model card.")],
    data: Annotated[
        list[Path] | None, _option(WHAT, "Labelled JSONL, gzip or not; may be given several times.")
    ] = None,
    repeat: Annotated[
        list[str] | None, _option(WHAT, "NAME=TIMES: show each row of a set so often an epoch. May be repeated.")
    ] = None,
    encoder: Annotated[
        Path | None, _option(WHAT, "Folder of an encoder made by `voxpop pretrain`.", "all-MiniLM-L6-v2")
    ] = None,
    start: Annotated[
        Path | None,
        _option(
            WHAT,
            "Go on from the adapter and head in this folder, of the same rank; of another task, the adapter alone.",
        ),
    ] = None,
    start_data: Annotated[
        list[Path] | None, _option(WHAT, "A set that the start was trained on: what it held out stays held out.")
    ] = None,
    recipe: Annotated[
        str | None, _option(WHAT, "Run all stages of a shipped recipe, or of that in a TOML file.")
    ] = None,
    data_folder: Annotated[Path | None, _option(WHAT, "Where a recipe's sets lie, as NAME.jsonl.gz.")] = None,
    epochs: Annotated[int | None, _option(HOW, "Passes over the training split.", 4, least=1)] = None,
    halt: Annotated[
        int | None, _option(HOW, "End after this epoch, the learning rate being laid out for all.", "never", least=1)
    ] = None,
    learning_rate: Annotated[
        float | None, _option(HOW, "Highest learning rate; of --method full often 2e-5 to 5e-5.", 8e-4)
    ] = None,
    warmup: Annotated[float | None, _option(HOW, "Share of the steps in which it rises.", 0.06, least=0)] = None,
    weight_decay: Annotated[float | None, _option(HOW, "Weight decay.", 0.01, least=0)] = None,
    batch_tokens: Annotated[int | None, _option(HOW, "Most padded tokens in one pass.", 1024, least=1)] = None,
    accumulate: Annotated[int | None, _option(HOW, "Passes whose gradients make one step.", 1, least=1)] = None,
    optimizer: Annotated[Literal["adamw", "adafactor"] | None, _option(HOW, "The optimiser.", "adamw")] = None,
    precision: Annotated[
        Literal["auto", "bf16", "fp32"] | None,
        _option(HOW, "Of the matrix products; auto: what the processor multiplies faster.", "auto"),
    ] = None,
    class_weights: Annotated[bool | None, _option(HOW, "Weigh rare classes more.", "no")] = None,
    label_smoothing: Annotated[
        float | None, _option(HOW, "Share of each label spread over all.", 0.05, least=0)
    ] = None,
    patience: Annotated[int | None, _option(HOW, "Epochs without a better figure before it ends.", 2, least=1)] = None,
    seed: Annotated[int | None, _option(HOW, "Seed of everything random.", 7)] = None,
    method: Annotated[
        Literal["lora", "adalora", "prefix", "full"] | None, _option(METHOD, "What of the encoder is trained.", "lora")
    ] = None,
    rank: Annotated[int | None, _option(METHOD, "Rank of LoRA; mean rank of AdaLoRA.", 16, least=1)] = None,
    alpha: Annotated[int | None, _option(METHOD, "Updates are scaled by alpha / rank.", 32, least=1)] = None,
    prefix_tokens: Annotated[int | None, _option(METHOD, "Length of a prefix.", 16, least=1)] = None,
    search: Annotated[
        int, _option(METHOD, "Choose learning rate and rank by so many short trials first (pip: voxpop\\[train]).")
    ] = 0,
    fgm: Annotated[
        float | None,
        _option(MORE, "Adversarial passes; they move a text's embeddings by this L2 norm (a word's is about 1)."),
    ] = None,
    augment: Annotated[
        str | None, _option(MORE, "Altered copies: typos,noise,synonyms,entities,back-translation (any of them).")
    ] = None,
    augment_share: Annotated[float | None, _option(MORE, "Altered copies for each training row.", 0.3, least=0)] = None,
    translation: Annotated[
        str | None, _option(MORE, "OUT,BACK: folders of two translation checkpoints, for back-translation.")
    ] = None,
    contrasts: Annotated[int | None, _option(MORE, "Of sentiment: joined texts that disagree.", 1500, least=0)] = None,
    rows: Annotated[int | None, _option(MORE, "Of qa: most questions used.", "all", least=0)] = None,
    unanswerable: Annotated[
        float | None, _option(MORE, "Of qa: unanswerable ones made for each question.", 0.6)
    ] = None,
    threads: Annotated[int | None, _option(RUN, "Threads of torch.", "its choice", least=0)] = None,
    device: Annotated[str | None, _option(RUN, "cpu, cuda, cuda:N, or auto: the first card, if any.", "auto")] = None,
    save_steps: Annotated[int | None, _option(RUN, "Steps between two saved states.", 100, least=1)] = None,
    tensorboard: Annotated[
        bool | None, _option(RUN, "Write curves to OUT/runs (pip: voxpop\\[train]).", None, "--tensorboard")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train an adapter and a head. A run that was interrupted goes on when the same command is given again."""
    given = stated(locals())
    with told():
        if recipe is not None:
            _refuse({"data": data, "start": start, "repeat": repeat, "search": search}, "--recipe")
            metrics = _follow(task, recipe, data_folder, out, given, encoder, as_json)
        else:
            more = (start, start_data or [], repeat or [], encoder, search)
            metrics = _train(task, data or [], out, given, *more, as_json)
        if as_json:
            emit(metrics)
        else:
            console.print(metrics)


def stated(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of training among a command's parameters, those that were not given left out."""
    from dataclasses import fields

    from voxpop.training.options import Options

    named = {field.name for field in fields(Options)}
    options = {name: value for name, value in given.items() if name in named and value is not None}
    for listed in ("augment", "translation"):
        if listed in options:
            options[listed] = tuple(part.strip() for part in options[listed].split(","))
    return options


def _train(
    task: Any,
    data: Sequence[Path],
    out: Path,
    given: Mapping[str, Any],
    start: Path | None,
    start_data: Sequence[Path],
    repeat: Sequence[str],
    encoder: Path | None,
    search: int,
    quiet: bool,
) -> dict[str, Any]:
    if not data:
        raise SettingError("Give a set by --data, or a recipe by --recipe")
    repeats = dict(map(_times, repeat))
    from voxpop.models.checkpoint import BUNDLED
    from voxpop.training.finetune import train as finetune
    from voxpop.training.options import Options
    from voxpop.training.prepare import Use

    uses = {name: Use(repeat=times) for name, times in repeats.items()}
    options = Options(**given)
    return finetune(
        task,
        data,
        out,
        options,
        start=start,
        earlier=start_data,
        uses=uses,
        encoder=str(encoder or BUNDLED),
        search=search,
        quiet=quiet,
    )


def _follow(
    task: Any, recipe: str, folder: Path | None, out: Path, given: Mapping[str, Any], encoder: Path | None, quiet: bool
) -> dict[str, Any]:
    if folder is None:
        raise SettingError("Say by --data-folder where the recipe's sets lie")
    from voxpop.training.recipe import encoder_of, follow, read_recipe

    def on_stage(name: str) -> None:
        if not quiet:
            console.print(f"stage {name}")

    stages, stands_on = read_recipe(recipe, task), str(encoder or encoder_of(recipe, folder))
    return follow(task, stages, folder, out, encoder=stands_on, over=given, quiet=quiet, on_stage=on_stage)


def _refuse(given: Mapping[str, object], beside: str) -> None:
    for name, value in given.items():
        if value:
            raise SettingError(f"--{name} cannot be given beside {beside}: the recipe states it")


def _times(given: str) -> tuple[str, int]:
    name, _, times = given.partition("=")
    if not name or not times.isdecimal() or int(times) < 1:
        raise SettingError(f"--repeat {given!r} is not NAME=TIMES")
    return name, int(times)

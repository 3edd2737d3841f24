"""``train``: how a model is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, Unpack

import typer

from voxpop.cli import Json, app, console, emit, told
from voxpop.cli.options import taking
from voxpop.errors import SettingError
from voxpop.training.options import Method, Optimizer, Options, Precision

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


class TrainingOptions(TypedDict, total=False):
    """What :class:`voxpop.training.options.Options` says of a run, and a search before it."""

    epochs: Annotated[int | None, _option(HOW, "Passes over the training split.", Options.epochs, least=1)]
    halt: Annotated[
        int | None, _option(HOW, "End after this epoch, the learning rate being laid out for all.", "never", least=1)
    ]
    learning_rate: Annotated[
        float | None, _option(HOW, "Highest learning rate; of --method full often 2e-5 to 5e-5.", Options.learning_rate)
    ]
    warmup: Annotated[float | None, _option(HOW, "Share of the steps in which it rises.", Options.warmup, least=0)]
    weight_decay: Annotated[float | None, _option(HOW, "Weight decay.", Options.weight_decay, least=0)]
    batch_tokens: Annotated[int | None, _option(HOW, "Most padded tokens in one pass.", Options.batch_tokens, least=1)]
    accumulate: Annotated[
        int | None, _option(HOW, "Passes whose gradients make one step.", Options.accumulate, least=1)
    ]
    optimizer: Annotated[Optimizer | None, _option(HOW, "The optimiser.", Options.optimizer)]
    precision: Annotated[
        Precision | None,
        _option(HOW, "Of the matrix products; auto: what the processor multiplies faster.", Options.precision),
    ]
    class_weights: Annotated[bool | None, _option(HOW, "Weigh rare classes more.", "no")]
    label_smoothing: Annotated[
        float | None, _option(HOW, "Share of each label spread over all.", Options.label_smoothing, least=0)
    ]
    patience: Annotated[
        int | None, _option(HOW, "Epochs without a better figure before it ends.", Options.patience, least=1)
    ]
    seed: Annotated[int | None, _option(HOW, "Seed of everything random.", Options.seed)]
    method: Annotated[Method | None, _option(METHOD, "What of the encoder is trained.", Options.method)]
    rank: Annotated[int | None, _option(METHOD, "Rank of LoRA; mean rank of AdaLoRA.", Options.rank, least=1)]
    alpha: Annotated[int | None, _option(METHOD, "Updates are scaled by alpha / rank.", Options.alpha, least=1)]
    words: Annotated[
        float | None,
        _option(METHOD, "Train the words, too, at this learning rate (5e-4, say).", "they stay", least=0),
    ]
    prefix_tokens: Annotated[int | None, _option(METHOD, "Length of a prefix.", Options.prefix_tokens, least=1)]
    search: Annotated[
        int | None,
        _option(METHOD, "Choose learning rate and rank by so many short trials first (pip: voxpop\\[train])."),
    ]
    learned: Annotated[
        float | None,
        _option(
            MORE, "Share of the weights that is what was learned; the rest is the start's.", Options.learned, least=0
        ),
    ]
    fgm: Annotated[
        float | None,
        _option(MORE, "Adversarial passes; they move a text's embeddings by this L2 norm (a word's is about 1)."),
    ]
    augment: Annotated[
        str | None, _option(MORE, "Altered copies: typos,noise,synonyms,entities,back-translation (any of them).")
    ]
    augment_share: Annotated[
        float | None, _option(MORE, "Altered copies for each training row.", Options.augment_share, least=0)
    ]
    translation: Annotated[
        str | None, _option(MORE, "OUT,BACK: folders of two translation checkpoints, for back-translation.")
    ]
    ngrams: Annotated[
        bool | None, _option(MORE, "Add a linear part over n-grams of tokens to the head.", None, "--ngrams")
    ]
    contrasts: Annotated[
        int | None, _option(MORE, "Of sentiment: joined texts that disagree.", Options.contrasts, least=0)
    ]
    rows: Annotated[int | None, _option(MORE, "Of qa: most questions used.", "all", least=0)]
    unanswerable: Annotated[
        float | None, _option(MORE, "Of qa: unanswerable ones made for each question.", Options.unanswerable)
    ]
    threads: Annotated[int | None, _option(RUN, "Threads of torch.", "its choice", least=0)]
    device: Annotated[str | None, _option(RUN, "cpu, cuda, cuda:N, or auto: the first card, if any.", Options.device)]
    save_steps: Annotated[int | None, _option(RUN, "Steps between two saved states.", Options.save_steps, least=1)]
    tensorboard: Annotated[
        bool | None, _option(RUN, "Write curves to OUT/runs (pip: voxpop\\[train]).", None, "--tensorboard")
    ]


@app.command(
    epilog="Example: voxpop train topic --data labelled.jsonl.gz --out runs/topic    or, as the shipped adapters were"
    " made: voxpop train nli --recipe bundled --data-folder sets --out runs/nli"
)
@taking(TrainingOptions)
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
            "Go on from adapter and head in this folder, of this rank or a higher; of another task, the adapter alone.",
        ),
    ] = None,
    start_data: Annotated[
        list[Path] | None, _option(WHAT, "A set that the start was trained on: what it held out stays held out.")
    ] = None,
    recipe: Annotated[
        str | None, _option(WHAT, "Run all stages of a shipped recipe, or of that in a TOML file.")
    ] = None,
    data_folder: Annotated[Path | None, _option(WHAT, "Where a recipe's sets lie, as NAME.jsonl.gz.")] = None,
    as_json: Json = False,
    **given: Unpack[TrainingOptions],
) -> None:
    """Train an adapter and a head. A run that was interrupted goes on when the same command is given again."""
    search = given.get("search") or 0
    with told():
        if recipe is not None:
            _refuse({"data": data, "start": start, "repeat": repeat, "search": search}, "--recipe")
            metrics = _follow(task, recipe, data_folder, out, stated(given), encoder, as_json)
        else:
            begin = {"start": start, "earlier": start_data or [], "search": search}
            metrics = _train(task, data or [], out, stated(given), encoder, repeat or [], quiet=as_json, **begin)
        show: Callable[[object], None] = emit if as_json else console.print
        show(metrics)


def stated(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of training among a command's parameters, those that were not given left out."""
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
    options: Mapping[str, Any],
    encoder: Path | None,
    repeat: Sequence[str],
    **how: Any,
) -> dict[str, Any]:
    if not data:
        raise SettingError("Give a set by --data, or a recipe by --recipe")
    repeats = dict(map(_times, repeat))
    from voxpop.models.checkpoint import BUNDLED
    from voxpop.training.finetune import train as finetune
    from voxpop.training.prepare import Use

    uses = {name: Use(repeat=times) for name, times in repeats.items()}
    return finetune(task, data, out, Options(**options), uses=uses, encoder=str(encoder or BUNDLED), **how)


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

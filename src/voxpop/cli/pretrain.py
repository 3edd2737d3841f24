"""``graft`` and ``pretrain``: how an encoder is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from voxpop.cli import Json, app, console, emit, told
from voxpop.errors import SettingError


@app.command(
    epilog="Example: voxpop graft --recipe chinese --data-folder sets --out runs/grafted    then"
    " voxpop pretrain --recipe chinese --data-folder sets --start runs/grafted --out runs/encoder-zh"
)
def graft(
    out: Annotated[Path, typer.Option(help="Folder for the encoder.")],
    data_folder: Annotated[Path, typer.Option(help="Where the recipe's texts lie, in which words are counted.")],
    recipe: Annotated[
        str, typer.Option(help="Texts, glossary and size of a recipe, shipped or a TOML file.")
    ] = "chinese",
    as_json: Json = False,
) -> None:
    """Begin a Chinese encoder on the layers of the English one.

    Each word begins as the mean of what it means in English, by a glossary and a dictionary. Takes a minute.
    """
    with told():
        from voxpop.training.graft import graft as run
        from voxpop.training.recipe import find_set, open_recipe

        stated = open_recipe(recipe)
        if stated.grafting is None or stated.pretraining is None:
            raise SettingError(f"The recipe {recipe!r} has no table grafting, or none of pretraining")
        texts = [find_set(text.name, data_folder) for text in stated.pretraining.sets]
        glossary = find_set(stated.grafting.glossary, data_folder)
        made = run(texts, out, glossary=glossary, size=stated.grafting.size, weights=stated.pretraining.weights)
        if as_json:
            emit(made)
        else:
            begun = ", ".join(f"{n:,} from {how}" for how, n in made["begun"].items())
            console.print(f"{made['vocabulary']:,} entries: {begun}", soft_wrap=True)


@app.command(
    epilog="Example: voxpop pretrain --recipe chinese --data-folder sets --start runs/grafted --out runs/encoder-zh   "
    " or, of texts of your own: voxpop pretrain --data news.txt.gz --data laws.txt.gz --weight laws=0.25"
    " --out runs/encoder-zh"
)
def pretrain(
    out: Annotated[Path, typer.Option(help="Folder for the encoder, its vocabulary, metrics and card.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="Text, a paragraph a line, or a labelled JSONL; gzip or not. Repeatable.")
    ] = None,
    weight: Annotated[
        list[str] | None, typer.Option(help="NAME=TIMES: how often an epoch shows a file's text. Repeatable.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="Texts and options of a recipe, shipped or a TOML file.")] = None,
    data_folder: Annotated[Path | None, typer.Option(help="Where a recipe's texts lie.")] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Go on from the weights and vocabulary of the encoder in this folder."),
    ] = None,
    parallel: Annotated[
        list[Path] | None,
        typer.Option(help="Texts with translations, for a start that stands on another encoder's layers. Repeatable."),
    ] = None,
    parallel_share: Annotated[
        float | None, typer.Option(help="Share of steps over translations.", min=0, max=1)
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps in all.", min=1)] = None,
    layers: Annotated[int | None, typer.Option(help="Layers.", min=1)] = None,
    hidden: Annotated[int | None, typer.Option(help="Hidden size, a multiple of 32.", min=32)] = None,
    vocabulary: Annotated[int | None, typer.Option(help="Most entries of the vocabulary.", min=200)] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Most padded tokens in one pass.", min=1)] = None,
    accumulate: Annotated[int | None, typer.Option(help="Passes whose gradients make one step.", min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    save_steps: Annotated[int | None, typer.Option(help="Steps between two saved states.", min=1)] = None,
    measure_steps: Annotated[int | None, typer.Option(help="Steps between two measurements.", min=1)] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of torch.", min=0)] = None,
    precision: Annotated[Literal["auto", "bf16", "fp32"] | None, typer.Option(help="Of the matrix products.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N or auto.")] = None,
    as_json: Json = False,
) -> None:
    """Pretrain a small Chinese encoder by masked language modelling.

    An interrupted run goes on when the same command is given again.
    """
    given = dict(locals())
    with told():
        from dataclasses import fields, replace

        from voxpop.training.options import PretrainOptions
        from voxpop.training.pretrain import pretrain as run

        names = {field.name for field in fields(PretrainOptions)}
        over = {name: value for name, value in given.items() if name in names and value is not None}
        paths, weights, options = list(data or []), dict(map(_weight, weight or [])), PretrainOptions()
        pairs = list(parallel or [])
        if recipe is not None:
            paths, weights, options, pairs = _of_recipe(recipe, data_folder, paths, weights, pairs)
        if not paths:
            raise SettingError("Give text by --data, or a recipe by --recipe")
        options = replace(options, **over)
        metrics: dict[str, Any] = run(paths, out, options, weights, start=start, parallel=pairs, quiet=as_json)
        if as_json:
            emit(metrics)
        else:
            console.print(metrics["held_out"])


def _of_recipe(
    recipe: str, folder: Path | None, more: Sequence[Path], weights: dict[str, float], pairs: Sequence[Path]
) -> Any:
    """A recipe's texts, with those that were given beside it; their weights; its options; and its translations."""
    from voxpop.training.recipe import find_set, open_recipe

    stated = open_recipe(recipe).pretraining
    if stated is None or folder is None:
        raise SettingError("Say by --data-folder where the texts lie, of a recipe that has a table pretraining")
    found = [find_set(text.name, folder) for text in stated.sets]
    parallel = [find_set(name, folder) for name in stated.parallel]
    return [*found, *more], stated.weights | weights, stated.options, [*parallel, *pairs]


def _weight(given: str) -> tuple[str, float]:
    name, _, times = given.partition("=")
    try:
        value = float(times)
    except ValueError:
        value = -1.0
    if not name or value < 0:
        raise SettingError(f"--weight {given!r} is not NAME=TIMES")
    return name, value

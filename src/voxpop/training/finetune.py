"""Training of an adapter and a head for one task, on the CPU, that can be killed at any step and goes on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from voxpop.errors import SettingError
from voxpop.models.checkpoint import BUNDLED
from voxpop.models.profile import Task
from voxpop.training.export import CONFIG, report, save_weights
from voxpop.training.loop import Loop, OnStep, Options
from voxpop.training.ngrams import add_ngrams
from voxpop.training.prepare import Prepared, Use, loop_of, prepare
from voxpop.training.start import record


def train(
    task: Task,
    data: Sequence[Path],
    out: Path,
    options: Options | None = None,
    *,
    start: Path | None = None,
    earlier: Sequence[Path] = (),
    uses: Mapping[str, Use] | None = None,
    encoder: str = BUNDLED,
    search: int = 0,
    quiet: bool = False,
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Trains ``task`` on ``data`` and writes adapter, head, metrics and model card to the folder ``out``.

    A run that was killed goes on from its last saved step when it is called again with the same task, data and
    options; its ``state.safetensors`` in ``out`` is removed at the end.

    Args:
        start: folder of an earlier run of the same task and rank, whose adapter and head are where training begins.
        earlier: the sets of that run; what it held out stays held out.
        uses: how the training split uses a set, by the name of its file.
        encoder: the bundled one by its name, or the folder of one that was pretrained.
        search: short trials by which learning rate and rank are chosen first (see ``voxpop.training.search``).

    Returns:
        the metrics, as written to ``metrics.json``.

    Raises:
        SettingError: no such task, unreadable data, an unknown sentiment, too few texts to split, a share of what was
            learned without a start, or n-grams of question answering.
        ModelError: the encoder or the start is missing or another one.
    """
    options, uses = options or Options(), uses or {}
    if options.learned != 1.0 and start is None:
        raise SettingError("A share of what was learned needs a start, whose weights are the rest")
    if options.ngrams and task == "qa":
        raise SettingError("N-grams of a text say nothing of where an answer stands in it")
    ready = prepare(task, data, options, earlier, uses, encoder)
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    if search:
        from voxpop.training.search import best_options

        options, found = best_options(ready, options, out, search, start, quiet=quiet)
    loop = loop_of(ready, options, out / "state.safetensors", start)
    begun = {name: tensor.detach().clone() for name, tensor in loop.network.trained().items()}
    with _progress(quiet) as progress:
        best = loop.go(progress, on_step)
    loop.network.load_state_dict({name: begun[name].lerp(best[name], options.learned) for name in best}, strict=False)
    _export(out, ready, loop)
    if options.ngrams:
        add_ngrams(out, ready.files, ready.training, ready.validation)
    metrics = report(out, data, ready.parts, ready.files, options, loop.at.history)
    repeats = {name: use.repeat for name, use in uses.items() if use.repeat > 1}
    record(out, metrics, start, repeats, {**loop.network.described(), **found})
    loop.path.unlink()
    return metrics


def _export(out: Path, ready: Prepared, loop: Loop) -> None:
    """Writes the adapter and the head."""
    network, options = loop.network, loop.options
    save_weights(out, ready.task, ready.labels, network, ready.files, network.exported(options))
    if options.method in ("full", "prefix"):
        (out / CONFIG).unlink()  # it says how peft reads the adapter, which is none of peft's


def _progress(quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), disable=quiet)

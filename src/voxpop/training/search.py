"""A search for the learning rate and the rank by short trials, with Optuna (Akiba et al. 2019, arXiv 1907.10902)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from voxpop.errors import SettingError
from voxpop.training.loop import Encoded
from voxpop.training.options import Options, chosen
from voxpop.training.prepare import Prepared, key_of, loop_of

SHARE = 0.2
"""Of the training split, in a trial of one epoch."""
RANKS = (8, 16, 32, 64)
FACTOR = 4.0
"""Learning rates are tried from the given one divided by this, to the given one times this."""


def best_options(
    ready: Prepared, options: Options, out: Path, trials: int, start: Path | None = None, *, quiet: bool = False
) -> tuple[Options, dict[str, Any]]:
    """``options`` with the learning rate and rank that did best on the validation split in ``trials`` trials.

    Trials are kept in ``search.journal`` in ``out``, and one that was cut off is begun again. The rank (with alpha in
    proportion) is tried of LoRA and AdaLoRA, unless a start prescribes it.

    Returns:
        the options, and what to note of the search in the metrics.

    Raises:
        SettingError: Optuna is not installed.
    """
    study = _study(out, key_of(ready.task, ready.parts["train"], options, start, ready.files))
    small = ready._replace(training=_thinned(ready.training, options.seed))
    _begin_again(study)
    while (done := len(_finished(study))) < trials:
        _seed(study, options.seed + done)
        trial = study.ask()
        tried = _suggested(trial, options, start)
        figure = _figure(small, replace(tried, epochs=1, patience=1, tensorboard=False), out, start)
        study.tell(trial, figure)
        if not quiet:
            Console().print(f"trial {done + 1} of {trials}: {json.dumps(trial.params)}: validation {figure:.4f}")
    best = _with(options, study.best_params)
    found = {"trials": len(_finished(study)), "best": study.best_params, "validation": study.best_value}
    return best, {"search": found}


def _study(out: Path, name: str) -> Any:
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise SettingError("--search needs a package more: pip install 'voxpop[train]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(out / "search.journal")))
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def _seed(study: Any, seed: int) -> None:
    """A sampler of its own for each trial, so that what is suggested does not hang on where the search was cut off."""
    import optuna

    study.sampler = optuna.samplers.TPESampler(seed=seed)


def _finished(study: Any) -> list[Any]:
    return [trial for trial in study.trials if trial.state.name == "COMPLETE"]


def _begin_again(study: Any) -> None:
    """Trials that a kill cut off are given up, and their values tried next."""
    import optuna

    for trial in study.trials:
        if trial.state.name == "RUNNING":
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params)


def _suggested(trial: Any, options: Options, start: Path | None) -> Options:
    rate = options.learning_rate
    values = {"learning_rate": trial.suggest_float("learning_rate", rate / FACTOR, rate * FACTOR, log=True)}
    if start is None and options.method in ("lora", "adalora"):
        values["rank"] = trial.suggest_categorical("rank", RANKS)
    return _with(options, values)


def _with(options: Options, values: dict[str, Any]) -> Options:
    rank = values.get("rank", options.rank)
    return replace(options, **values, alpha=max(1, round(options.alpha * rank / options.rank)))


def _thinned(data: Encoded, seed: int) -> Encoded:
    size = max(1, round(SHARE * len(data.sequences)))
    chosen_rows = np.sort(np.random.default_rng(seed).permutation(len(data.sequences))[:size]).tolist()
    return Encoded([data.sequences[i] for i in chosen_rows], data.gold[chosen_rows])


def _figure(ready: Prepared, options: Options, out: Path, start: Path | None) -> float:
    """The first figure of the validation split after a trial."""
    path = out / "search.safetensors"
    loop = loop_of(ready, options, path, start)
    # The key of a run names its rows before they were thinned.
    loop.key = f"trial {json.dumps(chosen(options))} {loop.key}"
    with Progress(disable=True) as progress:
        loop.go(progress)
    path.unlink()
    return loop.at.best

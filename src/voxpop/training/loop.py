"""The loop over steps and epochs: what is seen when, the learning rate, early stopping, and going on after a kill."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor

from voxpop.models.batching import Batch, plan
from voxpop.models.bert import inputs
from voxpop.models.encoding import Tokens
from voxpop.training import state
from voxpop.training.network import Network
from voxpop.training.objectives import Objective

OnStep = Callable[[int, float], None]
"""Told the number of steps done and the last one's loss."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to train. Two runs with equal options and data give equal weights on one machine."""

    epochs: int = 4
    learning_rate: float = 8e-4
    warmup: float = 0.06
    """Share of the steps over which the learning rate rises; it falls along a cosine afterwards."""
    weight_decay: float = 0.01
    batch_tokens: int = 1024
    """Most padded tokens in one step."""
    rank: int = 16
    alpha: int = 32
    label_smoothing: float = 0.05
    class_weights: bool = False
    """Weigh each class by the inverse square root of its frequency."""
    contrasts: int = 1500
    """Of sentiment: texts made by joining two that disagree (see ``voxpop.training.contrast``)."""
    rows: int = 0
    """Of question answering: most questions of the training split that are used; 0: all."""
    unanswerable: float = 0.6
    """Of question answering: questions made unanswerable, for each that has its answer."""
    patience: int = 2
    """Epochs without a better figure on the validation split after which training ends."""
    seed: int = 7
    save_steps: int = 100
    threads: int = 0
    """0: as many as torch chooses."""
    bf16: bool = True


def chosen(options: Options) -> dict[str, object]:
    """The options that differ from the defaults: what names a run, whatever options are added later."""
    default = asdict(Options())
    return {name: value for name, value in asdict(options).items() if value != default[name]}


@dataclass(frozen=True)
class Encoded:
    """A split ready for the network: sequences, and the right answer to each (see the objective)."""

    sequences: list[Tokens]
    gold: Tensor

    def batches(self, budget: int, order: NDArray[np.int64] | None = None) -> list[Batch]:
        """Batches of one width each; which sequences meet follows from ``order``."""
        order = np.arange(len(self.sequences)) if order is None else order
        planned = plan([len(self.sequences[i].ids) for i in order], budget)
        return [Batch(batch.width, order[batch.indices].tolist()) for batch in planned]


@dataclass
class Progressed:
    """Where a run stands; saved with the weights."""

    step: int = 0
    epoch: int = 0
    best: float = -1.0
    stale: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class Loop:
    """One training run; ``key`` names its task, data and options."""

    def __init__(
        self,
        network: Network,
        objective: Objective,
        training: Encoded,
        validation: Encoded,
        options: Options,
        path: Path,
        key: str,
    ) -> None:
        self.network, self.objective, self.training, self.validation = network, objective, training, validation
        self.options, self.path, self.key = options, path, key
        self.per_epoch = len(training.batches(options.batch_tokens))
        self.steps = options.epochs * self.per_epoch
        parameters = list(network.trained().values())
        self.optimizer = torch.optim.AdamW(parameters, options.learning_rate, weight_decay=options.weight_decay)
        self.at = Progressed()
        self.best: dict[str, Tensor] = {}

    def go(self, progress: Progress, on_step: OnStep | None = None) -> dict[str, Tensor]:
        """Trains to the end; the weights that were best on the validation split."""
        self._resume()
        bar = progress.add_task("training", total=self.steps, completed=self.at.step)
        while self.at.epoch < self.options.epochs and self.at.stale < self.options.patience:
            for batch in self._epoch()[self.at.step - self.at.epoch * self.per_epoch :]:
                loss = self._step(batch)
                self.at.step += 1
                progress.update(bar, advance=1, description=f"epoch {self.at.epoch + 1}, loss {loss:.3f}")
                if self.at.step % self.options.save_steps == 0:
                    self._save()
                if on_step is not None:
                    on_step(self.at.step, loss)
            self._end_epoch(progress)
        return self.best

    def _epoch(self) -> list[Batch]:
        """This epoch's batches, the same whenever it is asked."""
        random = np.random.default_rng([self.options.seed, self.at.epoch])
        order = random.permutation(len(self.training.sequences))
        batches = self.training.batches(self.options.batch_tokens, order)
        return [batches[i] for i in random.permutation(len(batches))]

    def _step(self, batch: Batch) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * schedule(self.at.step / self.steps, self.options.warmup)
        self.network.train()
        loss = self.objective.loss(self._logits(self.training, batch), self.training.gold[batch.indices])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.trained().values(), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _logits(self, data: Encoded, batch: Batch) -> Tensor:
        tensors = inputs([data.sequences[i] for i in batch.indices], batch.width)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.options.bf16):
            logits: Tensor = self.network(tensors)
        return logits.float()

    def _end_epoch(self, progress: Progress) -> None:
        measured = self.objective.measure(self.validation.gold, self._guesses(self.validation))
        self.at.epoch += 1
        self.at.history.append({"epoch": self.at.epoch, **measured})
        shown = ", ".join(f"{name} {value:.4f}" for name, value in measured.items())
        progress.console.print(f"epoch {self.at.epoch}: validation {shown}")
        self.at.stale += 1
        goodness = next(iter(measured.values()))
        if goodness > self.at.best:
            self.at.best, self.at.stale = goodness, 0
            self.best = {name: p.detach().clone() for name, p in self.network.trained().items()}
        self._save()

    @torch.inference_mode()
    def _guesses(self, data: Encoded) -> Tensor:
        self.network.eval()
        guesses = torch.zeros_like(data.gold)
        for batch in data.batches(4 * self.options.batch_tokens):
            guesses[batch.indices] = self.objective.guess(self._logits(data, batch))
        return guesses

    def _save(self) -> None:
        state.save(self.path, self.network, self.optimizer, self.best, {"key": self.key, "at": asdict(self.at)})

    def _resume(self) -> None:
        """Goes on from the saved state, where it is of the same run."""
        if state.progress_of(self.path).get("key") == self.key:
            self.best, progress = state.load(self.path, self.network, self.optimizer)
            self.at = Progressed(**progress["at"])


def schedule(done: float, warmup: float) -> float:
    """Factor of the learning rate after the share ``done`` of all steps: a linear rise, then half a cosine to 0."""
    if done < warmup:
        return done / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (done - warmup) / (1.0 - warmup)))

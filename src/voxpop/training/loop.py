"""The loop over steps and epochs: what is seen when, the learning rate, early stopping, and going on after a kill."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor

from voxpop.models.batching import Batch, plan
from voxpop.models.bert import Inputs, inputs
from voxpop.models.classifier import bf16_is_faster
from voxpop.models.encoding import Tokens
from voxpop.models.engine import find_device, send
from voxpop.training import state
from voxpop.training.adversary import Adversary
from voxpop.training.board import Board
from voxpop.training.network import Network
from voxpop.training.objectives import Objective
from voxpop.training.options import Options, Precision, chosen

__all__ = ["Encoded", "Loop", "OnStep", "Options", "Progressed", "chosen", "schedule"]

SHOWN = 10
"""Steps between two losses that the progress bar shows."""

OnStep = Callable[[int, float], None]
"""Told the number of steps done and the last one's loss."""


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
        self.device = find_device(options.device)
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32: see Options.precision
        self.network = network.to(self.device)
        self.objective, self.training, self.validation = objective, training, validation
        self.options, self.path, self.key = options, path, key
        self.per_epoch = steps_of(training, options)
        self.steps = options.epochs * self.per_epoch
        self.optimizer = optimizer_of(network, options)
        self.bf16 = by_bf16(options.precision, self.device)
        self.adversary = Adversary(network.words, options.fgm) if options.fgm else None
        self.board: Board | None = None
        self.at = Progressed()
        self.best: dict[str, Tensor] = {}

    def go(self, progress: Progress, on_step: OnStep | None = None) -> dict[str, Tensor]:
        """Trains to the end; the weights that were best on the validation split."""
        self._resume()
        if self.options.tensorboard:
            self.board = Board(self.path.parent / "runs", self.at.step)
        bar = progress.add_task("training", total=self.steps, completed=self.at.step)
        while self.at.epoch < (self.options.halt or self.options.epochs) and self.at.stale < self.options.patience:
            for batches in self._epoch()[self.at.step - self.at.epoch * self.per_epoch :]:
                loss = self._step(batches)
                self.at.step += 1
                progress.update(bar, advance=1)
                if self.at.step % SHOWN == 0:  # seldom: to read a loss is to wait for the card
                    progress.update(bar, description=f"epoch {self.at.epoch + 1}, loss {float(loss):.3f}")
                if self.at.step % self.options.save_steps == 0:
                    self._save()
                if on_step is not None:
                    on_step(self.at.step, float(loss))
            self._end_epoch(progress)
        if self.board is not None:
            self.board.close()
        return self.best

    def _epoch(self) -> list[list[Batch]]:
        """The batches of each of this epoch's steps, the same whenever it is asked."""
        random = np.random.default_rng([self.options.seed, self.at.epoch])
        order = random.permutation(len(self.training.sequences))
        batches = self.training.batches(self.options.batch_tokens, order)
        shuffled = [batches[i] for i in random.permutation(len(batches))]
        size = self.options.accumulate
        return [shuffled[first : first + size] for first in range(0, len(shuffled), size)]

    def _step(self, batches: Sequence[Batch]) -> Tensor:
        part = schedule(self.at.step / self.steps, self.options.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = part * group["highest"]
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        sequences = sum(len(batch.indices) for batch in batches)
        parts = [self._differentiated(batch, len(batch.indices) / sequences) for batch in batches]
        loss = torch.stack(parts).sum()
        torch.nn.utils.clip_grad_norm_(self.network.trained().values(), 1.0)
        self.optimizer.step()
        self.network.after_step(self.at.step)
        if self.board is not None:
            rate = part * self.options.learning_rate
            self.board.write(self.at.step + 1, {"loss": float(loss), "learning_rate": rate})
        return loss

    def _differentiated(self, batch: Batch, share: float) -> Tensor:
        """Adds the batch's gradients; its loss, of which the step's is the sum."""
        loss = share * self._loss(batch)
        penalty = self.network.penalty()
        total = loss if penalty is None else loss + share * penalty
        total.backward()  # type: ignore[no-untyped-call]
        if self.adversary is not None:
            with self.adversary.attack():
                moved = share * self._loss(batch)
            moved.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _loss(self, batch: Batch) -> Tensor:
        gold = send(self.training.gold[batch.indices], self.device)
        return self.objective.loss(self._logits(self.training, batch), gold)

    def _logits(self, data: Encoded, batch: Batch) -> Tensor:
        tensors = inputs([data.sequences[i] for i in batch.indices], batch.width)
        tensors = Inputs(*(send(part, self.device) for part in tensors))
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            logits: Tensor = self.network(tensors)
        return logits.float()

    def _end_epoch(self, progress: Progress) -> None:
        measured = self.objective.measure(self.validation.gold, self.guesses(self.validation))
        self.at.epoch += 1
        self.at.history.append({"epoch": self.at.epoch, **measured})
        shown = ", ".join(f"{name} {value:.4f}" for name, value in measured.items())
        if not progress.disable:
            progress.console.print(f"epoch {self.at.epoch}: validation {shown}")
        if self.board is not None:
            self.board.write(self.at.step, {f"validation/{name}": value for name, value in measured.items()})
        self.at.stale += 1
        goodness = next(iter(measured.values()))
        if goodness > self.at.best:
            self.at.best, self.at.stale = goodness, 0
            self.best = {name: p.detach().clone() for name, p in self.network.trained().items()}
        self._save()

    @torch.inference_mode()
    def guesses(self, data: Encoded) -> Tensor:
        """The answers to each sequence, comparable with its gold ones."""
        self.network.eval()
        guesses = torch.zeros_like(data.gold)
        for batch in data.batches(4 * self.options.batch_tokens):
            guesses[batch.indices] = self.objective.guess(self._logits(data, batch)).cpu()
        return guesses

    def _save(self) -> None:
        state.save(self.path, self.network, self.optimizer, self.best, {"key": self.key, "at": asdict(self.at)})

    def _resume(self) -> None:
        """Goes on from the saved state, where it is of the same run."""
        if state.progress_of(self.path).get("key") == self.key:
            self.best, progress = state.load(self.path, self.network, self.optimizer)
            self.at = Progressed(**progress["at"])


def by_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether matrix products are computed in bf16 (see ``Options.precision``)."""
    return precision == "bf16" or (precision == "auto" and device.type == "cpu" and bf16_is_faster())


def steps_of(training: Encoded, options: Options) -> int:
    """Steps of one epoch."""
    return -(-len(training.batches(options.batch_tokens)) // options.accumulate)


def optimizer_of(network: Network, options: Options) -> torch.optim.Optimizer:
    """AdamW, or Adafactor (Shazeer and Stern 2018, arXiv 1804.04235), which keeps two vectors for each matrix.

    Adafactor takes the learning rate as it stands: scaled by the size of a parameter, as the paper has it, the
    half of an adapter that begins at 0 would hardly move. ``highest`` of each group is what its rate rises to.
    """
    own, trained = network.rates(options), network.trained()
    shared = [p for name, p in trained.items() if name not in own]
    groups: list[dict[str, Any]] = [{"params": shared, "highest": options.learning_rate}]
    groups += [{"params": [trained[name]], "highest": rate, "weight_decay": 0.0} for name, rate in own.items()]
    if options.optimizer == "adamw":
        fused = shared[0].is_cuda or None  # one kernel a step; on a processor it stays with torch's default
        return torch.optim.AdamW(groups, options.learning_rate, weight_decay=options.weight_decay, fused=fused)
    from transformers.optimization import Adafactor

    return Adafactor(  # type: ignore[no-untyped-call]
        groups,
        options.learning_rate,
        weight_decay=options.weight_decay,
        scale_parameter=False,
        relative_step=False,
    )


def schedule(done: float, warmup: float) -> float:
    """Factor of the learning rate after the share ``done`` of all steps: a linear rise, then half a cosine to 0."""
    if done < warmup:
        return done / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (done - warmup) / (1.0 - warmup)))

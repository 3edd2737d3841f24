"""Pretraining of a small BERT-shaped encoder by masked language modelling; killed at any step, it goes on from there.

Where the start is grafted on the layers of another encoder (see ``voxpop.training.graft``), the layers stay as they are
and its words alone learn, from hidden tokens and from translations, in turns that chance decides.

What is hidden at a step, and what is dropped out, follow from the seed and the step's number alone. On a processor a
run that was killed therefore ends in the same bits as one that was not; on a card sums may be taken in another order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from voxpop.errors import ModelError, SettingError
from voxpop.models.batching import Batch, padded_width, plan
from voxpop.models.bert import HEAD_SIZE, NORM_EPS, inputs
from voxpop.models.checkpoint import BUNDLED, EncoderFiles, find_encoder, sha256_of
from voxpop.models.classifier import open_encoder
from voxpop.models.encoding import TextEncoder, Tokens
from voxpop.models.engine import find_device
from voxpop.records import digest
from voxpop.text.folding import chinese, dumped
from voxpop.training import state
from voxpop.training.card import pretraining_card
from voxpop.training.corpus import WIDTHS, Blocks, blocks_of, epoch, make_tokenizer, read_source
from voxpop.training.export import write_encoder
from voxpop.training.loop import OnStep, by_bf16, schedule
from voxpop.training.masked import MaskedNetwork
from voxpop.training.masking import mask
from voxpop.training.options import PretrainOptions
from voxpop.training.parallel import Parallel, mean, measured, read_parallel
from voxpop.training.parallel import loss as parallel_loss

STATE, METRICS, CARD = "state.safetensors", "metrics.json", "README.md"
BETAS, EPSILON = (0.9, 0.98), 1e-6

Pass = Callable[[np.random.Generator], Tensor]
"""The loss of one pass through the network; what is random in it is drawn from the generator."""


@dataclass
class Reached:
    """Where a run stands: steps done, the epoch, the steps done of it, and what was measured on the way."""

    step: int = 0
    epoch: int = 0
    within: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def pretrain(
    data: Sequence[Path],
    out: Path,
    options: PretrainOptions | None = None,
    weights: Mapping[str, float] | None = None,
    *,
    start: Path | None = None,
    parallel: Sequence[Path] = (),
    quiet: bool = False,
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Makes a vocabulary of ``data``, trains an encoder on it and writes both to the folder ``out``.

    Args:
        data: files of text or labelled sets (see ``voxpop.training.corpus``).
        weights: how often an epoch shows each block of a file, by the file's name without endings; else once.
        start: folder of an encoder of the same shape, from whose weights and vocabulary training begins, under a fresh
            head; other options may differ. If it stands on another's layers, its shape counts, and only words learn.
        parallel: translations for such a start (see ``voxpop.training.parallel``).

    Returns:
        the metrics, as written to ``metrics.json``: perplexity and accuracy of hidden tokens, held out.

    Raises:
        SettingError: a file cannot be read, a weight names none, or there is too little text.
        ModelError: the start is missing or of another shape.
    """
    options, weights = options or PretrainOptions(), dict(weights or {})
    sources = [read_source(path) for path in data]
    if unknown := sorted(weights.keys() - {source.name for source in sources}):
        raise SettingError(f"A weight is given for {unknown[0]!r}, which is no file of --data")
    out.mkdir(parents=True, exist_ok=True)
    begun = find_encoder(str(start)) if start else None
    named = [begun.sha256] if begun else []
    if parallel and (begun is None or begun.layers is None):
        raise SettingError("Translations teach only an encoder that stands on another's layers: give one by --start")
    key = digest(json.dumps([asdict(options), sorted(weights.items())]), *map(sha256_of, [*data, *parallel]), *named)
    encoder, tokenizer = _text_encoder(out, [text for s in sources for text in s.paragraphs], options, key, begun)
    blocks = [blocks_of(source, encoder) for source in sources]
    pairs = read_parallel(parallel, encoder) if parallel else None
    run = Run(blocks, weights, tokenizer, options, out / STATE, key, begun, pairs)
    with Progress(disable=quiet) as progress:
        run.go(progress, on_step)
    metrics = _export(out, run, data, weights, named, parallel)
    run.path.unlink(missing_ok=True)
    return metrics


def _text_encoder(
    out: Path, paragraphs: Sequence[str], options: PretrainOptions, key: str, begun: EncoderFiles | None
) -> tuple[TextEncoder, Tokenizer]:
    """What cuts text: that of a run which goes on or of the encoder that was begun, or a new one."""
    folding = chinese()
    path = out / "tokenizer.json"
    if begun is not None:
        path.write_bytes(begun.tokenizer.read_bytes())
        (out / "folding.json").write_text(dumped(folding), encoding="utf-8")
    elif not (state.progress_of(out / STATE).get("key") == key and path.is_file()):
        make_tokenizer(paragraphs, folding, options.vocabulary).save(str(path))
        (out / "folding.json").write_text(dumped(folding), encoding="utf-8")
    tokenizer = Tokenizer.from_file(str(path))
    return TextEncoder(path, folding=folding), tokenizer


class Run:
    """One pretraining run; ``key`` names its data and options."""

    def __init__(
        self,
        blocks: Sequence[Blocks],
        weights: Mapping[str, float],
        tokenizer: Tokenizer,
        options: PretrainOptions,
        path: Path,
        key: str,
        begun: EncoderFiles | None = None,
        parallel: Parallel | None = None,
    ) -> None:
        if not any(source.training for source in blocks):
            raise SettingError("There is no text to train on")
        if options.threads:
            torch.set_num_threads(options.threads)
        self.blocks, self.weights, self.options, self.path, self.key = blocks, weights, options, path, key
        self.device = find_device(options.device)
        self.vocabulary = tokenizer.get_vocab_size()
        self.inner = np.array([str(tokenizer.id_to_token(i)).startswith("##") for i in range(self.vocabulary)])
        self.words_only = begun is not None and begun.layers is not None
        self.config = _stated(begun) if begun and self.words_only else config_of(options, self.vocabulary)
        torch.manual_seed(options.seed)
        eager = self.device.type == "cpu"
        self.network = MaskedNetwork(self.config, eager=eager, words_only=self.words_only).to(self.device)
        if begun is not None:
            self._begin_from(begun)
        self.optimizer = torch.optim.AdamW(
            list(self.network.trained().values()),
            options.learning_rate,
            BETAS,
            EPSILON,
            0.0 if self.words_only else options.weight_decay,  # seldom words would shrink
            fused=self.device.type == "cuda" or None,
        )
        on_card = self.device.type == "cuda" and options.precision != "fp32"  # large batches: there bf16 pays
        self.bf16 = on_card or by_bf16(options.precision, self.device)
        self.parallel: Parallel | None = None
        self.held_out: Parallel | None = None
        if parallel:
            self.parallel, self.held_out = parallel.split(options.seed)
        chance = np.random.default_rng([options.seed, 4]).random(options.steps)
        self.translates = chance < (options.parallel_share if parallel else 0.0)
        self.at = Reached()

    def _begin_from(self, encoder: EncoderFiles) -> None:
        """Takes the weights of an earlier encoder.

        Raises:
            ModelError: it has another shape.
        """
        try:
            self.network.load(open_encoder(encoder))
        except RuntimeError as error:
            raise ModelError(f"{encoder.folder} cannot be the start: {error}.") from error

    def go(self, progress: Progress, on_step: OnStep | None = None) -> None:
        """Trains to the last step."""
        if state.progress_of(self.path).get("key") == self.key:
            _, saved = state.load(self.path, self.network, self.optimizer)
            self.at = Reached(**saved["at"])
        bar = progress.add_task("pretraining", total=self.options.steps, completed=self.at.step)
        texts, pairs = self._hidden(), self._translations()
        while self.at.step < self.options.steps:
            turn = pairs if self.translates[self.at.step] else texts
            loss = self._step(next(turn))
            self.at.step += 1
            progress.update(bar, advance=1, description=f"epoch {self.at.epoch + 1}, loss {loss:.3f}")
            self._after_step(progress)
            if on_step is not None:
                on_step(self.at.step, loss)

    def _hidden(self) -> Iterator[list[Pass]]:
        """The passes of each step over text, from where the run stands."""
        while True:
            for batches in self._epoch()[self.at.within :]:
                self.at.within += 1
                yield [partial(self._guessed, sequences, width) for sequences, width in batches]
            self.at.epoch, self.at.within = self.at.epoch + 1, 0

    def _translations(self) -> Iterator[list[Pass]]:
        """The pass of each step over translations, from where the run stands."""
        done = int(self.translates[: self.at.step].sum())
        assert self.parallel is not None
        for number in count():
            batches = self.parallel.batches(self.options.batch_tokens, self.options.seed, number)
            for indices in batches[done:]:
                yield [partial(self._translated, indices)]
            done = max(done - len(batches), 0)

    def _after_step(self, progress: Progress) -> None:
        if self.at.step % self.options.measure_steps == 0:
            figures = self.measure()
            reached = figures["all"] | figures.get("translations", {})
            self.at.history.append({"step": self.at.step, **reached})
            if not progress.disable:
                shown = ", ".join(f"{name} {value:.4f}" for name, value in reached.items())
                progress.console.print(f"step {self.at.step}: held out {shown}")
        if self.at.step % self.options.save_steps == 0:
            state.save(self.path, self.network, self.optimizer, {}, {"key": self.key, "at": asdict(self.at)})

    def _epoch(self) -> list[list[tuple[list[Tokens], int]]]:
        """The (sequences, width) of each of this epoch's passes, grouped by step; a last, smaller step is left out
        unless it is the only one."""
        chosen = epoch(self.blocks, self.weights, self.options.seed, self.at.epoch)
        passes = list(plan([len(tokens.ids) for tokens in chosen], self.options.batch_tokens))
        order = np.random.default_rng([self.options.seed, self.at.epoch, 1]).permutation(len(passes))
        ready = [([chosen[i] for i in passes[n].indices], passes[n].width) for n in order]
        size = self.options.accumulate
        steps = [ready[first : first + size] for first in range(0, len(ready), size)]
        return steps[:-1] if len(steps) > 1 and len(steps[-1]) < size else steps

    def _step(self, passes: Sequence[Pass]) -> float:
        rate = self.options.learning_rate * schedule(self.at.step / self.options.steps, self.options.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        random = np.random.default_rng([self.options.seed, self.at.step, 2])
        torch.manual_seed(self.options.seed * 1_000_003 + self.at.step)  # of dropout: nothing to save
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for loss_of in passes:
            loss = loss_of(random) / len(passes)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.network.trained().values(), 1.0)
        self.optimizer.step()
        return total

    def _guessed(self, sequences: list[Tokens], width: int, random: np.random.Generator) -> Tensor:
        return functional.cross_entropy(*self._logits(sequences, width, random))

    def _translated(self, indices: list[int], random: np.random.Generator) -> Tensor:
        assert self.parallel is not None
        vectors = self._vectors([self.parallel.texts[i] for i in indices])
        return parallel_loss(vectors, self.parallel.wanted[indices].to(self.device))

    def _vectors(self, texts: list[Tokens]) -> Tensor:
        batch = inputs(texts, padded_width(max(len(text.ids) for text in texts)))
        real = batch.real.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            hidden = self.network.hidden(batch.ids.to(self.device), real)
        return mean(hidden, real)

    def _logits(self, sequences: list[Tokens], width: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        batch = inputs(sequences, width)
        masked = mask(batch.ids.numpy(), self.inner, self.vocabulary, random)
        ids, asked, gold = (torch.from_numpy(part).to(self.device) for part in masked)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            logits: Tensor = self.network(ids, batch.real.to(self.device), asked)
        return logits.float(), gold

    @torch.inference_mode()
    def measure(self) -> dict[str, dict[str, float]]:
        """Perplexity and accuracy of hidden tokens in what was held out: of all of it and by source."""
        self.network.eval()
        sums: dict[str, list[float]] = {"all": [0.0, 0.0, 0.0]}
        for source in self.blocks:
            mine = sums.setdefault(source.name, [0.0, 0.0, 0.0])
            for number, batch in enumerate(_passes(source.held_out, self.options.batch_tokens)):
                random = np.random.default_rng([self.options.seed, number, 3])
                logits, gold = self._logits([source.held_out[i] for i in batch.indices], batch.width, random)
                loss = float(functional.cross_entropy(logits, gold, reduction="sum"))
                for of in (mine, sums["all"]):
                    of[0], of[1], of[2] = of[0] + loss, of[1] + int((logits.argmax(1) == gold).sum()), of[2] + len(gold)
        figures = {
            name: {"perplexity": math.exp(loss / n), "accuracy": right / n, "tokens": n}
            for name, (loss, right, n) in sums.items()
            if n
        } or {"all": {}}
        return figures | ({"translations": self._near()} if self.held_out else {})

    def _near(self) -> dict[str, float]:
        assert self.held_out is not None
        texts = self.held_out.texts
        vectors = torch.cat([self._vectors(texts[first : first + 50]) for first in range(0, len(texts), 50)]).cpu()
        return measured(vectors, self.held_out.wanted) | {"texts": len(texts)}


def _stated(encoder: EncoderFiles) -> dict[str, Any]:
    stated: dict[str, Any] = json.loads((encoder.folder / "config.json").read_text("utf-8"))
    return stated


def _passes(held_out: Sequence[Tokens], budget: int) -> list[Batch]:
    return list(plan([len(tokens.ids) for tokens in held_out], budget))


def config_of(options: PretrainOptions, vocabulary: int) -> dict[str, Any]:
    """The shape as ``transformers`` states it.

    Raises:
        SettingError: the hidden size is no multiple of a head's.
    """
    if options.hidden % HEAD_SIZE:
        raise SettingError(f"The hidden size {options.hidden} is no multiple of {HEAD_SIZE}, the size of a head")
    return {
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": options.hidden,
        "num_hidden_layers": options.layers,
        "num_attention_heads": options.hidden // HEAD_SIZE,
        "intermediate_size": 4 * options.hidden,
        "max_position_embeddings": max(WIDTHS),
        "type_vocab_size": 2,
        "layer_norm_eps": NORM_EPS,
        "hidden_dropout_prob": options.dropout,
        "attention_probs_dropout_prob": 0.0,
    }


def _export(
    out: Path,
    run: Run,
    data: Sequence[Path],
    weights: Mapping[str, float],
    start: Sequence[str],
    parallel: Sequence[Path],
) -> dict[str, Any]:
    """Writes the encoder in half precision, its config, metrics and card; last, the manifest."""
    trained = run.network.encoder.named_parameters()
    tensors = {name: tensor for name, tensor in trained if tensor.requires_grad}
    write_encoder(out, tensors, run.config, layers=BUNDLED if run.words_only else None)
    metrics = {
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "vocabulary": run.vocabulary,
        **({"layers": BUNDLED} if run.words_only else {}),
        "steps": run.at.step,
        "epochs": run.at.epoch,
        "blocks": {source.name: len(source.training) for source in run.blocks},
        "weights": dict(weights),
        "held_out": run.measure(),
        **({"parallel": [path.name for path in parallel]} if parallel else {}),
        "history": run.at.history,
        "options": asdict(run.options),
    }
    if start:
        (metrics["start"],) = start
    (out / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (out / CARD).write_text(pretraining_card(metrics, data), encoding="utf-8")
    return metrics

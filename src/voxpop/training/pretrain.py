"""Pretraining of a small BERT-shaped encoder by masked language modelling; killed at any step, it goes on from there.

What is hidden at a step, and what is dropped out, follow from the seed and the step's number alone. On a processor a
run that was killed therefore ends in the same bits as one that was not; on a card sums may be taken in another order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from voxpop.errors import ModelError, SettingError
from voxpop.models.batching import Batch, plan
from voxpop.models.bert import HEAD_SIZE, NORM_EPS, inputs
from voxpop.models.checkpoint import EncoderFiles, find_encoder, sha256_of, write_manifest
from voxpop.models.classifier import choose_dtype, open_encoder
from voxpop.models.encoding import TextEncoder, Tokens
from voxpop.models.engine import find_device
from voxpop.records import digest
from voxpop.text.folding import chinese, dumped
from voxpop.training import state
from voxpop.training.card import pretraining_card
from voxpop.training.corpus import WIDTHS, Blocks, blocks_of, epoch, make_tokenizer, read_source
from voxpop.training.loop import DTYPES, OnStep, schedule
from voxpop.training.masking import mask
from voxpop.training.options import PretrainOptions

STATE, METRICS, CARD = "state.safetensors", "metrics.json", "README.md"
FILES = ("config.json", "folding.json", "model.safetensors", "tokenizer.json")
BETAS, EPSILON = (0.9, 0.98), 1e-6


class MaskedNetwork(nn.Module):
    """The encoder under BERT's head for hidden tokens, whose last layer is the table of words."""

    def __init__(self, config: Mapping[str, Any], *, eager: bool) -> None:
        from transformers.models.bert.configuration_bert import BertConfig
        from transformers.models.bert.modeling_bert import BertModel

        super().__init__()
        stated = BertConfig(**config)
        # As in fine-tuning: the fused kernel's backward pass is the slower one on a processor.
        stated._attn_implementation = "eager" if eager else "sdpa"
        self.encoder = BertModel(stated, add_pooling_layer=False)
        hidden: int = config["hidden_size"]
        self.dense, self.norm = nn.Linear(hidden, hidden), nn.LayerNorm(hidden, eps=NORM_EPS)
        self.bias = nn.Parameter(torch.zeros(config["vocab_size"]))

    def forward(self, ids: Tensor, real: Tensor, asked: Tensor) -> Tensor:
        """Logits (n, vocabulary) of the n tokens asked for, of ids (b, w)."""
        hidden = self.encoder(input_ids=ids, attention_mask=real.long()).last_hidden_state[asked]
        hidden = self.norm(functional.gelu(self.dense(hidden)))
        return functional.linear(hidden, self.encoder.embeddings.word_embeddings.weight, self.bias)

    def trained(self) -> dict[str, Tensor]:
        """Every tensor."""
        return dict(self.named_parameters())

    def memory(self) -> dict[str, Tensor]:
        """Nothing beside them."""
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Nothing."""


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
    quiet: bool = False,
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Makes a vocabulary of ``data``, trains an encoder on it and writes both to the folder ``out``.

    Args:
        data: files of text or labelled sets (see ``voxpop.training.corpus``).
        weights: how often an epoch shows each block of a file, by the file's name without endings; else once.
        start: folder of an encoder of the same shape, from whose weights and vocabulary training begins, under a fresh
            head; other options may differ.

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
    key = digest(json.dumps([asdict(options), sorted(weights.items())]), *map(sha256_of, data), *named)
    encoder, tokenizer = _text_encoder(out, [text for s in sources for text in s.paragraphs], options, key, begun)
    blocks = [blocks_of(source, encoder) for source in sources]
    run = Run(blocks, weights, tokenizer, options, out / STATE, key)
    if begun is not None:
        run.begin_from(begun)
    with Progress(disable=quiet) as progress:
        run.go(progress, on_step)
    metrics = _export(out, run, data, weights, named)
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
    ) -> None:
        if not any(source.training for source in blocks):
            raise SettingError("There is no text to train on")
        if options.threads:
            torch.set_num_threads(options.threads)
        self.blocks, self.weights, self.options, self.path, self.key = blocks, weights, options, path, key
        self.device = find_device(options.device)
        self.vocabulary = tokenizer.get_vocab_size()
        self.inner = np.array([str(tokenizer.id_to_token(i)).startswith("##") for i in range(self.vocabulary)])
        self.config = config_of(options, self.vocabulary)
        torch.manual_seed(options.seed)
        self.network = MaskedNetwork(self.config, eager=self.device.type == "cpu").to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            options.learning_rate,
            BETAS,
            EPSILON,
            options.weight_decay,
            fused=self.device.type == "cuda" or None,
        )
        self.bf16 = choose_dtype(DTYPES[options.precision], self.device) is torch.bfloat16
        self.at = Reached()

    def begin_from(self, encoder: EncoderFiles) -> None:
        """Takes the weights of an earlier encoder.

        Raises:
            ModelError: it has another shape.
        """
        try:
            self.network.encoder.load_state_dict(open_encoder(encoder))
        except RuntimeError as error:
            raise ModelError(f"{encoder.folder} cannot be the start: {error}.") from error

    def go(self, progress: Progress, on_step: OnStep | None = None) -> None:
        """Trains to the last step."""
        if state.progress_of(self.path).get("key") == self.key:
            _, saved = state.load(self.path, self.network, self.optimizer)
            self.at = Reached(**saved["at"])
        bar = progress.add_task("pretraining", total=self.options.steps, completed=self.at.step)
        while self.at.step < self.options.steps:
            for batches in self._epoch()[self.at.within :]:
                loss = self._step(batches)
                self.at.step, self.at.within = self.at.step + 1, self.at.within + 1
                progress.update(bar, advance=1, description=f"epoch {self.at.epoch + 1}, loss {loss:.3f}")
                self._after_step(progress)
                if on_step is not None:
                    on_step(self.at.step, loss)
                if self.at.step == self.options.steps:
                    return
            self.at.epoch, self.at.within = self.at.epoch + 1, 0

    def _after_step(self, progress: Progress) -> None:
        if self.at.step % self.options.measure_steps == 0:
            measured = self.measure()["all"]
            self.at.history.append({"step": self.at.step, **measured})
            if not progress.disable:
                shown = ", ".join(f"{name} {value:.4f}" for name, value in measured.items())
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

    def _step(self, batches: Sequence[tuple[list[Tokens], int]]) -> float:
        rate = self.options.learning_rate * schedule(self.at.step / self.options.steps, self.options.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        random = np.random.default_rng([self.options.seed, self.at.step, 2])
        torch.manual_seed(self.options.seed * 1_000_003 + self.at.step)  # of dropout: nothing to save
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for sequences, width in batches:
            logits, gold = self._logits(sequences, width, random)
            loss = functional.cross_entropy(logits, gold) / len(batches)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return total

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
        return {
            name: {"perplexity": math.exp(loss / n), "accuracy": right / n, "tokens": n}
            for name, (loss, right, n) in sums.items()
            if n
        } or {"all": {}}


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
    out: Path, run: Run, data: Sequence[Path], weights: Mapping[str, float], start: Sequence[str]
) -> dict[str, Any]:
    """Writes the encoder in half precision, its config, metrics and card; last, the manifest."""
    tensors = {n: t.detach().cpu().to(torch.float16).contiguous() for n, t in run.network.encoder.named_parameters()}
    save_file(tensors, out / "model.safetensors", {"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # safetensors lets only the owner read
    (out / "config.json").write_text(json.dumps(run.config, indent=1) + "\n", encoding="utf-8")
    write_manifest(out, ("zh",), FILES)
    metrics = {
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "vocabulary": run.vocabulary,
        "steps": run.at.step,
        "epochs": run.at.epoch,
        "blocks": {source.name: len(source.training) for source in run.blocks},
        "weights": dict(weights),
        "held_out": run.measure(),
        "history": run.at.history,
        "options": asdict(run.options),
    }
    if start:
        (metrics["start"],) = start
    (out / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (out / CARD).write_text(pretraining_card(metrics, data), encoding="utf-8")
    return metrics

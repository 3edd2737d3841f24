"""The network that is trained: the encoder of ``transformers`` under a LoRA adapter of ``peft``, and a linear head."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from voxpop.models.bert import ADAPTED, WORDS, Inputs, answerable, pool
from voxpop.models.checkpoint import EncoderFiles
from voxpop.models.classifier import open_encoder
from voxpop.models.words import ENTRIES, added, packed
from voxpop.training.options import Options

HEAD_DROPOUT = 0.1


class Network(nn.Module):
    """Logits of a batch: (b, labels), or (b, w, 2) of first and last tokens where ``spans`` are asked for."""

    def __init__(self, encoder: nn.Module, hidden: int, labels: int, *, spans: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.spans = spans
        self.dropout = nn.Dropout(HEAD_DROPOUT)
        self.head = nn.Linear(hidden if spans else 2 * hidden, labels)

    def forward(self, batch: Inputs) -> Tensor:
        hidden = self.encoder(
            input_ids=batch.ids, attention_mask=batch.real.long(), token_type_ids=batch.second.long()
        ).last_hidden_state
        with torch.autocast(hidden.device.type, enabled=False):
            logits: Tensor = self.head(self.dropout(hidden.float() if self.spans else pool(hidden, batch)))
        return logits.masked_fill(~answerable(batch).unsqueeze(-1), -torch.inf) if self.spans else logits

    def trained(self) -> dict[str, Tensor]:
        """The tensors that training changes, by name: adapter and head."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def adapter(self) -> dict[str, Tensor]:
        """The adapter's tensors as peft names them in a file."""
        from peft import get_peft_model_state_dict

        # False: peft would else ask a hub over the network whether the vocabulary was changed.
        state: dict[str, Tensor] = get_peft_model_state_dict(self.encoder, save_embedding_layers=False)
        return state

    @property
    def words(self) -> nn.Module:
        """The word embeddings."""
        words: nn.Module = self.encoder.get_input_embeddings()  # type: ignore[operator]
        return words

    def warm(self, adapter: Mapping[str, Tensor], head: Mapping[str, Tensor]) -> None:
        """Goes on from the tensors of an earlier run's files.

        Raises:
            ValueError: they are of another shape, or not the same tensors.
        """
        _copy({**self.adapter(), **dict(self.head.named_parameters())}, {**adapter, **head})

    def rates(self, options: Options) -> dict[str, float]:
        """The learning rates of tensors that have one of their own, without weight decay, by name."""
        return {}

    def penalty(self) -> Tensor | None:
        """What the method adds to the loss."""
        return None

    def after_step(self, step: int) -> None:
        """Called after the step of that number, counted from 0, while its gradients are there."""

    def memory(self) -> dict[str, Tensor]:
        """What the method must remember beside the trained tensors, when a run is to be resumed."""
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Puts back what :meth:`memory` gave."""

    def exported(self, options: Options) -> Options:
        """``options`` with the rank and alpha of the adapter as :meth:`adapter` gives it."""
        return options

    def described(self) -> dict[str, Any]:
        """What is worth telling of the result beside its figures."""
        return {}


def _copy(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    if mine.keys() != theirs.keys() or any(mine[name].shape != theirs[name].shape for name in mine):
        raise ValueError("its adapter is of another method or rank")
    for name, tensor in mine.items():
        tensor.data.copy_(theirs[name])


class WordsNetwork(Network):
    """One whose word embeddings are trained beside the adapter; two bits of each number are kept of what they learn."""

    def __init__(self, encoder: nn.Module, hidden: int, labels: int, *, spans: bool = False) -> None:
        super().__init__(encoder, hidden, labels, spans=spans)
        self.table.requires_grad_(True)
        self._before = self.table.detach().cpu().clone()

    @property
    def table(self) -> Tensor:
        """The embeddings (entries, d)."""
        table: Tensor = self.words.weight  # type: ignore[assignment]
        return table

    def adapter(self) -> dict[str, Tensor]:
        """LoRA's pairs as peft names them, and what the words learned (see ``models.words``)."""
        return {**super().adapter(), **packed(self.table.detach().cpu() - self._before)}

    def warm(self, adapter: Mapping[str, Tensor], head: Mapping[str, Tensor]) -> None:
        """Goes on from an earlier run, whether or not its words were trained.

        Raises:
            ValueError: its tensors are of another shape, or not the same.
        """
        pairs = {name: tensor for name, tensor in adapter.items() if not name.startswith("words.")}
        _copy({**super().adapter(), **dict(self.head.named_parameters())}, {**pairs, **head})
        if ENTRIES in adapter:
            self.table.data.copy_(added(self._before, adapter))

    def rates(self, options: Options) -> dict[str, float]:
        """The words have a learning rate of their own, and are drawn to nothing."""
        return {name: options.words for name in self.trained() if name.endswith(WORDS)}


def build(files: EncoderFiles, labels: int, options: Options, *, spans: bool = False, card: bool = False) -> Network:
    """The encoder of ``files`` with fresh adapters on every linear layer, and a fresh head, for a processor or a card.

    Initial values follow from torch's random state.
    """
    from peft import LoraConfig, get_peft_model

    base = plain_encoder(files, card=card)
    config = LoraConfig(r=options.rank, lora_alpha=options.alpha, lora_dropout=0.0, target_modules=list(ADAPTED))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that is to go
        adapted = get_peft_model(base, config)
    kind = WordsNetwork if options.words else Network
    return kind(adapted, base.config.hidden_size, labels, spans=spans)


def plain_encoder(files: EncoderFiles, *, card: bool = False) -> Any:
    """The encoder as ``transformers`` computes it, without its pooler."""
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    config = BertConfig.from_json_file(files.folder / "config.json")
    config.attention_probs_dropout_prob = 0.0
    # The fused kernel's backward pass takes a quarter of a step on the CPU; written out it trains a fifth faster.
    config._attn_implementation = "sdpa" if card else "eager"
    base = BertModel(config, add_pooling_layer=False)
    weights = open_encoder(files)
    base.load_state_dict({name: weights[name] for name in base.state_dict() if name in weights})
    return base

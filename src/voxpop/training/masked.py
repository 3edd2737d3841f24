"""The network of pretraining: an encoder under BERT's head, which guesses the tokens that are hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from voxpop.models.bert import NORM_EPS


class MaskedNetwork(nn.Module):
    """The encoder under BERT's head for hidden tokens, whose last layer is the table of words.

    With ``words_only`` that layer is a table of its own: else what a word means where it is read would follow from
    where it is guessed, and stray from the language of the layers.
    """

    def __init__(self, config: Mapping[str, Any], *, eager: bool, words_only: bool = False) -> None:
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
        self.guessed: Tensor = self.words
        if words_only:
            self.encoder.requires_grad_(False)
            self.words.requires_grad_(True)
            self.guessed = nn.Parameter(torch.empty_like(self.words))

    @property
    def words(self) -> Tensor:
        """Embeddings (entries, d)."""
        words: Tensor = self.encoder.embeddings.word_embeddings.weight
        return words

    def forward(self, ids: Tensor, real: Tensor, asked: Tensor) -> Tensor:
        """Logits (n, vocabulary) of the n tokens asked for, of ids (b, w)."""
        hidden = self.norm(functional.gelu(self.dense(self.hidden(ids, real)[asked])))
        return functional.linear(hidden, self.guessed, self.bias)

    def hidden(self, ids: Tensor, real: Tensor) -> Tensor:
        """Hidden states (b, w, d)."""
        states: Tensor = self.encoder(input_ids=ids, attention_mask=real.long()).last_hidden_state
        return states

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Takes the tensors of an encoder; words are guessed by them, to begin with.

        Raises:
            RuntimeError: they have another shape.
        """
        known = self.encoder.state_dict().keys()
        self.encoder.load_state_dict({name: tensor for name, tensor in weights.items() if name in known})
        self.guessed.data.copy_(self.words)

    def trained(self) -> dict[str, Tensor]:
        """Every tensor that training changes."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def memory(self) -> dict[str, Tensor]:
        """Nothing beside them."""
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Nothing."""

"""BERT's encoder as one function over a dictionary of tensors, with LoRA merged into its weights.

It computes what ``transformers.BertModel`` computes (a test holds the two equal) and imports in no time.
LoRA: Hu et al. 2021, arXiv 2106.09685: W' = W + (alpha / r) B A.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from voxpop.models.encoding import Tokens
from voxpop.models.words import ENTRIES, added

HEAD_SIZE = 32
"""Numbers of one attention head, in every encoder that is used here: a hidden size of 384 has 12 heads."""

NORM_EPS = 1e-12

ADAPTED = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
"""Linear layers of each block, all of which have an adapter."""

WORDS = "embeddings.word_embeddings.weight"
"""The tensor (entries, d) with an embedding for each entry of the vocabulary."""

Weights = Mapping[str, Tensor]


def layers_of(weights: Weights) -> int:
    """How many blocks an encoder has."""
    return sum(name.endswith("attention.self.query.weight") for name in weights)


class Inputs(NamedTuple):
    """Sequences of one padded width: ids (b, w); real tokens, the target's and a second text's as booleans (b, w)."""

    ids: Tensor
    real: Tensor
    target: Tensor
    second: Tensor


def inputs(sequences: Sequence[Tokens], width: int, pad: int = 0) -> Inputs:
    """Pads to ``width`` with ``pad`` (0: BERT's ``[PAD]``)."""
    places = np.arange(width)
    lengths = np.array([len(sequence.ids) for sequence in sequences], dtype=np.int64)
    begins = np.array([sequence.second for sequence in sequences], dtype=np.int64)
    real = places < lengths[:, None]
    ids = np.full(real.shape, pad, dtype=np.int64)
    ids[real] = np.fromiter(chain.from_iterable(s.ids for s in sequences), np.int64, int(lengths.sum()))
    target = np.zeros_like(real)
    for row, sequence in enumerate(sequences):
        target[row, sequence.target] = True
    second = real & (begins[:, None] > 0) & (places >= begins[:, None])
    return Inputs(*map(torch.from_numpy, (ids, real, target, second)))


def encode(weights: Weights, batch: Inputs) -> Tensor:
    """Hidden states (b, w, d) of a batch in the dtype of the weights; d, here and below, is 384 of the bundled one."""
    words = functional.embedding(batch.ids, weights[WORDS])
    return encode_words(weights, words, batch)


def encode_words(weights: Weights, words: Tensor, batch: Inputs) -> Tensor:
    """Hidden states of word embeddings ``words`` (b, w, d), which need not be those of the batch's ids."""
    mask = batch.real[:, None, None, :]  # (b, 1, 1, w): every token looks at the real ones

    def attend(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention among the tokens of each row."""
        query, key, value, seen = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), mask
        if f"prefix.{layer}.key" in weights:
            key, value, seen = _prefixed(weights, layer, key, value, seen)
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=seen).transpose(1, 2)

    places = torch.arange(words.shape[1], device=words.device)
    return blocks(weights, embedded(weights, words, batch.second, places), attend)


def embedded(weights: Weights, words: Tensor, second: Tensor, places: Tensor) -> Tensor:
    """What the first block sees: word embeddings (…, d) with those of the text (…) and of the place (…) added."""
    hidden = words + functional.embedding(second.long(), weights["embeddings.token_type_embeddings.weight"])
    hidden = hidden + functional.embedding(places, weights["embeddings.position_embeddings.weight"])
    return _norm(weights, "embeddings.LayerNorm", hidden)


Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""Attention of a layer: its number, and query, key and value (…, heads, 32), to the same shape."""


def blocks(weights: Weights, hidden: Tensor, attend: Attend) -> Tensor:
    """All layers over hidden states (…, d), whose leading dimensions only ``attend`` looks at."""
    for layer in range(layers_of(weights)):
        hidden = _block(weights, layer, hidden, attend)
    return hidden


def _block(weights: Weights, layer: int, hidden: Tensor, attend: Attend) -> Tensor:
    at = f"encoder.layer.{layer}."
    query, key, value = (
        _linear(weights, f"{at}attention.self.{name}", hidden).view(*hidden.shape[:-1], -1, HEAD_SIZE)
        for name in ("query", "key", "value")
    )
    attended = attend(layer, query, key, value).flatten(-2)
    attended = _linear(weights, f"{at}attention.output.dense", attended)
    hidden = _norm(weights, f"{at}attention.output.LayerNorm", attended + hidden)
    inner = functional.gelu(_linear(weights, f"{at}intermediate.dense", hidden))  # (…, 4 d)
    return _norm(weights, f"{at}output.LayerNorm", _linear(weights, f"{at}output.dense", inner) + hidden)


def _prefixed(weights: Weights, layer: int, key: Tensor, value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Keys, values and mask with those of a trained prefix (heads, p, 32) before them."""
    first, second = (
        weights[f"prefix.{layer}.{name}"].to(key.dtype).expand(len(key), -1, -1, -1) for name in ("key", "value")
    )
    seen = mask.new_ones((*mask.shape[:3], first.shape[2]))
    return torch.cat([first, key], dim=2), torch.cat([second, value], dim=2), torch.cat([seen, mask], dim=3)


def _linear(weights: Weights, at: str, hidden: Tensor) -> Tensor:
    return functional.linear(hidden, weights[f"{at}.weight"], weights[f"{at}.bias"])


def _norm(weights: Weights, at: str, hidden: Tensor) -> Tensor:
    weight, bias = weights[f"{at}.weight"], weights[f"{at}.bias"]
    return functional.layer_norm(hidden, weight.shape, weight, bias, NORM_EPS)


def pool(hidden: Tensor, batch: Inputs) -> Tensor:
    """Features (b, 2 d) in float32: the mean of all tokens beside the mean of the target's (of all, without one)."""
    hidden = hidden.float()
    target = torch.where(batch.target.any(dim=1, keepdim=True), batch.target, batch.real)
    return torch.cat([_mean(hidden, batch.real), _mean(hidden, target)], dim=1)


def answerable(batch: Inputs) -> Tensor:
    """Tokens (b, w) at which an answer may begin or end: those of the second text, and the first, for "no answer"."""
    following = torch.cat([batch.second[:, 1:], torch.zeros_like(batch.second[:, :1])], dim=1)
    allowed = batch.second & following  # without the closing token
    allowed[:, 0] = True
    return allowed


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    kept = mask.unsqueeze(-1).float()
    return (hidden * kept).sum(dim=1) / kept.sum(dim=1)


def merged(weights: Weights, adapter: Weights, scale: float) -> dict[str, Tensor]:
    """``weights`` with the adapter in them, in float32. It is one of three kinds, told apart by its names:

    - LoRA, as peft saves it: every ``scale * B @ A`` is added, and what it learned of words (``models.words``);
    - differences ``delta.<name>`` of whole tensors, which are added;
    - ``prefix.<layer>.key`` and ``.value``, which stand beside the weights.

    Raises:
        KeyError: the adapter lacks a layer.
        RuntimeError, ValueError: a shape does not fit.
    """
    result = dict(weights)
    if any(name.startswith(("delta.", "prefix.")) for name in adapter):
        for name, tensor in adapter.items():
            kind, _, of = name.partition(".")
            result |= {of: weights[of] + tensor.float()} if kind == "delta" else {name: tensor.float()}
        return result
    for name in (f"encoder.layer.{layer}.{part}" for layer in range(layers_of(weights)) for part in ADAPTED):
        down, up = (adapter[f"base_model.model.{name}.lora_{side}.weight"].float() for side in "AB")
        result[f"{name}.weight"] = weights[f"{name}.weight"] + scale * (up @ down)
    if ENTRIES in adapter:
        result[WORDS] = added(weights[WORDS], adapter)
    return result

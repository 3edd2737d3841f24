"""The bundled encoder on NVIDIA cards, in bfloat16: sequences laid end to end, without padding.

Batches are those of a token budget, in order of arrival; attention is torch's ``varlen_attn``. Where few texts are
asked, what costs time is starting some hundred kernels: such batches are padded to a width and a number of rows that
recur, and replayed as captured CUDA graphs.

What runs on a processor too (packing, the packed encoder with attention sequence by sequence, pooling, planning) is
tested there against the padded encoder. On a card `benchmarks/card.py` holds labels and probabilities beside those of
the processor: on an H200 all labels of 256 texts were equal, and probabilities within 0.0097.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from voxpop.models.batching import Batch, padded_width
from voxpop.models.bert import Attend, Inputs, Weights, blocks, embedded, encode, inputs, pool
from voxpop.models.encoding import Tokens
from voxpop.models.engine import Padded, send

FEW_TOKENS = 1024
"""Batches of up to so many padded tokens are replayed as graphs."""

GRAPH_WIDTH = 32
"""Graphs have widths of multiples of this: few widths, each met often."""

MOST_GRAPHS = 64


class Laid(NamedTuple):
    """Sequences laid end to end: the longest one's length; ids, places within their sequence, the target's and a second
    text's tokens as booleans (t,) each; where each sequence begins, and the end (n + 1,), int32."""

    longest: int
    ids: Tensor
    places: Tensor
    target: Tensor
    second: Tensor
    starts: Tensor

    def to(self, device: torch.device) -> Laid:
        """The same on ``device``."""
        return Laid(self.longest, *(send(part, device) for part in self[1:]))


def lay(sequences: Sequence[Tokens]) -> Laid:
    """Lays sequences end to end."""
    lengths = np.array([len(sequence.ids) for sequence in sequences], dtype=np.int64)
    starts = np.concatenate([[0], lengths.cumsum()])
    places = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    begins = np.repeat(np.array([sequence.second for sequence in sequences]), lengths)
    target = np.zeros(len(places), dtype=np.bool_)
    target[[start + at for sequence, start in zip(sequences, starts, strict=False) for at in sequence.target]] = True
    ids = np.array([token for sequence in sequences for token in sequence.ids], dtype=np.int64)
    arrays = (ids, places, target, (begins > 0) & (places >= begins), starts.astype(np.int32))
    return Laid(int(lengths.max()), *map(torch.from_numpy, arrays))


def encode_packed(weights: Weights, batch: Laid) -> Tensor:
    """Hidden states (t, 384) of sequences laid end to end, in the dtype of the weights.

    On a card attention is ``varlen_attn``, which takes bfloat16 and float16; elsewhere it goes sequence by sequence.
    """
    words = functional.embedding(batch.ids, weights["embeddings.word_embeddings.weight"])
    attend = _attend_varlen(batch) if words.is_cuda else _attend_each(batch)
    return blocks(weights, embedded(weights, words, batch.second, batch.places), attend)


def _attend_varlen(batch: Laid) -> Attend:
    from torch.nn.attention.varlen import varlen_attn

    def attend(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        bounds = batch.starts, batch.starts, batch.longest, batch.longest
        found = varlen_attn(query, key, value, *bounds)  # (t, heads, 32)
        assert isinstance(found, Tensor)
        return found

    return attend


def _attend_each(batch: Laid) -> Attend:
    lengths = batch.starts.diff().tolist()

    def attend(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        parts = zip(*(torch.split(whole, lengths) for whole in (query, key, value)), strict=True)
        # (w, heads, 32) to (1, heads, w, 32) and back
        found = (functional.scaled_dot_product_attention(*(one.transpose(0, 1)[None] for one in p)) for p in parts)
        return torch.cat([one[0].transpose(0, 1) for one in found])

    return attend


def pool_packed(hidden: Tensor, batch: Laid) -> Tensor:
    """Features (n, 768) in float32: the mean of all tokens beside the mean of the target's (of all, without one)."""
    hidden = hidden.float()
    every = _sums(torch.ones_like(batch.places), batch)
    target = _sums(batch.target, batch)  # (n, 1)
    whole = _sums(hidden, batch) / every
    of_target = _sums(hidden * batch.target[:, None], batch) / target.clamp(min=1)
    return torch.cat([whole, torch.where(target > 0, of_target, whole)], dim=1)


def _sums(values: Tensor, batch: Laid) -> Tensor:
    """Sums (n, ·) of values (t, ·) over each sequence, in one order always (``index_add_`` of a card has none)."""
    values = values.float().reshape(len(values), -1)
    lengths = batch.starts.diff().long()
    return torch.segment_reduce(values, "sum", lengths=lengths, axis=0, unsafe=True)


class Packed(Padded):
    """Computes batches laid end to end; small ones as graphs."""

    def __init__(self, device: torch.device | str) -> None:
        super().__init__(device)
        self._graphs = Graphs(self) if self.device.type == "cuda" else None
        self._lock = threading.Lock()  # a graph has one place for what goes in and what comes out

    def plan(self, lengths: Sequence[int], budget: int) -> Iterator[Batch]:
        """Batches of at most ``budget`` real tokens (at least one sequence each), in the order in which they came."""
        indices: list[int] = []
        total = 0
        for i, length in enumerate(lengths):
            if indices and total + length > budget:
                yield Batch(padded_width(max(lengths[j] for j in indices)), indices)
                indices, total = [], 0
            indices.append(i)
            total += length
        if indices:
            yield Batch(padded_width(max(lengths[j] for j in indices)), indices)

    def cost(self, batch: Batch, lengths: Sequence[int]) -> int:
        """Real tokens: nothing is padded, but for small batches, whose time is not that of their tokens."""
        return sum(lengths[i] for i in batch.indices)

    def features(self, weights: Weights, sequences: Sequence[Tokens], width: int) -> Tensor:
        """Features (b, 768) in float32."""
        if "prefix.0.key" in weights:  # stands before the keys of every sequence, for which packing has no room
            return super().features(weights, sequences, width)
        wide = -(-width // GRAPH_WIDTH) * GRAPH_WIDTH
        if self._graphs and wide * _rows(len(sequences)) <= FEW_TOKENS:
            with self._lock:
                return self._graphs.features(weights, sequences, wide)
        batch = lay(sequences).to(self.device)
        return pool_packed(encode_packed(weights, batch), batch)

    def hidden(self, weights: Weights, sequences: Sequence[Tokens], width: int) -> tuple[Inputs, Tensor]:
        """The padded batch and its hidden states (b, w, 384) in float32, zero where there is padding."""
        if "prefix.0.key" in weights:
            return super().hidden(weights, sequences, width)
        padded = self.sent(inputs(sequences, width))
        found = encode_packed(weights, lay(sequences).to(self.device)).float()
        hidden = found.new_zeros((*padded.ids.shape, found.shape[1]))
        hidden[padded.real] = found
        return padded, hidden


def _rows(count: int) -> int:
    """The next power of two: numbers of rows that recur."""
    return 1 << max(count - 1, 0).bit_length()


class Graph(NamedTuple):
    """A captured pass: where its batch goes in, where its features come out, and the weights it reads, kept alive."""

    graph: torch.cuda.CUDAGraph
    batch: Inputs
    features: Tensor
    weights: Weights


class Graphs:
    """Captured passes by weights, rows and width; the one not used for longest is dropped first."""

    def __init__(self, engine: Padded) -> None:
        self._engine = engine
        self._kept: OrderedDict[tuple[int, int, int], Graph] = OrderedDict()

    def features(self, weights: Weights, sequences: Sequence[Tokens], width: int) -> Tensor:
        """Features (b, 768) in float32 by a replayed graph, which is captured where there is none yet."""
        rows = _rows(len(sequences))
        filled = [*sequences, *[sequences[-1]] * (rows - len(sequences))]
        batch = self._engine.sent(inputs(filled, width))
        key = (id(weights), rows, width)
        if key not in self._kept:
            with torch.cuda.device(self._engine.device):
                self._kept[key] = _captured(weights, batch)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_GRAPHS:
            self._kept.popitem(last=False)
        graph = self._kept[key]
        for place, given in zip(graph.batch, batch, strict=True):
            place.copy_(given)
        graph.graph.replay()
        return graph.features[: len(sequences)].clone()


def _captured(weights: Weights, batch: Inputs) -> Graph:
    """A graph of the padded pass over a batch of this shape."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is set up on first use must not be captured
        for _ in range(3):
            pool(encode(weights, batch), batch)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        features = pool(encode(weights, batch), batch)
    return Graph(graph, batch, features, weights)

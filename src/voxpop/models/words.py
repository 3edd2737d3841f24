"""What an adapter has learned of words: a difference for each, two bits a number.

The numbers of a word's difference lie close to a normal distribution, so four levels that suit that one best (Max 1960,
IRE Transactions on Information Theory 6) say nearly all of it: with them an adapter takes a megabyte and not twelve.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

LEVELS = torch.tensor([-1.510, -0.4528, 0.4528, 1.510])
"""Of a normal distribution of spread 1."""
ENTRIES, SCALES, CODES = "words.entries", "words.scales", "words.codes"
_A_BYTE = 4


def packed(difference: Tensor) -> dict[str, Tensor]:
    """The tensors by which a file keeps differences (entries, d), d a multiple of four; words without one are left out.

    Returns:
        ``words.entries`` (n) int16, or int32 where there are more, ``words.scales`` (n) float16, and ``words.codes``
        (n, d / 4) uint8: four levels a byte, the first in its lowest bits.
    """
    entries = difference.abs().amax(dim=1).nonzero().flatten()
    of = difference[entries].float()
    scales = of.square().mean(dim=1).sqrt().half()
    middles = (LEVELS[1:] + LEVELS[:-1]) / 2
    codes = torch.bucketize(of / scales.float().clamp(min=1e-7).unsqueeze(1), middles)
    shifts = 2 * torch.arange(_A_BYTE)
    codes = (codes.view(len(of), of.shape[1] // _A_BYTE, _A_BYTE) << shifts).sum(dim=2)
    entries = entries.to(torch.int16 if len(difference) <= 2**15 else torch.int32)
    return {ENTRIES: entries, SCALES: scales, CODES: codes.to(torch.uint8)}


def added(words: Tensor, adapter: Mapping[str, Tensor]) -> Tensor:
    """The embeddings (entries, d) in float32 with the differences of an adapter that keeps some.

    Raises:
        ValueError: they are of another number of words, or of another size.
    """
    entries, codes = adapter[ENTRIES].long(), adapter[CODES].long()
    strange = (entries < 0) | (entries >= len(words))
    if codes.shape != (len(entries), words.shape[1] // _A_BYTE) or bool(strange.any()):
        raise ValueError("its words are not those of the encoder")
    levels = LEVELS[(codes.unsqueeze(2) >> 2 * torch.arange(_A_BYTE)) & 3].flatten(1)
    difference = levels * adapter[SCALES].float().unsqueeze(1)
    return words.float().index_add(0, entries, difference)

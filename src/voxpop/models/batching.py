"""Batches in which no sequence can feel its neighbours.

Padding a sequence to the length of its longest batch mate changes the shapes of its matrix products, and with them the
last bits of its result. Here the padded width of a sequence follows from its own length alone (rounded up to a
multiple of 8) and a batch holds one width only, so batch mates and order change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

MULTIPLE = 8


class Batch(NamedTuple):
    """Indices of the sequences that run together, all padded to ``width`` tokens."""

    width: int
    indices: list[int]


def padded_width(length: int) -> int:
    """``length`` tokens rounded up to a multiple of 8."""
    return -(-max(length, 1) // MULTIPLE) * MULTIPLE


def plan(lengths: Sequence[int], budget: int) -> Iterator[Batch]:
    """Batches of at most ``budget`` padded tokens (at least one sequence each), widest first.

    Widest first: memory peaks at once, not late. Equal widths keep the order in which they came.
    """
    widths = np.array([padded_width(length) for length in lengths], dtype=np.int64)
    for width in sorted(set(widths.tolist()), reverse=True):
        indices = np.flatnonzero(widths == width).tolist()
        size = max(1, budget // width)
        for first in range(0, len(indices), size):
            yield Batch(width, indices[first : first + size])

"""A text cut into pieces, those that name the entity marked; pure, so that templates only print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

AROUND = 600
"""Code points shown before the first and after the last mention of a long text."""


class Piece(NamedTuple):
    """A run of text; ``marked`` where it is a mention."""

    text: str
    marked: bool


def pieces(text: str, spans: Sequence[tuple[int, int]], around: int = AROUND) -> list[Piece]:
    """``text`` in pieces around its mentions; what lies further than ``around`` from one is cut off with an ellipsis.

    Spans are half-open code points; overlapping ones are marked once, impossible ones ignored.
    """
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        start, end = max(0, start), min(end, len(text))
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        elif start < end:
            kept.append((start, end))
    first = max(0, kept[0][0] - around) if kept else 0
    last = min(len(text), kept[-1][1] + around) if kept else min(len(text), 2 * around)
    if last - first > 10 * around:  # mentions far apart in a very long text
        last = first + 10 * around
        kept = [(start, end) for start, end in kept if end <= last]
    found, position = [Piece("… ", False)] if first else [], first
    for start, end in kept:
        found += [Piece(text[position:start], False), Piece(text[start:end], True)]
        position = end
    found.append(Piece(text[position:last], False))
    if last < len(text):
        found.append(Piece(" …", False))
    return [piece for piece in found if piece.text]

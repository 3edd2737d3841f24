"""A text cut into pieces, lit where it names the entity and where it claims something; templates only print them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

AROUND = 600
"""Code points shown before the first and after the last light of a long text."""


class Piece(NamedTuple):
    """A run of text: whether it is a mention, and the question that it answers, if any."""

    text: str
    marked: bool
    claim: str = ""


class Light(NamedTuple):
    """A half-open span of code points to be lit; ``claim`` is the question that it answers, empty for a mention."""

    start: int
    end: int
    claim: str = ""


def pieces(
    text: str, spans: Sequence[tuple[int, int]], claims: Sequence[Light] = (), around: int = AROUND
) -> list[Piece]:
    """``text`` in pieces around its lights; what lies further than ``around`` from one is cut off with an ellipsis.

    Impossible spans are ignored; of claims that overlap the first one counts, and a mention within one is both.
    """
    lights = [light for light in (*(Light(a, b) for a, b in spans), *claims) if 0 <= light.start < light.end]
    lights = [light._replace(end=min(light.end, len(text))) for light in lights if light.start < len(text)]
    first, last = _window(text, lights, around)
    cuts = {first, last}
    for light in lights:
        cuts |= {at for at in (light.start, light.end) if first < at < last}
    ordered = sorted(cuts)
    found = [Piece("… ", False)] if first else []
    for start, end in pairwise(ordered):
        over = [light for light in lights if light.start <= start and end <= light.end]
        claim = next((light.claim for light in over if light.claim), "")
        piece = Piece(text[start:end], any(not light.claim for light in over), claim)
        if found and found[-1][1:] == piece[1:] and (piece.marked or claim):
            piece = piece._replace(text=found.pop().text + piece.text)
        found.append(piece)
    if last < len(text):
        found.append(Piece(" …", False))
    return found


def _window(text: str, lights: Sequence[Light], around: int) -> tuple[int, int]:
    """The part of the text that is shown."""
    if not lights:
        return 0, min(len(text), 2 * around)
    first = max(0, min(light.start for light in lights) - around)
    last = min(len(text), max(light.end for light in lights) + around)
    return first, min(last, first + 10 * around)  # lights may lie far apart in a very long text

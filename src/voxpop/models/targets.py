"""What sentiment is asked about."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """A text and the spans of all mentions of the one entity asked about; no spans: the document as a whole.

    Spans are half-open and count code points of ``text``.
    """

    text: str
    spans: tuple[tuple[int, int], ...]

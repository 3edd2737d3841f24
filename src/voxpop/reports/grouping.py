"""Which documents told one story, by what was known then.

A story is a connected component of documents that retell each other within the window (see ``voxpop.store.stories``).
The store keeps the components of now; a report as of a time needs those of then, so it joins them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple


class Piece(NamedTuple):
    """A document and the fingerprint of its words."""

    document: str
    at: datetime
    fingerprint: int


def grouped(
    pieces: Iterable[Piece],
    pairs: Sequence[tuple[int, int]],
    retells: Callable[[int, int], bool],
    window: timedelta,
) -> dict[str, str]:
    """The story of each document, named by the earliest (time, id) of it.

    Args:
        pieces: the documents.
        pairs: fingerprints that may retell each other.
        retells: whether two do.
        window: documents further apart are joined only by others between them.
    """
    told: dict[int, list[Piece]] = {}
    for piece in sorted(set(pieces), key=lambda one: (one.at, one.document)):
        told.setdefault(piece.fingerprint, []).append(piece)
    parent = {piece.document: piece.document for of in told.values() for piece in of}

    def root(node: str) -> str:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    alike = [(a, b) for a, b in pairs if a in told and b in told and retells(a, b)]
    for one in [*((f,) for f in told), *alike]:
        row = sorted((piece for f in one for piece in told[f]), key=lambda p: (p.at, p.document))
        for earlier, later in pairwise(row):
            if later.at - earlier.at <= window:
                parent[root(later.document)] = root(earlier.document)
    names: dict[str, str] = {}
    for piece in sorted((p for of in told.values() for p in of), key=lambda p: (p.at, p.document)):
        names.setdefault(root(piece.document), piece.document)
    return {document: names[root(document)] for document in parent}

"""The split of a later stage: what an earlier stage held out stays held out, and what it saw is never measured on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from voxpop.training.datasets import Example, Split, _groups, split


def split_after(rows: Sequence[Example], earlier: Sequence[Example]) -> dict[Split, list[Example]]:
    """Train, validation and test of ``rows`` for a network that was trained on the training split of ``earlier``.

    A group of texts is named after its smallest key, so new sets that join two groups could move a text from one
    split to another. Therefore a text of ``earlier`` stays where it was; a new text goes where the earlier texts of
    its group lie, and is left out where they lie in several splits. Without ``earlier`` it is :func:`split`.
    """
    if not earlier:
        return split(rows)
    known = {row.text: name for name, part in split(earlier).items() for row in part}
    groups = _groups([*earlier, *rows])
    of_group: dict[str, set[Split]] = defaultdict(set)
    for row, group in zip(earlier, groups, strict=False):
        of_group[group].add(known[row.text])
    fresh = [row for row, group in zip(rows, groups[len(earlier) :], strict=True) if group not in of_group]
    placed = {row: name for name, part in split(fresh).items() for row in part}
    parts: dict[Split, list[Example]] = {"train": [], "validation": [], "test": []}
    for row, group in zip(rows, groups[len(earlier) :], strict=True):
        at = {known[row.text]} if row.text in known else of_group.get(group) or {placed[row]}
        if len(at) == 1:
            parts[next(iter(at))].append(row)
    return parts

"""Training texts that are good for one entity and bad for another.

Written ones are rare (about one headline in seventy), yet they are where a reader goes wrong that judges the text and
not the entity. So two short texts about one entity each, with different labels, are joined into one sentence, and each
entity keeps its own label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from voxpop.training.datasets import Example

JOINTS = (", ", "; ", " while ", " as ", " but ", ", but ", " and ", ". ", " even as ", " after ")
LONGEST = 90
"""Characters of one half: the joined text stays as short as a post."""


def contrasts(rows: Sequence[Example], pairs: int, seed: int) -> list[Example]:
    """``pairs`` joined texts, two examples each, out of the rows that ask about the only entity of a short text.

    At least half of them are positive beside negative; the rest are any two different labels. Empty where the rows
    hold fewer than two labels.
    """
    times = Counter(row.text for row in rows if row.spans)
    by_label: dict[str, list[Example]] = {}
    for row in rows:
        if row.spans and times[row.text] == 1 and len(row.text) <= LONGEST:
            by_label.setdefault(row.label, []).append(row)
    labels = sorted(by_label)
    if len(labels) < 2:
        return []
    random = np.random.default_rng(seed)
    joined: list[Example] = []
    for number in range(pairs):
        opposed = number % 2 == 0 and {"negative", "positive"} <= by_label.keys()
        both = ["negative", "positive"] if opposed else labels
        first, second = (by_label[both[i]] for i in random.permutation(len(both))[:2])
        joint = JOINTS[random.integers(len(JOINTS))]
        joined += _join(first[random.integers(len(first))], second[random.integers(len(second))], joint)
    return joined


def _join(first: Example, second: Example, joint: str) -> list[Example]:
    stem = first.text.rstrip(" .!")
    text = stem + joint + second.text
    offset = len(stem) + len(joint)
    spans = tuple((start, end) for start, end in first.spans if end <= len(stem))
    moved = tuple((start + offset, end + offset) for start, end in second.spans)
    # A name cut off with the full stop ("A.B.") leaves nothing to ask about in the first half.
    asked = [Example(text, spans, first.label, first.source)] if spans else []
    return [*asked, Example(text, moved, second.label, second.source)]

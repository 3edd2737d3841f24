"""Ways to put texts into batches, all computed by the reader's own encoder with the same threads and number format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from voxpop.models.batching import Batch, plan
from voxpop.models.engine import Padded

OURS = "one width a batch (Voxpop)"
BATCH, BUDGET, WIDEST = 32, 4096, 256

Plan = Callable[[Sequence[int]], Iterator[Batch]]


class Policy(Padded):
    """Padded batches by another plan."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def plan(self, lengths: Sequence[int], budget: int) -> Iterator[Batch]:
        """The policy's batches; what it is allowed is its own affair."""
        return self._plan(lengths)


def _counted(lengths: Sequence[int], order: Sequence[int]) -> Iterator[Batch]:
    for first in range(0, len(order), BATCH):
        indices = list(order[first : first + BATCH])
        yield Batch(max(lengths[i] for i in indices), indices)


def arriving(lengths: Sequence[int]) -> Iterator[Batch]:
    """So many texts a batch in order of arrival, padded to the longest of them, as transformers' pipeline."""
    return _counted(lengths, range(len(lengths)))


def fixed(lengths: Sequence[int]) -> Iterator[Batch]:
    """The same, all padded to the most that the model reads."""
    return (batch._replace(width=WIDEST) for batch in arriving(lengths))


def by_length(lengths: Sequence[int]) -> Iterator[Batch]:
    """So many texts a batch of the whole set sorted by length, as sentence-transformers."""
    return _counted(lengths, sorted(range(len(lengths)), key=lambda i: -lengths[i]))


def budgeted(lengths: Sequence[int]) -> Iterator[Batch]:
    """In order of arrival as many as fit into a budget of padded tokens."""
    indices: list[int] = []
    widest = 0
    for i, length in enumerate(lengths):
        if indices and max(widest, length) * (len(indices) + 1) > BUDGET:
            yield Batch(widest, indices)
            indices, widest = [], 0
        indices.append(i)
        widest = max(widest, length)
    if indices:
        yield Batch(widest, indices)


def ours(lengths: Sequence[int]) -> Iterator[Batch]:
    """What the reader does."""
    return plan(lengths, BUDGET)


POLICIES: Mapping[str, Plan] = {
    f"all padded to {WIDEST}": fixed,
    f"order of arrival, {BATCH} a batch": arriving,
    f"order of arrival, {BUDGET:,} tokens": budgeted,
    f"sorted by length, {BATCH} a batch": by_length,
    OURS: ours,
}


def padding(lengths: Sequence[int], plan: Plan = ours) -> float:
    """Padded tokens over real ones."""
    return sum(batch.width * len(batch.indices) for batch in plan(lengths)) / sum(lengths)

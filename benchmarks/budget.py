"""What a cut that spent the budget in seven weeks spends in the next seven, over many streams.

    python benchmarks/budget.py [SEEDS] [FIRST_SEED]    e.g. 20 101

The streams are those of ``lowcount_stream.py``. Beside the cut that each stream's first half sets stands one cut for
all, the median of these: what its spending scatters by no calibration could foresee.
"""

from __future__ import annotations

import sys

import numpy as np
from lowcount import BUDGET, HALVES, cut_for, measure, ours
from lowcount_stream import stream


def told(what: str, spent: list[float]) -> str:
    """A line on how far the spending lies from the budget."""
    within = sum(abs(one / BUDGET - 1) <= 0.2 for one in spent)
    return (
        f"{what}: mean {np.mean(spent):.2f} a day, standard deviation {np.std(spent):.2f}, {min(spent):.2f} to"
        f" {max(spent):.2f}; within a fifth of {BUDGET:g} in {within} of {len(spent)}"
    )


def main(seeds: int, first: int) -> None:
    streams = [(made, ours(made)) for made in map(stream, range(first, first + seeds))]
    cuts = [cut_for(made, scored, BUDGET, HALVES[0]) for made, scored in streams]
    common = float(np.median(cuts))
    own = [measure(*of, cut, HALVES[1]).false_a_day for of, cut in zip(streams, cuts, strict=True)]
    print("cuts", *(f"{cut:.2f}" for cut in cuts))
    print("spent", *(f"{one:.2f}" for one in own))
    print(told("each stream's own cut", own))
    print(told(f"the cut {common:.2f} for all", [measure(*of, common, HALVES[1]).false_a_day for of in streams]))


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], *("20", "101")[len(sys.argv) - 1 :]]))

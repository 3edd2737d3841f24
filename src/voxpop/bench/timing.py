"""Contenders in turn, so that what else the machine does falls on all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import NamedTuple

import msgspec

Tell = Callable[[str], None]
"""Is told what is being measured."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A figure: what was measured, its value in ``unit``, what is aimed at (``met`` is None: nothing), and a note."""

    name: str
    value: float | None
    unit: str = "×"
    target: str = ""
    met: bool | None = None
    note: str = ""


def at_least(name: str, value: float, target: float, *, unit: str = "×", note: str = "") -> Row:
    """A figure that is to be large."""
    return Row(name=name, value=value, unit=unit, target=f"≥ {target:g}", met=value >= target, note=note)


def at_most(name: str, value: float, target: float, *, unit: str = "×", note: str = "") -> Row:
    """A figure that is to be small."""
    return Row(name=name, value=value, unit=unit, target=f"≤ {target:g}", met=value <= target, note=note)


class Timed(NamedTuple):
    """Seconds of each contender in each turn."""

    seconds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """The median of a contender's seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, slower: str, faster: str) -> float:
        """How many times as long ``slower`` took: the median of the turns' ratios, which what comes and goes on a
        machine moves less than the ratio of medians."""
        pairs = zip(self.seconds[slower], self.seconds[faster], strict=True)
        return statistics.median(one / other for one, other in pairs)


def interleaved(
    contenders: Mapping[str, Callable[[], object]],
    runs: int,
    tell: Tell,
    before: Callable[[str], object] = lambda _: None,
) -> Timed:
    """Runs each contender ``runs`` times, in turns of alternating order; ``before`` gets its name, untimed."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(runs):
        for name in list(contenders)[:: -1 if turn % 2 else 1]:
            tell(f"{name}, turn {turn + 1} of {runs}")
            before(name)
            start = perf_counter()
            contenders[name]()
            seconds[name].append(perf_counter() - start)
    return Timed(seconds)

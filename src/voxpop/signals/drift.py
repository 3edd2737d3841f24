"""Drift: whether the last week's documents, or what is read in them, are other than those of the four weeks before.

The measure is the population stability index of shares of categories, ``sum((p - q) * ln(p / q))``: Jeffreys'
divergence (Kullback and Leibler 1951, "On Information and Sufficiency", Annals of Mathematical Statistics 22, 79-86),
which credit scoring took over with the limits that are used here: below 0.1 nothing moved, from 0.25 on it is large
(Siddiqi 2006, "Credit Risk Scorecards", chapter 9).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import log
from typing import NamedTuple

from voxpop.signals.windows import Window

RECENT, USUAL = timedelta(days=7), timedelta(days=28)
KNOWN = timedelta(days=14)
"""Of the weeks before so much must be known."""
LARGE = 0.25
LEAST_RECENT, LEAST_USUAL = 100, 400
"""Counts below which nothing is judged. By chance alone the index is about chi-squared / n + chi-squared / m
(Yurdakul 2018, "Statistical Properties of Population Stability Index"), which for three categories and these counts
is above 0.17 once in a thousand times."""

Counts = Mapping[str, int]
"""How many there are of each category."""


class Spans(NamedTuple):
    """What is compared."""

    recent: Window
    usual: Window


def spans(until: datetime) -> Spans:
    """The week that ends at ``until``, and the four weeks before it."""
    start = until - RECENT
    return Spans(Window(start, until), Window(start - USUAL, start))


def index(recent: Counts, usual: Counts) -> float:
    """The population stability index of two counts of the same categories; 0 where their shares are equal.

    Each count is raised by one half, so that a category that is seen in one of them alone gives no infinity.
    """
    kinds = sorted(recent.keys() | usual.keys())
    pairs = zip(_shares(recent, kinds), _shares(usual, kinds), strict=True)
    return sum((p - q) * log(p / q) for p, q in pairs)


def _shares(counts: Counts, kinds: list[str]) -> list[float]:
    raised = [counts.get(kind, 0) + 0.5 for kind in kinds]
    return [one / sum(raised) for one in raised]


def judge(recent: Counts, usual: Counts) -> float | None:
    """The index; None where too little is known to judge."""
    if sum(recent.values()) < LEAST_RECENT or sum(usual.values()) < LEAST_USUAL:
        return None
    return index(recent, usual)


def moved(recent: Counts, usual: Counts) -> str:
    """The shares in words, what moved most first: "negative 31% where 12% was usual"."""
    n, m = sum(recent.values()), sum(usual.values())
    shares = {kind: (recent.get(kind, 0) / n, usual.get(kind, 0) / m) for kind in recent.keys() | usual.keys()}
    ranked = sorted(shares.items(), key=lambda one: (-abs(one[1][0] - one[1][1]), one[0]))
    return ", ".join(f"{kind} {p:.0%} where {q:.0%} was usual" for kind, (p, q) in ranked)

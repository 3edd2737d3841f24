"""How surprising counts are: -log10 of the probability of so many or more, at most ``MOST``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]

MOST = 300.0
"""Beyond this a double is 0, and nobody needs to know by how much."""


def surprise(seen: Counts, expected: Scores, dispersion: Scores | float) -> Scores:
    """-log10 P(N >= seen) for N negative binomial with mean ``expected`` and variance m + dispersion * m**2.

    Noufaily et al. 2013, Statistics in Medicine 32, 1206, equations 1 and 2; Farrington et al. 1996, JRSS A 159, 547.
    """
    from scipy.stats import nbinom  # takes seconds to import, and most commands judge nothing

    size = 1.0 / np.asarray(dispersion)
    with np.errstate(all="ignore"):  # far tails underflow
        log_tail = nbinom.logsf(seen - 1, size, size / (size + expected))
    return _capped(log_tail)


def share_surprise(adverse: Counts, stories: Counts, share: Scores) -> Scores:
    """-log10 P(K >= adverse) for K binomial of ``stories`` with probability ``share``.

    Clopper and Pearson 1934, Biometrika 26, 404: the exact tail, so that one of one is not taken for certainty.
    """
    from scipy.stats import binom

    with np.errstate(all="ignore"):
        return _capped(binom.logsf(adverse - 1, stories, share))


def _capped(log_tail: Scores | float) -> Scores:
    return np.asarray(np.clip(-np.asarray(log_tail) / np.log(10), 0.0, MOST), dtype=np.float64)

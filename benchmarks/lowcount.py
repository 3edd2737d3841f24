"""Surges of companies that little is written about, found at equal numbers of false alerts: by ours and by plain rules.

    python benchmarks/lowcount.py [SEEDS] [FIRST_SEED]    e.g. 3 101; writes docs/lowcount.svg

The stream is that of ``lowcount_stream.py``. Of its sixteen weeks two are for getting to know, the next seven set each
rule's cut, so that it spends five false alerts a day there, and the last seven are what is reported: recall by length
of the surge, the delay of those found, from the first story to the minute (ours) or the end of the hour (the others),
and the false alerts that the cut really spent. All rules raise one alert an episode, by the same function.

A surge is found by an episode that begins between its onset and an hour after its end. An episode that begins later
than a day after, or elsewhere, is false; one that was already under way at the onset has found nothing.

Then the same streams with disputes that simmer for days: by surges alone, and with a tenth of the budget for the rule
of disputes, whose cut is its own.

The parameters of ours were chosen on seeds 1 to 3; the seeds reported begin at 101.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lowcount_stream import CLASSES, SIMMER, Floats, Ints, Made, Stream, stream
from scipy.stats import nbinom, poisson

from voxpop.signals import simmer, surge
from voxpop.signals.episodes import Moments, episodes
from voxpop.signals.surge import Stories, Told

BUDGET = 5.0
HALVES = (14 * 24, 63 * 24), (63 * 24, 112 * 24)
"""Hours in which the cut is set, and those that are reported."""


class Found(NamedTuple):
    false_a_day: float
    recall: list[float]
    """By class of length."""
    delays: list[Floats]
    """Hours, of those found, by class."""
    whole: float
    """Recall of all."""


def counts_of(made: Stream) -> Stories:
    """Stories of each company in each hour."""
    shape = made.mentions.shape
    kinds = []
    for stance in (-1, 1, 0):
        counted = np.zeros(shape, dtype=np.int64)
        of = made.stance == stance
        np.add.at(counted, (made.entity[of], made.at[of].astype(int)), 1)
        kinds.append(counted)
    return Stories(*kinds)


def told_of(made: Stream) -> Told:
    minute = np.ceil(made.at * 60) / 60
    return Told(made.entity, minute, made.stance, np.ones(len(minute), dtype=bool))


def ours(made: Stream) -> Moments:
    told = told_of(made)
    return Moments(told.entity, told.at, surge.judge(counts_of(made), told).score)


def hourly(score: Floats) -> Moments:
    """Scores of shape (entities, hours), each at the end of its hour."""
    entity, hour = np.nonzero(score > 0)
    return Moments(entity, hour + 1.0, score[entity, hour])


def _moments(values: Floats, known: Floats | None = None) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the fourteen days before each hour, of the hours that are ``known``."""
    known = np.ones_like(values) if known is None else known

    def before(x: Floats) -> Floats:
        total = np.pad(np.cumsum(x, axis=1), ((0, 0), (1, 0)))[:, :-1]
        return total - np.pad(total, ((0, 0), (14 * 24, 0)))[:, : total.shape[1]]

    count = np.maximum(1.0, before(known))
    mean = before(values * known) / count
    return mean, np.sqrt(np.maximum(0.0, before(values**2 * known) / count - mean**2))


def z_of_mentions(made: Stream) -> Moments:
    values = made.mentions.astype(float)
    mean, spread = _moments(values)
    return hourly((values - mean) / np.maximum(spread, 0.1))


def z_of_share(made: Stream) -> Moments:
    stories = counts_of(made)
    every = stories.adverse + stories.positive + stories.other
    share = stories.adverse / np.maximum(1, every)
    mean, spread = _moments(share, (every > 0).astype(float))
    return hourly(np.where(every > 0, (share - mean) / np.maximum(spread, 0.1), 0.0))


def _tail(made: Stream, tail: Callable[[Ints, Floats], Floats], *, stories: bool) -> Moments:
    told = counts_of(made)
    seen = told.adverse + told.positive + told.other if stories else made.mentions
    mean, _ = _moments(seen.astype(float))
    score = np.zeros(seen.shape)
    some = seen > 0
    score[some] = -tail(seen[some] - 1, np.maximum(0.02, mean[some]))
    return hourly(np.minimum(score, 700.0))


def _negative_binomial(seen: Ints, mean: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(nbinom.logsf(seen, 2.0, 2.0 / (2.0 + mean)))


def _poisson(seen: Ints, mean: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(poisson.logsf(seen, mean))


RULES: dict[str, Callable[[Stream], Moments]] = {
    "ours": ours,
    "z of mentions": z_of_mentions,
    "z of the share": z_of_share,
    "NB on mentions": lambda made: _tail(made, _negative_binomial, stories=False),
    "Poisson on stories": lambda made: _tail(made, _poisson, stories=True),
    "NB on stories": lambda made: _tail(made, _negative_binomial, stories=True),
}


def measure(made: Stream, scored: Moments, cut: float, half: tuple[float, float]) -> Found:
    """What a cut finds in the hours of ``half``."""
    first = np.array([one.start for one in episodes(scored, cut)], dtype=int)
    entity, at = scored.entity[first], scored.at[first]
    ordinary = (at >= half[0]) & (at < half[1])
    delays: list[list[float]] = [[] for _ in (*CLASSES, SIMMER)]
    planted = [0] * len(delays)
    bounds = np.searchsorted(entity, np.arange(made.mentions.shape[0] + 1))
    for one in made.surges:
        of = slice(bounds[one.entity], bounds[one.entity + 1])
        after = at[of] - one.onset
        ordinary[of] &= (after < 0) | (at[of] > one.end + 24)
        if half[0] <= one.onset < half[1] - 48:
            planted[one.kind] += 1
            hits = after[(after >= 0) & (at[of] <= one.end + 1)]
            delays[one.kind] += hits[:1].tolist()
    recall = [len(d) / max(1, n) for d, n in zip(delays, planted, strict=True)]
    whole = sum(map(len, delays)) / max(1, sum(planted))
    return Found(float(ordinary.sum()) * 24 / (half[1] - half[0]), recall, [np.array(d) for d in delays], whole)


def cut_for(made: Stream, scored: Moments, budget: float, half: tuple[float, float]) -> float:
    """The lowest cut that spends at most ``budget`` false alerts a day there."""
    some = scored.score > 0
    candidates = np.unique(np.sort(scored.score[some])[-100_000:])  # no budget drawn needs a lower one
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if measure(made, scored, candidates[middle], half).false_a_day <= budget:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low])


CURVE = (0.3, 1.0, 2.0, 5.0, 10.0, 20.0, 35.0)
"""False alerts a day at which the curve is drawn."""


class Row(NamedTuple):
    """One rule on one seed."""

    found: Found
    curve: list[tuple[float, float]]
    """False alerts a day that were really spent, and the recall of all surges."""


def compare(made: Stream) -> dict[str, Row]:
    rows = {}
    for name, rule in RULES.items():
        scored = rule(made)
        at = [measure(made, scored, cut_for(made, scored, budget, HALVES[0]), HALVES[1]) for budget in CURVE]
        rows[name] = Row(at[CURVE.index(BUDGET)], [(one.false_a_day, one.whole) for one in at])
    return rows


def table(seeds: list[dict[str, Row]]) -> Iterator[str]:
    """Means over the seeds; delays are medians over all surges that were found."""
    lengths = ["-".join(f"{hours:g}" for hours in length) + " h" for length in CLASSES]
    recall, delay = " / ".join(lengths), "median delay, h"
    yield f"{'rule':<20} {'false a day':>11}  {recall:^25}  {'all':>5}  {delay:^20}"
    for name in RULES:
        found = [seed[name].found for seed in seeds]
        spent = np.mean([one.false_a_day for one in found])
        shown = " / ".join(f"{np.mean([one.recall[kind] for one in found]):.2f}" for kind in range(3))
        late = [np.concatenate([one.delays[kind] for one in found]) for kind in range(3)]
        delays = " / ".join(f"{np.median(hours):.1f}" if len(hours) else "-" for hours in late)
        whole = np.mean([one.whole for one in found])
        yield f"{name:<20} {spent:>11.2f}  {shown:^25}  {whole:>5.2f}  {delays:^20}"


DISPUTES = Made(disputes_a_day=0.003)
TENTH = 0.1
"""Of the budget, for disputes."""


def disputes(seed: int) -> dict[str, Found]:
    """What is found where disputes simmer, at the whole budget each."""
    made = stream(seed, DISPUTES)
    told, known = told_of(made), surge.known(counts_of(made))
    scores = surge.judge_by(known, told).score, simmer.judge(known, told).score

    def alone(score: Floats, budget: float) -> Floats:
        """The moments over the cut that spends the budget, as 1."""
        scored = Moments(told.entity, told.at, score)
        return np.where(score >= cut_for(made, scored, budget, HALVES[0]), 1.0, 0.0)

    both = np.maximum(alone(scores[0], BUDGET * (1 - TENTH)), alone(scores[1], BUDGET * TENTH))
    over = {"surges alone": alone(scores[0], BUDGET), "surges and disputes": both}
    return {name: measure(made, Moments(told.entity, told.at, flags), 0.5, HALVES[1]) for name, flags in over.items()}


def table_of_disputes(seeds: list[dict[str, Found]]) -> Iterator[str]:
    """Means over the seeds; the delay is the median over all disputes that were found."""
    yield f"{'where disputes simmer':<22} {'false a day':>11}  recall of surges, of disputes, their median delay in h"
    for name in seeds[0]:
        found = [seed[name] for seed in seeds]
        recall = " / ".join(f"{np.mean([one.recall[kind] for one in found]):.2f}" for kind in range(SIMMER + 1))
        late = np.median(np.concatenate([one.delays[SIMMER] for one in found]))
        yield f"{name:<22} {np.mean([one.false_a_day for one in found]):>11.2f}  {recall}  {late:.0f}"


def main() -> None:
    count, first = (int(given) for given in (*sys.argv[1:3], *("3", "101")[len(sys.argv) - 1 :]))
    seeds, spent = [], []
    for seed in range(first, first + count):
        made = stream(seed)
        seeds.append(compare(made))
        spent.append(seeds[-1]["ours"].found.false_a_day / BUDGET - 1)
        empty, median = float((made.mentions == 0).mean()), float(np.median(made.mentions.mean(axis=1)))
        print(
            f"seed {seed}: {len(made.at):,} stories, {median:.2f} mentions an hour, {empty:.0%} of hours empty,", end=""
        )
        print(f" {len(made.surges)} surges; ours spent {1 + spent[-1]:.0%} of the budget out of sample", flush=True)
    print("\n".join(table(seeds)))
    plain = float(np.mean([seed["z of mentions"].found.whole for seed in seeds]))
    whole = float(np.mean([seed["ours"].found.whole for seed in seeds]))
    print(f"recall against the z of hourly mentions: {whole / max(plain, 1e-9):.0f} times")
    print(f"budget out of sample: between {1 + min(spent):.0%} and {1 + max(spent):.0%}")
    print("\n".join(table_of_disputes([disputes(seed) for seed in range(first, first + count)])))
    picture = Path(__file__).parents[1] / "docs" / "lowcount.svg"
    curves = {name: np.mean([seed[name].curve for seed in seeds], axis=0) for name in RULES}
    picture.write_text(drawn(curves), "utf-8")


COLOURS = ("#b3261e", "#777777", "#aaaaaa", "#8a6d3b", "#3b6d8a", "#2e7d32")


def drawn(curves: dict[str, Floats]) -> str:
    """The curves of (false alerts a day, recall) as SVG, the former on a logarithmic scale from 0.3 to 40."""
    left, top, width, height = 60, 20, 480, 300

    def x(spent: float) -> float:
        return left + width * float(np.log(np.clip(spent, 0.3, 40) / 0.3) / np.log(40 / 0.3))

    def y(recall: float) -> float:
        return top + height * (1 - recall)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 380" font-family="sans-serif" font-size="12">',
        '<rect width="720" height="380" fill="white"/>',
    ]
    for tick in (0.5, 1, 2, 5, 10, 20, 40):
        parts.append(f'<path d="M{x(tick):.1f} {top}v{height}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{top + height + 16}" text-anchor="middle">{tick:g}</text>')
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(f'<path d="M{left} {y(tick):.1f}h{width}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for colour, curve in zip(COLOURS, curves.values(), strict=True):
        points = " ".join(f"{x(spent):.1f},{y(recall):.1f}" for spent, recall in curve.tolist())
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    ends = sorted(curves, key=lambda name: -float(curves[name][-1, 1]))
    for rank, name in enumerate(ends):
        colour = COLOURS[list(curves).index(name)]
        parts.append(f'<text x="{left + width + 12}" y="{top + 40 + 20 * rank}" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{left + width / 2}" y="{top + height + 40}" text-anchor="middle">false alerts a day</text>')
    parts.append(f'<text x="16" y="{top + height / 2}" transform="rotate(-90 16 {top + height / 2})">recall</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    main()

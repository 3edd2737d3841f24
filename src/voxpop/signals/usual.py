"""What is usual for each entity: stories expected at each hour of the week, and how much they scatter.

All is estimated at the end of each day from the hours before it, so that an hour never reads a later one. Per entity

* the level: clipped stories over hours of ordinary activity, drawn to the mean of all by a gamma prior (the posterior
  mean of a Poisson rate; Gelman et al., Bayesian Data Analysis, section 2.6);
* the dispersion ``k`` in var = m + k * m**2, by the method of moments over trailing windows, ``sum((x - m)**2 - m) /
  sum(m**2)``, drawn to that of all (Anscombe 1949, Biometrics 5, 165);

and of all together the profile over the hours of the week, drawn to the hours of the day, and these to a flat day.
Spikes are clipped at three standard deviations over what was expected, so that an outburst is not usual a week later
(Farrington et al. 1996 reweight past outbreaks for the same reason).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from voxpop.signals.tails import Counts, Scores

DAY = 24
WEEK = 7 * DAY


@dataclass(frozen=True, kw_only=True)
class Prior:
    """How usual counts are estimated."""

    memory: int = 28 * DAY
    """Hours of history that count."""
    hours: float = 120.0
    """Weight of the mean of all against the entity's own level, in hours of evidence."""
    floor: float = 0.02
    """Least expected rate, in stories an hour: the first mention ever of an entity is not infinitely surprising."""
    profile: float = 20.0
    """Weight of a flat profile, in stories of an hour of the week."""
    dispersion: float = 20.0
    """Weight of the pooled dispersion against the entity's own, in units of sum(m**2)."""
    least_dispersion: float = 0.3
    clip: float = 3.0
    """Standard deviations over the expected count at which a spike is clipped."""


class Usual(NamedTuple):
    """Of one kind of story; index ``day`` is what was known at the end of that many days."""

    level: Scores
    """Stories in an hour of mean activity, of shape (entities, days)."""
    activity: Scores
    """Activity from the start of the week up to each hour of it, of shape (days, WEEK + 1); a week's is WEEK."""
    dispersion: Scores
    """Of shape (horizons, entities, days)."""
    first_hour: int
    """Hour of the week at which the counts start."""

    def expected(self, entity: Counts, end: Scores, horizon: Scores | float, day: Counts) -> Scores:
        """Stories expected of ``entity`` in the ``horizon`` hours up to ``end`` (hours since the start)."""
        active = self._activity(end + self.first_hour, day) - self._activity(end - horizon + self.first_hour, day)
        return np.asarray(self.level[entity, day] * active)

    def _activity(self, at: Scores, day: Counts) -> Scores:
        weeks, hour = np.divmod(at, WEEK)
        whole = hour.astype(np.int64)
        before, after = self.activity[day, whole], self.activity[day, whole + 1]
        return np.asarray(weeks * WEEK + before + (hour - whole) * (after - before))


def usual(counts: Counts, first_hour: int, horizons: tuple[int, ...], prior: Prior | None = None) -> Usual:
    """Estimates what is usual at the end of each day.

    Args:
        counts: stories of each entity in each consecutive hour, of shape (entities, hours).
        first_hour: hour of the week of the first column, 0 for Monday's first.
        horizons: hours of the windows that a dispersion is wanted for.
        prior: parameters.
    """
    prior = prior or Prior()
    days = counts.shape[1] // DAY
    clipped = np.zeros((len(counts), days * DAY))
    week_hour = (np.arange(days * DAY) + first_hour) % WEEK
    level = np.full((len(counts), days + 1), prior.floor)
    profile = np.ones((days + 1, WEEK))
    for day in range(days):  # the clip of a day follows from the days before it
        today = slice(day * DAY, (day + 1) * DAY)
        mean = level[:, day, None] * profile[day, week_hour[today]]
        clipped[:, today] = np.minimum(counts[:, today], _ceiling(mean, prior, known=day > 1))
        known = slice(max(0, (day + 1) * DAY - prior.memory), (day + 1) * DAY)
        profile[day + 1] = _profile(clipped[:, known].sum(axis=0), week_hour[known], prior)
        level[:, day + 1] = _level(clipped[:, known], profile[day + 1, week_hour[known]].sum(), prior)
    activity = np.pad(np.cumsum(profile, axis=1), ((0, 0), (1, 0)))
    mean = np.repeat(level[:, :days], DAY, axis=1) * profile[np.arange(days * DAY) // DAY, week_hour]
    # Of the first day nothing was expected.
    dispersion = np.stack([_dispersion(clipped[:, DAY:], mean[:, DAY:], horizon, prior) for horizon in horizons])
    return Usual(level, activity, dispersion, first_hour)


def _ceiling(mean: Scores, prior: Prior, *, known: bool) -> Scores:
    """Above this a count is a spike; nothing is while nothing is known."""
    scatter = np.sqrt(mean + mean**2)
    return np.asarray(2.0 + mean + prior.clip * scatter if known else np.full_like(mean, np.inf))


def _profile(total: Scores, week_hour: Counts, prior: Prior) -> Scores:
    """Activity at each hour of the week by the stories of all entities, mean 1; of shape (WEEK,)."""
    mean = total.sum() / max(1, len(total))
    seen = np.bincount(week_hour, total, WEEK)
    flat = mean * np.bincount(week_hour, minlength=WEEK)
    of_day = np.arange(WEEK) % DAY
    daily = (np.bincount(of_day, seen, DAY) + prior.profile) / (np.bincount(of_day, flat, DAY) + prior.profile)
    raw = (seen + prior.profile * daily[of_day]) / (flat + prior.profile)
    return np.asarray(raw / raw.mean())


def _level(clipped: Scores, active: float, prior: Prior) -> Scores:
    """Stories of each entity in an hour of mean activity; of shape (entities,)."""
    seen = clipped.sum(axis=1)
    pooled = seen.mean() / max(1.0, active)
    return np.asarray((seen + prior.hours * pooled) / (active + prior.hours))


def _dispersion(seen: Scores, mean: Scores, horizon: int, prior: Prior) -> Scores:
    """By trailing windows of ``horizon`` hours, at the end of each day; of shape (entities, days + 1)."""
    x, m = _trailing(seen, horizon), _trailing(mean, horizon)
    excess, square = (_remembered(hourly, prior) for hourly in ((x - m) ** 2 - m, m**2))
    pooled = np.maximum(prior.least_dispersion, excess.sum(axis=0) / np.maximum(1e-9, square.sum(axis=0)))
    own = (excess + prior.dispersion * pooled) / (square + prior.dispersion)
    return np.asarray(np.maximum(prior.least_dispersion, own))


def _trailing(hourly: Scores, horizon: int) -> Scores:
    total = np.cumsum(hourly, axis=1)
    total[:, horizon:] = total[:, horizon:] - total[:, :-horizon]
    return total


def _remembered(hourly: Scores, prior: Prior) -> Scores:
    """Sums over the memory at the end of each day, from that of the day before the first on."""
    by_day = hourly.reshape(len(hourly), hourly.shape[1] // DAY, DAY).sum(axis=2)
    total = np.pad(np.cumsum(by_day, axis=1), ((0, 0), (2, 0)))
    return np.asarray(total - total[:, np.maximum(0, np.arange(total.shape[1]) - prior.memory // DAY)])

"""Making another model version count, and taking it back.

First the stored history is judged by both versions, each with a cut of its own, on tables that nobody else sees: what
the new one would have raised and the old one not, and the other way about. No model runs for it. Then the windows that
are looked back over are computed for the new version beside those of the old, and one short transaction changes which
counts. From that moment on no window, cut or alert is made from the other's opinions: a batch that was read by the old
one and comes to be stored is read again (``app.App.analyse_step``), and an alert that goes on bears the version that
its words are of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, text

from voxpop import alarms, shadow
from voxpop.alarms import history, past, rules
from voxpop.app import App
from voxpop.errors import SettingError, StoreError
from voxpop.records import Alert
from voxpop.signals.windows import HOUR
from voxpop.store import alerts, facts, trends
from voxpop.store import models as model_versions
from voxpop.store import shadow as stored_shadow
from voxpop.store.aside import aside, empty
from voxpop.store.locks import commit_order
from voxpop.store.models import Version

_WINDOWS = 2000
"""Most windows that are computed in one transaction."""
_TIMES = 10
"""So often the version reads what came in meanwhile, before the stream is too fast for it."""
SAME = alarms.QUIET
"""Alerts of one rule about one entity that fired so near each other are one."""


class Difference(NamedTuple):
    """What would have been raised over the stored history."""

    gained: list[Alert]
    """By the new version alone."""
    lost: list[Alert]
    """By the old one alone."""
    both: int
    cuts: dict[str, float]
    """Of the new version, by rule, calibrated on that history."""
    since: datetime
    until: datetime


def compare(
    engine: Engine, model: str, former: str, budget_per_day: float, standing: Collection[str] = ()
) -> Difference:
    """Judges the history that is looked back over by both versions; writes nothing.

    Args:
        engine: the store.
        model: the version that is to count.
        former: the one that counts.
        budget_per_day: what each version's cuts spend.
        standing: sources one negative story of which is enough.

    Raises:
        StoreError: the history is too short to calibrate on, or the new version has not read all of it.
    """
    with aside(engine) as connection:
        since = alarms.looked_back(connection)
        if since is None:
            raise StoreError("nothing is stored that names an entity: there is no history to compare on")
        if left := stored_shadow.left(connection, model, since):
            raise StoreError(
                f"{left:,} documents are not read by {model}: wait, or `voxpop models shadow run` reads them"
            )
        old: list[Alert] = []
        with suppress(StoreError):  # one that counts for days only has too little behind it to be compared with
            _, old = _would_raise(connection, former, since, budget_per_day, standing)
        empty(connection)
        cuts, new = _would_raise(connection, model, since, budget_per_day, standing)
        span = alerts.span(connection)
    assert span is not None
    lost = [one for one in old if not _among(one, new)]
    gained = [one for one in new if not _among(one, old)]
    return Difference(gained, lost, len(new) - len(gained), cuts, since, span[1])


def _among(alert: Alert, others: Sequence[Alert]) -> bool:
    return any(
        (one.rule, one.entity) == (alert.rule, alert.entity) and abs(one.fired_at - alert.fired_at) < SAME
        for one in others
    )


def _would_raise(
    connection: Connection, model: str, since: datetime, budget_per_day: float, standing: Collection[str]
) -> tuple[dict[str, float], list[Alert]]:
    """The cuts of the version on this history, and the alerts that they would have raised in it."""
    windows, of = trends.windows(connection, since), history.of(connection, model)
    for start in range(0, len(windows), _WINDOWS):
        trends.compute(connection, of.name if of else model, windows[start : start + _WINDOWS])
    seen = past.read(connection, model, alarms.BACK)
    cuts = {one.rule: one.cut for one in alarms.calibrations(seen, model, budget_per_day)}
    assert seen is not None
    for rule, cut in cuts.items():
        alerts.save_cut(connection, rule, seen.of.name, seen.start + alarms.WARM_UP * HOUR, cut, budget_per_day)
    alarms.raise_within(connection, model, past.Memory())
    rules.raise_alerts(connection, model, standing)
    return cuts, alerts.stored(connection)


def candidate(connection: Connection, model: str, who: str) -> tuple[Version, Version]:
    """The version that is to count and the one that does.

    Raises:
        SettingError: nobody is named as the one who does it.
        StoreError: there is no such version, or it counts already.
    """
    if not who.strip():
        raise SettingError("say who does it: --by NAME")
    versions = model_versions.versions(connection)
    found = [version for version in versions if version.model == model]
    found = found or [version for version in versions if model and version.model.startswith(model)]
    counts = next((version for version in versions if version.active), None)
    if len(found) != 1 or counts is None:
        known = ", ".join(version.model for version in versions) or "none has read anything yet"
        raise StoreError(f"{model!r} names {len(found)} versions; known are: {known}")
    if found[0].active:
        raise StoreError(f"{found[0].model} counts already")
    return found[0], counts


def former_of(connection: Connection, who: str) -> tuple[Version, Version]:
    """The version that the last promotion put aside, and the promoted one, which counts.

    Raises:
        SettingError: nobody is named as the one who does it.
        StoreError: the version that counts was not promoted.
    """
    counts, moves = model_versions.active(connection), model_versions.moves(connection)
    last = moves[-1] if moves else None
    if last is None or last.kind != "promoted" or last.model != counts:
        raise StoreError("there is no promotion to take back: `voxpop models shadow list` shows which version counts")
    return candidate(connection, last.former, who)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One version is to count in place of another."""

    kind: model_versions.Kind
    new: Version
    former: Version
    who: str
    """Does it."""
    cuts: Mapping[str, float] = field(default_factory=dict)
    """Of the new version, by rule, to hold from now on; empty: it has its own."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Is recorded with it."""


def carry_out(app: App, change: Change) -> None:
    """Makes the change, and records it. Killed anywhere, either the one version counts or the other.

    Raises:
        StoreError: some of what is looked back over is not read by the new one, and it cannot be: no profile of the
            settings is of this version, or more comes in than it can read.
    """
    for _ in range(_TIMES):
        _read_the_rest(app, change.new)
        began = _backfill(app.engine, change.new.model)
        if _switch(app, change, began):
            return
    raise StoreError(f"more comes in than {change.new.model} can read beside the other: try again in a calmer hour")


def _read_the_rest(app: App, new: Version) -> None:
    with app.engine.connect() as connection:
        since = alarms.looked_back(connection)
        left = 0 if since is None else stored_shadow.left(connection, new.model, since)
    if not left:
        return
    known = [profile for profile in (app.settings.profile, app.settings.shadow_profile) if profile == new.profile]
    if not known or app.reader_of(known[0]).version != new.model:
        raise StoreError(
            f"{left:,} documents are not read by {new.model}, and no profile of the settings is of this version: set"
            f" VOXPOP_SHADOW_PROFILE={new.profile}"
        )
    shadow.catch_up(app, known[0])


def _backfill(engine: Engine, model: str) -> datetime:
    """Computes the windows that are looked back over; returns the store's time at which it began."""
    with engine.connect() as connection:
        began: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        since = alarms.looked_back(connection)
        windows = [] if since is None else trends.windows(connection, since)
    for start in range(0, len(windows), _WINDOWS):
        with engine.begin() as connection:
            trends.compute(connection, model, windows[start : start + _WINDOWS])
    return began


def _switch(app: App, change: Change, began: datetime) -> bool:
    """The change itself; False where something came in that the new version has not read."""
    new, former = change.new, change.former
    with app.engine.begin() as connection:
        commit_order(connection)  # nothing is stored between here and the commit
        if model_versions.active(connection) != former.model:
            raise StoreError(f"{former.model} does not count any more: somebody else has changed it meanwhile")
        since, span = alarms.looked_back(connection), alerts.span(connection)
        if since is None or span is None or stored_shadow.left(connection, new.model, since):
            return False
        trends.mark_touched(connection, began)
        share = app.settings.alert_budget_per_day
        for rule, cut in change.cuts.items():
            alerts.save_cut(connection, rule, new.model, span[1], cut, alarms.SHARES[rule] * share, replace=True)
        # What is past has been judged by the former; the new one judges what comes.
        now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        alarms.look_on_from(connection, new.model, now)
        if (mark := facts.get(connection, f"slides/{former.model}")) is not None:
            facts.put(connection, f"slides/{new.model}", mark)
        model_versions.activate(
            connection, new.model, new.profile, kind=change.kind, who=change.who, detail=change.detail
        )
        return True

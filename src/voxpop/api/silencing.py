"""Silences that are made from an alert, by a form or through the API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from fastapi import HTTPException
from sqlalchemy import Connection

from voxpop.api.who import Caller, audit
from voxpop.errors import Refused
from voxpop.records import digest
from voxpop.signals.severity import Severity
from voxpop.store import alerts, moves
from voxpop.store.moves import StoredSilence

_AGAIN = timedelta(minutes=1)
"""What is the same within so long is sent again, not wanted twice."""

Scope = Literal["entity", "rule"]
"""All alerts about the alert's entity, or those of its rule only."""


class Wanted(NamedTuple):
    """What is to be silent."""

    alert: str
    scope: Scope
    span: timedelta
    severity: Severity
    """The most: graver alerts are told all the same."""
    reason: str


def silence(
    connection: Connection, caller: Caller, wanted: Wanted, now: datetime, key: str | None = None
) -> tuple[StoredSilence, bool]:
    """Makes a silence; returns it, and whether it is new.

    Args:
        key: what is sent again under it is the same silence; None: the same within a minute is, as of a form that is
            sent twice, unless it was ended meanwhile.

    Raises:
        HTTPException: 404, there is no such alert.
        Refused: the key was used for another silence.
    """
    found = alerts.stored(connection, [wanted.alert])
    if not found:
        raise HTTPException(404, "there is no such alert")
    entity, rule = found[0].entity, found[0].rule if wanted.scope == "rule" else ""
    conditions = (entity, rule, "", wanted.severity)
    new = StoredSilence("", now, now + wanted.span, caller.name, wanted.reason.strip(), *conditions, caller.id)
    made, is_new = _under(key, connection, caller, new) if key else _within_a_minute(connection, caller, new)
    if is_new:
        details = {"rule": rule, "hours": wanted.span / timedelta(hours=1), "up to": wanted.severity}
        audit(connection, caller, "silenced", entity, details)
    return made, is_new


def _under(key: str, connection: Connection, caller: Caller, new: StoredSilence) -> tuple[StoredSilence, bool]:
    """Adds it, or finds what the caller's key was used for before."""
    now = new.starts_at
    kept, is_new = moves.add_silence(connection, new._replace(id=digest("key", caller.id, key)), now)
    span, asked = kept.until - kept.starts_at, new.until - now
    same_span = span == asked or (kept.until <= now and span < asked)  # of one that was ended, the span asked is gone
    if not same_span or (kept.entity, kept.rule, kept.severity) != (new.entity, new.rule, new.severity):
        raise Refused("this key was used for another silence: take a new one", "Idempotency-Key")
    return kept, is_new


def _within_a_minute(connection: Connection, caller: Caller, new: StoredSilence) -> tuple[StoredSilence, bool]:
    """Adds it, or finds the same of this caller where that is not older than a minute and was not ended.

    An id is made of the calendar minute, so that of two at once the second meets the first; and the minute before is
    looked at too, so that what crosses the full minute is one as well.
    """
    now = new.starts_at
    what = (caller.id, new.entity, new.rule, new.severity, str(new.until - now))
    this, before = (digest("minute", f"{at:%Y-%m-%dT%H:%M}", *what) for at in (now, now - _AGAIN))
    free, kept = _after_those_ended(connection, this, now)
    if kept is None:
        _, kept = _after_those_ended(connection, before, now)
    if kept is not None and now - kept.starts_at < _AGAIN:
        return kept, False
    return moves.add_silence(connection, new._replace(id=free), now)


def _after_those_ended(connection: Connection, name: str, now: datetime) -> tuple[str, StoredSilence | None]:
    """The first id from ``name`` on whose silence was not ended, and that silence, if there is one."""
    while (kept := moves.silence(connection, name)) is not None and kept.until <= now:
        name = digest("again", name)
    return name, kept

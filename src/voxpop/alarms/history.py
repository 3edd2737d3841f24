"""What of the stored stream a model version is judged on.

A version that the settings name in place of another has not read what was stored before: to it, the stream begins on
the first midnight from which on it has read. Until it has read for as long as a new installation learns, its opinions
are not asked: the rules with a cut go by volume alone, as if no model could read anything, then or now. How many
stories there are is the same to every version, so that this rests on the whole history, with a cut of its own.

A version that was promoted has read all of it (``voxpop.promotion``), and so has the first one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from voxpop.signals.windows import HOUR
from voxpop.store import alerts, models, shadow, trends
from voxpop.store.locks import commit_order
from voxpop.store.shadow import Day

logger = logging.getLogger(__name__)

BACK = timedelta(days=63)
"""How far the stream is looked back over: what is usual, and the weeks that a cut is set on."""
LEARNING = timedelta(days=7)
"""Until so much of the stream is known the desk has no cut, so nothing alarms; then the cut is set anew as often."""
_MISSED = 0.1
"""Of the documents of a mean day a version may have missed so many, and still have read it."""
_DAY = timedelta(days=1)
_EVER = datetime.min.replace(tzinfo=UTC)
_CHANGED, _READ_FROM = "changed_at", "read_from"
"""Where the detail of a move says how far the stream had come, and from when on the version has read it."""


class Learning(NamedTuple):
    """A version that was made to count though it had not read the past. Times are the stream's."""

    model: str
    former: str
    since: datetime
    """The last publication when it was made to count."""
    read_from: datetime
    """The midnight from which on it has read."""

    @property
    def until(self) -> datetime:
        """From then on it is judged by its opinions."""
        return self.read_from + LEARNING

    @property
    def name(self) -> str:
        """As which it is judged: a version that has read nothing. Windows and cuts of that name are its own."""
        return f"{self.model} by volume since {self.since.isoformat()}"

    def said(self) -> str:
        """What operators should know."""
        return (
            f"{self.model} counts in place of {self.former} since {self.since:%Y-%m-%d %H:%M} UTC and has not read what"
            f" was published before. Until {self.until:%Y-%m-%d} surges and disputes are found by the number of stories"
            " alone. Spreading waits until then, slides of opinion a week and drift of labels two weeks longer; single"
            " grave reports and silent sources are told as ever. A model that first reads in the shadow"
            " (VOXPOP_SHADOW_PROFILE) and is then promoted by `voxpop models promote` spares you this."
        )


class History(NamedTuple):
    """What a version is judged on."""

    name: str
    """Whose opinions, windows and cuts it is judged by: its own, or those of one that has read nothing."""
    first: datetime
    """The first publication, or the midnight from which on it has read."""
    last: datetime
    cut_from: datetime
    """A cut that was set for an earlier time of the stream rests on something else."""
    by_volume: bool = False
    """Whether every story counts as unread, whatever the version says of it."""

    def learned(self) -> list[datetime]:
        """The times at which a cut is due: the ends of the learning spans, by volume the first of these alone."""
        start = self.first.replace(minute=0, second=0, microsecond=0)
        ends = [start + n * LEARNING for n in range(1, (self.last - start) // LEARNING + 1)]
        return [max(self.cut_from, end) for end in ends[:1]] if self.by_volume else ends


def history(model: str, first: datetime, last: datetime, learning: Learning | None) -> History:
    """What the version is judged on, of a stream from ``first`` to ``last``."""
    if learning is None:
        return History(model, first, last, _EVER)
    if last < learning.until:
        return History(learning.name, first, last, learning.since, by_volume=True)
    begun = max(first, learning.read_from)
    return History(model, begun, last, begun)


def read_from(days: Iterable[Day]) -> datetime | None:
    """The midnight from which on a version has read nearly all; None where it has read nearly all there is."""
    days = list(days)
    few = _MISSED * sum(day.documents for day in days) / max(1, len(days))
    missed = [day.start for day in days if day.unread > few]
    return max(missed) + _DAY if missed else None


def of(connection: Connection, model: str) -> History | None:
    """What the version is judged on; None while nobody is named in any document."""
    span = alerts.span(connection)
    return None if span is None else history(model, *span, learning(connection, model))


def learning(connection: Connection, model: str) -> Learning | None:
    """How the version that counts learns, or has learned; None where it had read the past, or does not count."""
    move = models.last_move(connection)
    if move is None or move.model != model or _READ_FROM not in move.detail:
        return None
    since, begun = (datetime.fromisoformat(move.detail[key]) for key in (_CHANGED, _READ_FROM))
    return Learning(model, move.former, since, begun)


def learns(connection: Connection, model: str) -> Learning | None:
    """How the version learns now; None where it is judged by its opinions."""
    found, span = learning(connection, model), alerts.span(connection)
    return found if found and span and span[1] < found.until else None


def cuts(connection: Connection, rule: str, of: History) -> list[tuple[datetime, float]]:
    """(from when it holds, cut) of those that rest on this history, oldest first."""
    return [one for one in alerts.cuts(connection, rule, of.name) if one[0] >= of.cut_from]


def begin(connection: Connection, model: str, profile: str) -> None:
    """Makes the version that the settings name count.

    In place of another, the windows that are looked back over are to be computed anew, and from when on it has read is
    recorded.
    """
    if models.active(connection) in (None, model):
        models.activate(connection, model, profile)
        return
    commit_order(connection)  # nothing is stored between here and the commit
    detail, span, since = {}, alerts.span(connection), looked_back(connection)
    if span is not None and since is not None:
        trends.reopen(connection, since, span[1] + HOUR)
        if (begun := read_from(shadow.days(connection, model, since))) is not None:
            detail = {_CHANGED: span[1].isoformat(), _READ_FROM: begun.isoformat()}
    models.activate(connection, model, profile, detail=detail)
    if (found := learning(connection, model)) is not None:
        logger.warning("%s", found.said())


def looked_back(connection: Connection) -> datetime | None:
    """The midnight from which on documents are judged; None while nobody is named in any."""
    span = alerts.span(connection)
    since = None if span is None else max(span[0], span[1] - BACK)
    return None if since is None else since.replace(hour=0, minute=0, second=0, microsecond=0)

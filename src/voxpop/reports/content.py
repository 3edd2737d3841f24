"""What a report holds, whatever language it is written in and however it is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from voxpop.records import Alert
from voxpop.signals.lifecycle import Phase
from voxpop.signals.meaning import Evidence
from voxpop.signals.routing import Severity

Kind = Literal["morning", "weekly"]
Novelty = Literal["entity", "topic", "story"]


class Quote(NamedTuple):
    """A document that is cited, and words of it, as they stand there."""

    document: str
    source: str
    at: datetime
    url: str | None
    words: str
    how: str = ""
    """How it claims this (hedged, denied, reported); empty: it asserts it, or the words are its headline."""
    corrected: bool = False


class Chart(NamedTuple):
    """An entity's stories in equal stretches of time, oldest first; lists of shape (stretches,)."""

    starts: list[datetime]
    other: list[int]
    unread: list[int]
    negative: list[int]
    expected: list[float | None]
    """Adverse stories (negative or unread) that are usual; None while too little is known."""
    marks: list[datetime]
    """When alerts fired."""


class Turned(NamedTuple):
    """An alert that fired within the window."""

    alert: Alert
    name: str
    evidence: Evidence
    severity: Severity
    phase: Phase
    over: bool
    """Its signal had ended by the end of the window."""
    quotes: list[Quote]
    chart: Chart | None


class First(NamedTuple):
    """Something that was seen first within the window."""

    kind: Novelty
    name: str
    """The entity's."""
    topic: str
    documents: int
    reach: int
    quote: Quote


class Faded(NamedTuple):
    """An alert that is over, or an entity about which fewer negative stories are told."""

    name: str
    alert: Alert | None
    before: int
    """Negative stories: of the alert, or in the window before."""
    now: int
    quote: Quote | None


class Answered(NamedTuple):
    """What a person made of an alert."""

    name: str
    alert: Alert
    kind: str
    who: str
    at: datetime
    quote: Quote | None


class Silent(NamedTuple):
    """A source that gave no data."""

    source: str
    since: datetime
    until: datetime | None
    """When it was heard again; None: not yet."""
    a_day: float
    """Documents that are usual."""
    quote: Quote | None
    """The last that it published before."""


class Figures(NamedTuple):
    """What was told in a window about all entities together."""

    documents: int
    stories: int
    negative: int
    unread: int
    reach: int


class Standing(NamedTuple):
    """An entity in the table of figures."""

    name: str
    now: Figures
    before: Figures
    expected: float | None
    """Adverse stories that are usual in so long a window."""
    alerts: int


class Report(NamedTuple):
    """One report."""

    kind: Kind
    watchlist: str
    start: datetime
    end: datetime
    as_of: datetime
    zone: str
    model: str
    watched: int
    now: Figures
    before: Figures
    turned: list[Turned]
    open_unanswered: int
    """Alerts that were open at the end and that nobody had taken on."""
    first: list[First]
    more_first: int
    """How many more there are."""
    faded: list[Faded]
    answered: list[Answered]
    silent: list[Silent]
    standings: list[Standing]
    known_from: datetime | None
    """From when on documents of the window are known: its start, or where the stream begins; None: of none of it."""

    @property
    def happened(self) -> bool:
        """Whether anything did that is worth a message: an ordinary story is not."""
        news = any(one.kind != "story" for one in self.first)
        return bool(self.turned or self.faded or self.answered or self.silent or news)

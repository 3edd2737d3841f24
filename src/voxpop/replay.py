"""History through the whole system on a clock of its own: what would have alarmed, when, and on what evidence.

Items come in the order in which they were known, a correction when it was made. The clock stands at the end of each
hour in which something was known: what that hour brought is stored, then the jobs of the table run as they do live, so
an alert can rest on nothing that came later. Hours that brought nothing are passed over, since all rules judge in the
stream's own time. What is read in a document depends on that document alone, so a model reads ahead, in large batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import Connection

from voxpop import alarms, alerting, stages
from voxpop.alertsfile import Rules
from voxpop.app import App
from voxpop.jobs import JOBS, Job, Surroundings
from voxpop.log.base import Partition, Record
from voxpop.models.kept import Kept
from voxpop.records import Alert, DeadLetter, Reading
from voxpop.signals.meaning import line
from voxpop.signals.windows import HOUR, hour_of
from voxpop.sources.spool import Spool
from voxpop.stages import Analysed, Prepared, dead_letter
from voxpop.store import alerts, meaning, writer
from voxpop.store import models as model_versions
from voxpop.store.clock import Clock
from voxpop.store.held import Held
from voxpop.worker import isolated, reason_of

if TYPE_CHECKING:
    from voxpop.models import Reader

_ORIGIN = Partition("replay", "replay", 0)
_JOBS = ("trends", "calibrate", "alerts", "rules", "silences")
"""Those that judge; the others fetch, tell people, or tidy up."""
HISTORY = alarms.BACK
"""What was known so long before the span is read, too: nothing that is judged looks further back."""


DATABASE = {
    "synchronous_commit": "off",  # what a power failure takes can be played again
    # An hour is a few rows. The planner's statistics lag behind a database that grows by the minute, so that it would
    # scan whole tables for them, and it would plan each statement anew.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""How PostgreSQL is to treat the database of a replay."""


class Cited(msgspec.Struct, frozen=True, kw_only=True):
    """A document that an alert rests on."""

    document: str
    source: str
    published_at: datetime
    title: str
    """Its text, where it has no title."""
    quote: str | None
    """Its main claim about the entity, word for word."""
    url: str | None


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stood when it was raised; a line of the file that a replay writes."""

    entity: str
    name: str
    rule: str
    fired_at: datetime
    """The minute at which it crossed its cut; ``raised_at`` where that became clear more than an hour later."""
    raised_at: datetime
    """The end of the hour of which it came: nothing later was known."""
    severity: str
    headline: str
    score: float
    cut: float
    window_start: datetime
    hours: int
    stories: int
    expected: float
    negative_stories: int
    unread_stories: int
    reach: int
    evidence: tuple[Cited, ...]
    model: str
    id: str


Progress = Callable[[int, datetime], None]
"""Called with the number of items that are stored, and the time on the clock."""


def replay(
    app: App, spool: Spool, start: datetime, end: datetime, progress: Progress = lambda *_: None
) -> Iterator[Raised]:
    """Plays what was known in [start, end) into an empty store, and yields each alert in the order of raising.

    What was known in the ``HISTORY`` before ``start`` is learned from, and its alerts are not told.
    """
    reader = app.reader()
    clock = Clock(app.engine, start - HISTORY)
    with app.engine.begin() as connection:
        model_versions.activate(connection, reader.version, app.settings.profile)
    done = 0
    with _results(app, reader), closing(Held(app.engine)) as store:
        ticks = Ticks(replace(app.surroundings(reader.version), engine=store))
        for hour in _hours(app, spool, start - HISTORY, end):
            clock.now = hour.end
            with store.begin() as connection:
                app.store(connection, hour.readings)
                writer.write_dead_letters(connection, hour.dead)
            found = ticks.run(hour.end)
            store.commit()
            done += hour.items
            progress(done, hour.end)
            yield from (one for one in found if hour.end > start)


@contextmanager
def _results(app: App, reader: Reader) -> Iterator[None]:
    """Keeps on disk what is computed meanwhile, by the versions of the model and of this program."""
    if not app.settings.results_bytes:
        yield
        return
    name = f"{reader.version}+{version('voxpop')}"
    kept = Kept(app.settings.home / "results", name, app.settings.results_bytes)
    reader.keep(kept)
    try:
        yield
    finally:
        reader.keep(None)
        kept.close()


class Ticks:
    """Runs the jobs that judge, each at its cadence on the simulated clock."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._jobs = [job for job in JOBS if job.name in _JOBS]
        self._due: dict[str, datetime] = {}
        self._last: datetime | None = None

    def run(self, now: datetime) -> list[Raised]:
        """What is raised now."""
        raised = sum([self._once(job, now) for job in self._jobs if now >= self._due.get(job.name, now)])
        last, self._last = self._last, now
        if not raised:
            return []
        with self._around.engine.begin() as connection:
            return _found(connection, now, last)

    def _once(self, job: Job, now: datetime) -> int:
        self._due[job.name] = now + job.every
        return job.function(self._around, now)


def _found(connection: Connection, now: datetime, last: datetime | None) -> list[Raised]:
    """The alerts that were raised now."""
    found = [_raised(connection, alert, now, last) for alert in alerts.stored(connection, available_at=now)]
    return sorted(found, key=lambda one: (one.fired_at, one.rule, one.entity))


def _raised(connection: Connection, alert: Alert, now: datetime, last: datetime | None) -> Raised:
    (stand,) = alerting.stands(connection, Rules(), now, [alert.id])
    evidence, cited = alerting.evidence_of(connection, alert, stand.case.name)
    same = {name: getattr(alert, name) for name in Raised.__struct_fields__ if hasattr(alert, name)}
    known = {
        "name": stand.case.name,
        # What seems to have fired before the last look was not known then.
        "fired_at": alert.fired_at if last is None or alert.fired_at > last else now,
        "raised_at": now,
        "severity": stand.subject.severity,
        "headline": line(alert, evidence),
        "evidence": tuple(map(_cited, cited)),
    }
    return Raised(**same | known)


def _cited(one: meaning.Cited) -> Cited:
    return Cited(
        document=one.document,
        source=one.source,
        published_at=one.published_at,
        title=" ".join(one.headline.split()),
        quote=one.claim and " ".join(one.claim.split()),
        url=one.url,
    )


class Hour(NamedTuple):
    """What was known in one hour."""

    end: datetime
    readings: list[Reading]
    dead: list[DeadLetter]
    items: int


class _Batch(NamedTuple):
    """What was read in some consecutive items."""

    times: list[datetime]
    """When each was known."""
    readings: list[Reading]
    dead: list[DeadLetter]


def _hours(app: App, spool: Spool, start: datetime, end: datetime) -> Iterator[Hour]:
    """The hours in which something was known, in order."""
    held: dict[datetime, Hour] = {}
    for batch in _batches(spool, start, end, app.settings.poll_records):
        for hour in _by_hour(_read(app, batch)):
            before = held.get(hour.end)
            held[hour.end] = hour if before is None else _joined(before, hour)
        for at in sorted(held)[:-1]:  # more of the last hour may lie in the next batch
            yield held.pop(at)
    yield from held.values()


def _by_hour(batch: _Batch) -> Iterator[Hour]:
    counted = {at: len(list(of)) for at, of in groupby(map(_end_of, batch.times))}
    readings = {at: list(of) for at, of in groupby(batch.readings, lambda r: _end_of(r.document.received_at))}
    for number, (at, items) in enumerate(counted.items()):
        yield Hour(at, readings.get(at, []), batch.dead if number == 0 else [], items)


def _end_of(at: datetime) -> datetime:
    return hour_of(at) + HOUR


def _joined(a: Hour, b: Hour) -> Hour:
    return Hour(a.end, a.readings + b.readings, a.dead + b.dead, a.items + b.items)


def _batches(spool: Spool, start: datetime, end: datetime, size: int) -> Iterator[list[tuple[datetime, Record]]]:
    batch: list[tuple[datetime, Record]] = []
    for number, (at, value) in enumerate(spool.read(start, end)):
        batch.append((at, Record(_ORIGIN, number, b"", value)))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(app: App, batch: Sequence[tuple[datetime, Record]]) -> _Batch:
    """The stages, one after the other; a record at fault is a dead letter."""
    linker, reader, judge = app.linker(), app.reader(), app.judge()
    prepared = isolated(
        lambda records: stages.prepare(records, linker),
        [record for _, record in batch],
        lambda record, error: Prepared([], [dead_letter(record, "prepare", reason_of(error))]),
    )
    messages = [message for part in prepared for message in part.messages]
    analysed = isolated(
        lambda records: stages.analyse(records, reader, judge),
        [Record(_ORIGIN, number, *message) for number, message in enumerate(messages)],
        lambda record, error: Analysed([], [dead_letter(record, "analyse", reason_of(error))]),
    )
    dead = [d for p in prepared for d in p.dead] + [d for a in analysed for d in a.dead]
    return _Batch([at for at, _ in batch], [r for part in analysed for r in part.readings], dead)

"""The demonstration: the sample stream through the whole system, and what was found."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from voxpop import sample
from voxpop.app import App
from voxpop.intake import Taken, take
from voxpop.records import Alert
from voxpop.runner import Figures, Progress, run
from voxpop.signals.meaning import OPERATIONAL
from voxpop.signals.windows import silences
from voxpop.sources import files
from voxpop.store import alerts, counts, queries
from voxpop.text import watchlist


class Finding(NamedTuple):
    """A planted incident, and when it was noticed."""

    incident: sample.Incident
    alert: Alert | None

    @property
    def delay(self) -> timedelta | None:
        """From its first item to the alert; None if it was missed."""
        return None if self.alert is None else self.alert.fired_at - self.incident.begins


class Quote(NamedTuple):
    """The main claim of a document that is evidence, word for word, with what it is about and how it is made."""

    name: str
    text: str
    details: tuple[str, ...]
    factuality: str
    risks: tuple[str, ...]
    source: str


class Summary(NamedTuple):
    """What the demonstration measured."""

    taken: Taken
    figures: Figures
    stories: int
    unread: int
    findings: list[Finding]
    false_alerts: list[Alert]
    silences: list[tuple[str, datetime, datetime]]
    quotes: dict[str, list[Quote]]
    """By alert: what its evidence claims."""

    def counts(self) -> dict[str, float]:
        """The figures that a program may check."""
        return {
            "incidents_planted": len(self.findings),
            "incidents_found": sum(f.alert is not None for f in self.findings),
            "false_alerts": len(self.false_alerts),
            "items_in": self.taken.items,
            "items_refused": self.taken.refused + self.figures.refused,
            "stories": self.stories,
            "unread_documents": self.unread,
            "documents_per_second": round(self.figures.documents_per_second, 1),
        }


def play(app: App, *, progress: Progress | None = None) -> Summary:
    """Brings the sample in, reads it to its end, judges it, and holds the alerts against the truth."""
    app.watch(watchlist.load(sample.watchlist_path()))
    taken = _ingest(app)
    figures = run(app, threading.Event(), until_idle=True, progress=progress)
    with app.engine.connect() as connection:
        raised = [alert for alert in alerts.stored(connection) if alert.rule not in OPERATIONAL]  # told apart
        stories, unread = counts.stories(connection), counts.unread(connection)
        heard = counts.heard(connection)
        quotes = {alert.id: _quotes(connection, alert) for alert in raised}
    planted = sample.incidents()
    findings = [Finding(i, next((a for a in raised if _explains(i, a)), None)) for i in planted]
    false = [a for a in raised if not any(_explains(i, a) for i in planted)]
    last = max((times[-1] for times in heard.values()), default=sample.FIRST_DAY)
    silent = [(source, *span) for source, times in sorted(heard.items()) for span in silences(times, last)]
    return Summary(taken, figures, stories, unread, findings, false, silent, quotes)


MOST_QUOTES = 2


def _quotes(connection: Connection, alert: Alert) -> list[Quote]:
    """The surest main claims of the alert's evidence, no two with the same words."""
    found: dict[str, tuple[float, Quote]] = {}
    for story in queries.stories_of(connection, alert.entity, alert.model, alert.evidence):
        for teller in story.tellers:
            main = next((claim for claim in teller.claims if claim.question == "what"), None)
            if main is not None and main.score > found.get(main.text.lower(), (0.0, None))[0]:
                name = teller.text[slice(*teller.spans[0])]
                details = tuple(
                    f"{c.question}: {' '.join(c.text.split())}" for c in teller.claims if c.question != "what"
                )
                risks = tuple(risk.event.replace("_", " ") for risk in teller.risks)
                quote = Quote(name, " ".join(main.text.split()), details, main.factuality, risks, teller.source)
                found[main.text.lower()] = (main.score, quote)
    ranked = sorted(found.values(), key=lambda one: (-one[0], one[1].text))
    return [quote for _, quote in ranked[:MOST_QUOTES]]


def _ingest(app: App) -> Taken:
    now = datetime.now(UTC)
    stream = io.BytesIO("".join(sample.stream()).encode())
    records = files.read(stream, defaults={"source": "sample", "channel": "news"}, received_at=now, now=now)
    return take(records, app.log, app.engine)


def _explains(incident: sample.Incident, alert: Alert) -> bool:
    return alert.entity == incident.entity and incident.begins <= alert.fired_at <= incident.ends

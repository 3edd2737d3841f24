"""Takes documents out of the store with all that was made of them, and keeps count without keeping what it was.

Rows that bear a document's id go. What cites a document keeps the id, which is a hash, and nothing else: an alert's
evidence is withdrawn where its document is gone, messages and reports that may quote it lose their words. The windows
that counted it are computed anew; the points that were computed before are figures, and stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, select, text

from voxpop.records import Reading, digest
from voxpop.store import stories, tables
from voxpop.store.locks import commit_order
from voxpop.store.tables import erasures
from voxpop.store.trends import mark_stale

WITHDRAWN = "The words of this message were withdrawn: a document that it cited was erased."
_KEPT = {"alert_evidence", "story_members"}
"""The first keeps the id alone; the second is ``stories``' to take out."""
OF_DOCUMENTS = tuple(
    table for table in tables.metadata.sorted_tables if "document_id" in table.c and table.name not in _KEPT
)
"""Tables whose rows belong to one document."""
OTHERS = {
    "alert_evidence": "ids",
    "alert_revisions": "ids",
    "dead_letters": "searched",
    "deliveries": "blanked",
    "delivery_log": "blanked",
    "log_records": "searched",
    "reports": "blanked",
    "story_bands": "of texts that nobody tells any more",
    "story_members": "joined anew",
    "story_texts": "of texts that nobody tells any more",
}
"""What happens to the tables that hold of documents more than one row's worth; a test holds that no table is
forgotten."""
FREE = {
    *("alert_moves", "alerts", "cuts", "drifts", "entities", "erasures", "facts", "feeds", "log_heads", "log_topics"),
    *("model_moves", "models", "positions", "silences", "stale_windows", "trend_points"),
    *("alert_comments", "api_tokens", "audit", "job_runs", "own_lists", "sessions", "users"),
}
"""Tables that hold figures, and what operators wrote or may."""


@dataclass(frozen=True)
class Subject:
    """Whose documents.

    Attributes:
        kind: an author or a source.
        name: as documents name it, personal data in it masked.
        within: of an author, only what this source published; empty: all sources.
    """

    kind: Literal["author", "source"]
    name: str
    within: str = ""

    @property
    def key(self) -> str:
        """What is kept of it."""
        return digest("erased", self.kind, self.name, self.within)


def of(author: str | None, source: str) -> list[Subject]:
    """The subjects that a document of this author in this source belongs to."""
    found = [Subject("source", source)]
    return [*found, Subject("author", author), Subject("author", author, source)] if author else found


def begin(connection: Connection, subject: Subject, who: str, now: datetime) -> datetime:
    """Notes that an erasure has begun, or goes on; from the commit on nothing of the subject from before is stored.

    Returns:
        When it began, which names it.
    """
    commit_order(connection)
    open_ = erasures.c.subject == subject.key, erasures.c.ended_at.is_(None)
    began: datetime | None = connection.execute(select(erasures.c.received_at).where(*open_)).scalar()
    if began is not None:
        connection.execute(erasures.update().where(*open_).values(until=now, who=who))
        return began
    values = {"subject": subject.key, "kind": subject.kind, "who": who, "until": now, "counts": {}}
    connection.execute(erasures.insert().values(received_at=now, **values))
    return now


def add(connection: Connection, subject: Subject, began: datetime, counts: Mapping[str, int]) -> None:
    """Adds to what an erasure has taken out."""
    this = erasures.c.subject == subject.key, erasures.c.received_at == began
    before = connection.execute(select(erasures.c.counts).where(*this).with_for_update()).scalar_one()
    both = Counter(before) + Counter(counts)
    connection.execute(erasures.update().where(*this).values(counts=dict(sorted(both.items()))))


def end(connection: Connection, subject: Subject, began: datetime) -> dict[str, int]:
    """Notes that an erasure is done; returns what it took out, all tries together."""
    this = erasures.c.subject == subject.key, erasures.c.received_at == began
    ended = erasures.update().where(*this).values(ended_at=func.clock_timestamp())
    counts: dict[str, int] = connection.execute(ended.returning(erasures.c.counts)).scalar_one()
    return counts


def without_erased(connection: Connection, readings: Sequence[Reading]) -> Sequence[Reading]:
    """Those that may be stored: a log that is read again may bring back what was erased."""
    keys = {s.key for r in readings for s in of(r.document.author, r.document.source)}
    rows = connection.execute(
        text("SELECT subject, max(until) AS until FROM erasures WHERE subject = ANY(:keys) GROUP BY subject"),
        {"keys": list(keys)},
    )
    until: dict[str, datetime] = {row.subject: row.until for row in rows}

    def may(reading: Reading) -> bool:
        d = reading.document
        known = min(d.published_at, d.received_at)
        return not any(s.key in until and known <= until[s.key] for s in of(d.author, d.source))

    return [reading for reading in readings if may(reading)] if until else readings


def documents_of(connection: Connection, subject: Subject) -> list[str]:
    """Ids of the subject's documents, in any revision."""
    t = tables.documents.c
    which = [t.source == subject.name] if subject.kind == "source" else [t.author == subject.name]
    if subject.within:
        which.append(t.source == subject.within)
    return list(connection.execute(select(t.document_id).distinct().where(*which).order_by(t.document_id)).scalars())


def older_than(
    connection: Connection, before: datetime, limit: int, *, source: str | None = None, but: Iterable[str] = ()
) -> list[str]:
    """Ids of documents that were published before then.

    Args:
        source: only of this one (None: of all, ``but`` these).
    """
    t = tables.documents.c
    which = t.source == source if source is not None else t.source.not_in(list(but))
    query = select(t.document_id).distinct().where(t.published_at < before, which).order_by(t.document_id).limit(limit)
    return list(connection.execute(query).scalars())


def take_out(
    connection: Connection, ids: Sequence[str], *, retells: stories.Retells, window: timedelta, recount: bool
) -> Counter[str]:
    """Takes the documents out, within the caller's transaction; returns rows by table.

    Args:
        recount: the windows that counted them are computed anew; else figures stay as they were.
    """
    commit_order(connection)
    counts: Counter[str] = Counter()
    asked = {"ids": list(ids)}
    _mark(connection, ids)
    _blank(connection, ids, counts)
    for table in OF_DOCUMENTS:
        done = connection.execute(delete(table).where(table.c.document_id.in_(ids)))
        counts[table.name] += done.rowcount
    cited = connection.execute(
        text("SELECT count(*) FROM alert_evidence WHERE document_id = ANY(:ids)"), asked
    ).scalar_one()
    counts["alert_evidence"] += cited
    counts += stories.withdraw(connection, ids, retells=retells, window=window)
    if not recount:  # what this very transaction has marked
        connection.execute(text("DELETE FROM stale_windows WHERE xmin = CAST(pg_current_xact_id() AS xid)"))
    return counts


def _mark(connection: Connection, ids: Sequence[str]) -> None:
    rows = connection.execute(
        text("SELECT DISTINCT story_id FROM story_members WHERE document_id = ANY(:ids)"), {"ids": list(ids)}
    )
    mark_stale(connection, documents=ids, stories=list(rows.scalars()))


_CITING = text(
    "SELECT alert_id FROM alert_evidence WHERE document_id = ANY(:ids)"
    " UNION SELECT alert_id FROM alert_revisions WHERE documents && CAST(:ids AS text[])"
)
_BLANK_MESSAGES = text(
    "UPDATE deliveries SET body = :said, said = CASE WHEN said IS NOT NULL THEN 'withdrawn' END,"
    " subject = CASE WHEN data ? 'report_id' THEN 'A report that was withdrawn' ELSE subject END,"
    " data = jsonb_strip_nulls(jsonb_build_object('notice', data->'notice', 'report_id', data->'report_id',"
    "  'withdrawn', true))"
    " WHERE (alerts && CAST(:alerts AS text[]) OR data->>'report_id' = ANY(:reports)) AND NOT data ? 'withdrawn'"
    " RETURNING key"
)


def _blank(connection: Connection, ids: Sequence[str], counts: Counter[str]) -> None:
    """Messages about alerts that ever cited one of the documents, and reports that may quote one, lose their words."""
    alerts = list(connection.execute(_CITING, {"ids": list(ids)}).scalars())
    reports = _quoting(connection, ids)
    blank = text("UPDATE reports SET html = :said, files = '[]' WHERE report_id = ANY(:reports)")
    counts["reports"] += connection.execute(blank, {"said": WITHDRAWN, "reports": reports}).rowcount
    asked = {"said": WITHDRAWN, "alerts": alerts, "reports": reports}
    keys = list(connection.execute(_BLANK_MESSAGES, asked).scalars())
    counts["deliveries"] += len(keys)
    said = text("UPDATE delivery_log SET said = 'withdrawn' WHERE key = ANY(:keys)")
    counts["delivery_log"] += connection.execute(said, {"keys": keys}).rowcount


def _quoting(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Reports made since that name a source of the documents: a quotation bears its source."""
    rows = connection.execute(
        text("SELECT source, min(received_at) AS since FROM documents WHERE document_id = ANY(:ids) GROUP BY source"),
        {"ids": list(ids)},
    ).all()
    if not rows:
        return []
    since = min(row.since for row in rows)
    names = {name for row in rows for name in (row.source, escape(row.source), escape(row.source, quote=False))}
    made = connection.execute(
        text("SELECT report_id, html FROM reports WHERE received_at >= :since AND html <> :said"),
        {"since": since, "said": WITHDRAWN},
    )
    return [row.report_id for row in made if any(name in row.html for name in names)]


def dead_letters(
    connection: Connection, about: Callable[[bytes], bool], after: str, limit: int
) -> tuple[list[str], str]:
    """Ids of dead letters about something, of the next ``limit`` after an id; and the id to go on after, or empty."""
    t = tables.dead_letters.c
    rows = connection.execute(select(t.id, t.payload, t.reason).where(t.id > after).order_by(t.id).limit(limit)).all()
    found = [row.id for row in rows if about(bytes(row.payload)) or about(row.reason.encode())]
    return found, rows[-1].id if len(rows) == limit else ""


def silences_of(connection: Connection, source: str, rule: str) -> Counter[str]:
    """Deletes the alerts of a rule about a source, with all that belongs to them."""
    alerts = select(tables.alerts.c.alert_id).where(tables.alerts.c.rule == rule, tables.alerts.c.entity_id == source)
    ids = list(connection.execute(alerts).scalars())
    counts: Counter[str] = Counter()
    for table in (tables.alert_evidence, tables.alert_revisions, tables.alert_moves, tables.alerts):
        counts[table.name] += connection.execute(delete(table).where(table.c.alert_id.in_(ids))).rowcount
    keys = list(
        connection.execute(
            text("DELETE FROM deliveries WHERE alerts && CAST(:ids AS text[]) RETURNING key"), {"ids": ids}
        ).scalars()
    )
    counts["deliveries"] += len(keys)
    log = tables.delivery_log
    counts["delivery_log"] += connection.execute(delete(log).where(log.c.key.in_(keys))).rowcount
    return counts


def log(connection: Connection) -> list[dict[str, Any]]:
    """What was erased, by whom and when, the oldest first."""
    order = select(erasures).order_by(erasures.c.received_at, erasures.c.subject)
    return [dict(row._mapping) for row in connection.execute(order)]

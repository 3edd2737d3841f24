"""Cuts and alerts, with the documents that caused them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, select, text
from sqlalchemy.dialects.postgresql import insert

from voxpop.records import Alert
from voxpop.store import bulk, tables
from voxpop.store.locks import commit_order

_EVIDENCE = text(
    "SELECT (array_agg(m.document_id ORDER BY m.published_at, m.document_id))[1] AS opener,"
    " min(m.published_at) AS first, count(DISTINCT m.document_id) AS documents"
    " FROM current_mentions m JOIN story_members s ON s.document_id = m.document_id"
    " LEFT JOIN opinions o ON o.document_id = m.document_id AND o.revision = m.revision"
    "  AND o.entity_id = m.entity_id AND o.model = :model"
    " WHERE m.entity_id = :entity AND m.published_at >= :start AND m.published_at < :end"
    "  AND (:all OR (o.document_id IS NOT NULL AND (o.label IS NULL OR o.label = 'negative')))"
    " GROUP BY s.story_id ORDER BY documents DESC, first, s.story_id LIMIT :most"
)


def evidence(
    connection: Connection,
    entity: str,
    model: str,
    start: datetime,
    end: datetime,
    most: int = 20,
    *,
    every: bool = False,
) -> tuple[str, ...]:
    """Documents that open the adverse stories about ``entity`` in [start, end), the most carried first.

    Args:
        every: of the other stories, too.
    """
    asked = {"entity": entity, "model": model, "start": start, "end": end, "most": most, "all": every}
    rows = connection.execute(_EVIDENCE, asked)
    return tuple(row.opener for row in rows)


def save(connection: Connection, alert: Alert, state: str, last_at: datetime | None = None) -> bool:
    """Stores the alert, or brings the one of the same id up to date; True if it is new.

    What it says is also appended to its revisions, unless it said just that.

    Args:
        last_at: the last moment at which its signal was over the cut; None: when it fired.
    """
    values = {
        "alert_id": alert.id,
        "entity_id": alert.entity,
        "rule": alert.rule,
        "state": state,
        "fired_at": alert.fired_at,
        "last_at": last_at or alert.fired_at,
        "window_start": alert.window_start,
        "score": alert.score,
        "cut": alert.cut,
        "hours": alert.hours,
        "stories": alert.stories,
        "negative_stories": alert.negative_stories,
        "unread_stories": alert.unread_stories,
        "expected": alert.expected,
        "reach": alert.reach,
        "model": alert.model,
    }
    statement = insert(tables.alerts).values(**values)
    new = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["alert_id"], set_={name: statement.excluded[name] for name in _CHANGING}
        ).returning(text("xmax = 0"))
    ).scalar_one()
    cited = _cite(connection, alert)
    said = {name: values[name] for name in _CHANGING}
    _append(connection, alert.id, said | {"documents": list(cited), "document_revisions": list(cited.values())})
    return bool(new)


_CHANGING = (
    *("state", "last_at", "score", "hours", "stories", "negative_stories", "unread_stories"),
    *("expected", "reach", "cut", "model"),
)
"""An alert goes on when another model version is made to count; its words and its cut are then of that one."""


_SAID = (*_CHANGING, "documents", "document_revisions")


def resolve(connection: Connection, rule: str, before: datetime) -> None:
    """Ends the alerts of the rule whose signal was last over its cut at ``before`` or earlier, whichever version saw
    it."""
    t = tables.alerts
    _end(connection, t.c.rule == rule, t.c.last_at <= before)


def resolve_heard(connection: Connection, rule: str) -> None:
    """Ends the alerts of a rule about sources of those that were heard again after it fired."""
    t, d = tables.alerts, tables.documents
    _end(connection, t.c.rule == rule, exists().where(d.c.source == t.c.entity_id, d.c.published_at > t.c.fired_at))


def resolve_others(connection: Connection, rule: str, standing: Collection[str]) -> None:
    """Ends the alerts of a rule that are none of those that still stand."""
    t = tables.alerts
    _end(connection, t.c.rule == rule, t.c.alert_id.not_in(standing))


def _end(connection: Connection, *which: ColumnElement[bool]) -> None:
    """Resolves those that fire still, and says so in their revisions."""
    t, said = tables.alerts, tables.alert_revisions
    ended = connection.execute(
        t.update().where(t.c.state == "firing", *which).values(state="resolved").returning(t.c.alert_id)
    )
    for alert in sorted(ended.scalars()):
        last = connection.execute(
            select(said).where(said.c.alert_id == alert).order_by(said.c.revision.desc()).limit(1)
        )
        kept = {name: value for name, value in last.mappings().one().items() if name in _SAID}
        _append(connection, alert, kept | {"state": "resolved"})


_CITED = text(
    "SELECT e.document_id, e.revision, d.revision IS DISTINCT FROM e.revision AS changed FROM alert_evidence e"
    " LEFT JOIN documents d ON d.document_id = e.document_id AND d.latest WHERE e.alert_id = :alert ORDER BY e.rank"
)


def _cite(connection: Connection, alert: Alert) -> dict[str, str]:
    """Makes the evidence that of ``alert``, each document in the revision that was cited first; returns both.

    One that was cited and has been corrected since stays, last, even where it is adverse no more.
    """
    cited = connection.execute(_CITED, {"alert": alert.id}).all()
    revisions = {row.document_id: row.revision for row in cited}
    kept = [row.document_id for row in cited if row.changed and row.document_id not in alert.evidence]
    rows = connection.execute(
        text("SELECT document_id, revision FROM documents WHERE latest AND document_id = ANY(:ids)"),
        {"ids": list(alert.evidence)},
    )
    revisions = {row.document_id: row.revision for row in rows} | revisions
    wanted = {document: revisions[document] for document in (*alert.evidence, *kept)}
    if list(wanted) != [row.document_id for row in cited]:
        connection.execute(tables.alert_evidence.delete().where(tables.alert_evidence.c.alert_id == alert.id))
        rows_of = [(alert.id, rank, document, revision) for rank, (document, revision) in enumerate(wanted.items())]
        bulk.upsert(connection, tables.alert_evidence, ["alert_id", "rank", "document_id", "revision"], rows_of)
    return wanted


def _append(connection: Connection, alert: str, said: dict[str, Any]) -> None:
    """Adds a revision that says ``said``, unless the last one does."""
    t = tables.alert_revisions
    row = connection.execute(
        select(t).where(t.c.alert_id == alert).order_by(t.c.revision.desc()).limit(1)
    ).one_or_none()
    last = {} if row is None else row._asdict()
    if any(last.get(name) != value for name, value in said.items()):
        commit_order(connection)
        connection.execute(t.insert().values(alert_id=alert, revision=last.get("revision", 0) + 1, **said))


def stored(
    connection: Connection,
    ids: Sequence[str] | None = None,
    *,
    since: datetime | None = None,
    available_at: datetime | None = None,
) -> list[Alert]:
    """The alerts with their evidence, by the time at which they fired.

    Args:
        ids: only these.
        since: only those that fired since then.
        available_at: only those that were first stored at this very time.
    """
    rows = connection.execute(
        text(
            "SELECT a.alert_id AS id, a.entity_id AS entity, a.rule, a.fired_at, a.window_start, a.score, a.cut,"
            " a.hours, a.stories, a.negative_stories, a.unread_stories, a.expected, a.reach, a.model, "
            " array(SELECT e.document_id FROM alert_evidence e"
            "  WHERE e.alert_id = a.alert_id ORDER BY e.rank) AS evidence"
            " FROM alerts a WHERE (CAST(:ids AS text[]) IS NULL OR a.alert_id = ANY(:ids))"
            "  AND (CAST(:since AS timestamptz) IS NULL OR a.fired_at >= :since)"
            "  AND (CAST(:available_at AS timestamptz) IS NULL OR a.available_at = :available_at)"
            " ORDER BY a.fired_at, a.alert_id"
        ),
        {"ids": None if ids is None else list(ids), "since": since, "available_at": available_at},
    )
    return [Alert(**{**row._mapping, "evidence": tuple(row.evidence)}) for row in rows]


class Raised(NamedTuple):
    """An alert that was raised before, by when its window began."""

    id: str
    entity: str
    window_start: datetime
    open: bool
    """Its signal was still over the cut when it was last looked at."""


def raised(connection: Connection, rule: str, since: datetime) -> list[Raised]:
    """The alerts of a rule that are open or began at ``since`` or later, by when they fired."""
    rows = connection.execute(
        text(
            "SELECT alert_id, entity_id, window_start, state = 'firing' FROM alerts"
            " WHERE rule = :rule AND (window_start >= :since OR state = 'firing') ORDER BY fired_at, alert_id"
        ),
        {"rule": rule, "since": since},
    )
    return [Raised(*row) for row in rows]


def cuts(connection: Connection, rule: str, model: str) -> list[tuple[datetime, float]]:
    """(from when it holds, cut), oldest first."""
    rows = connection.execute(
        text("SELECT calibrated_to, cut FROM cuts WHERE rule = :rule AND model = :model ORDER BY calibrated_to"),
        {"rule": rule, "model": model},
    )
    return [(row.calibrated_to, row.cut) for row in rows]


def save_cut(
    connection: Connection,
    rule: str,
    model: str,
    calibrated_to: datetime,
    cut: float,
    budget: float,
    *,
    replace: bool = False,
) -> None:
    """Keeps the cut that holds from ``calibrated_to`` on; one that is set stays, unless it is to be replaced."""
    values = {"rule": rule, "model": model, "calibrated_to": calibrated_to, "cut": cut, "budget_per_day": budget}
    statement = insert(tables.cuts).values(**values)
    changed = {"cut": cut, "budget_per_day": budget}
    keys = ["rule", "model", "calibrated_to"]
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changed)
        if replace
        else statement.on_conflict_do_nothing()
    )


def span(connection: Connection) -> tuple[datetime, datetime] | None:
    """First and last publication of the stored documents that name an entity; None without any."""
    row = connection.execute(text("SELECT min(published_at) AS first, max(published_at) AS last FROM mentions")).one()
    return None if row.first is None else (row.first, row.last)

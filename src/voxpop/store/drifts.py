"""What drift is judged by, and what was found, a row a measure and day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from voxpop.store.tables import drifts


class Drift(NamedTuple):
    """One measure of the week that ends at ``until`` against the weeks before."""

    measure: str
    model: str
    until: datetime
    score: float
    recent: Mapping[str, int]
    usual: Mapping[str, int]


class Counted(NamedTuple):
    """Of one span how many stories or documents are of each kind."""

    labels: dict[str, int]
    unsure: dict[str, int]
    languages: dict[str, int]
    links: dict[str, int]


_LABELS = text(
    "SELECT coalesce(sum(negative_stories), 0) AS negative, coalesce(sum(positive_stories), 0) AS positive,"
    " coalesce(sum(unsure_stories), 0) AS unsure, coalesce(sum(stories - unread_stories), 0) AS read FROM ("
    " SELECT DISTINCT ON (entity_id, start) * FROM trend_points"
    "  WHERE model = :model AND start >= :start AND start < :end ORDER BY entity_id, start, revision DESC) t"
)

_DOCUMENTS = text(
    "SELECT d.lang, count(*) AS documents, count(*) FILTER (WHERE EXISTS (SELECT FROM mentions m"
    "  WHERE m.document_id = d.document_id AND m.revision = d.revision)) AS linked"
    " FROM documents d WHERE d.latest AND d.published_at >= :start AND d.published_at < :end GROUP BY d.lang"
)


def counted(connection: Connection, model: str, start: datetime, end: datetime) -> Counted:
    """The counts of [start, end): stories by label as trend points count them, documents by language and link."""
    within = {"model": model, "start": start, "end": end}
    told = connection.execute(_LABELS, within).one()
    read, unsure, negative, positive = (int(n) for n in (told.read, told.unsure, told.negative, told.positive))
    heard = connection.execute(_DOCUMENTS, within).all()
    documents, linked = sum(row.documents for row in heard), sum(row.linked for row in heard)
    return Counted(
        labels={"negative": negative, "neutral": read - unsure - negative - positive, "positive": positive},
        unsure={"sure": read - unsure, "unsure": unsure},
        languages={row.lang: row.documents for row in heard},
        links={"linked": linked, "not linked": documents - linked},
    )


def heard(connection: Connection) -> tuple[datetime, datetime] | None:
    """First and last publication of the stored documents, linked or not; None without any."""
    row = connection.execute(text("SELECT min(published_at) AS first, max(published_at) AS last FROM documents")).one()
    return None if row.first is None else (row.first, row.last)


def save(connection: Connection, drift: Drift) -> None:
    """Stores what was found, or brings the row of the same measure, model and day up to date."""
    statement = insert(drifts).values(**drift._asdict())
    changed = {name: statement.excluded[name] for name in ("score", "recent", "usual")}
    keys = ["measure", "model", "until"]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def since(connection: Connection, model: str, at: datetime) -> list[Drift]:
    """What was found for the days from ``at`` on, by measure and day."""
    columns = (drifts.c[name] for name in Drift._fields)
    rows = connection.execute(
        select(*columns).where(drifts.c.model == model, drifts.c.until >= at).order_by(drifts.c.measure, drifts.c.until)
    )
    return [Drift(*row) for row in rows]


def told(connection: Connection, measure: str, model: str, score: float) -> Drift | None:
    """The row with this very score, which is the one that an alert tells of; None if it was judged anew since."""
    columns = (drifts.c[name] for name in Drift._fields)
    row = connection.execute(
        select(*columns)
        .where(drifts.c.measure == measure, drifts.c.model == model, drifts.c.score == score)
        .order_by(drifts.c.until.desc())
    ).first()
    return None if row is None else Drift(*row)

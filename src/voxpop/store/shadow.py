"""What a further model version has read of the stored documents, and what it has not."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from voxpop.records import Document, Mention

_ONE_READER = 7_305_004  # any number of our own

_UNREAD = (
    "(NOT EXISTS (SELECT FROM readings r"
    "  WHERE r.document_id = d.document_id AND r.revision = d.revision AND r.model = :model)"
    " OR EXISTS (SELECT FROM mentions m WHERE m.document_id = d.document_id AND m.revision = d.revision"
    "  AND NOT EXISTS (SELECT FROM opinions o WHERE o.document_id = m.document_id AND o.revision = m.revision"
    "   AND o.entity_id = m.entity_id AND o.model = :model)))"
)
"""A document that was linked anew since it was read is to be read again, for its new entities."""
_SPAN = " FROM documents d WHERE d.latest AND d.published_at >= :since"
_LEFT = f"{_SPAN} AND {_UNREAD}"
_COUNT = text("SELECT count(*)" + _LEFT)
_NEXT = text(  # the parts are our own
    "SELECT d.document_id AS id, d.revision, d.source, d.channel, d.published_at, d.revised_at, d.received_at,"  # noqa: S608
    " d.sequence, d.text, d.title_end, d.lang, d.url, d.author, d.linked_with,"
    " (SELECT coalesce(json_agg(json_build_object('entity', m.entity_id, 'start', m.start, 'end', m.\"end\","
    "   'relevance', m.relevance, 'confidence', m.confidence) ORDER BY m.start), '[]')"
    "  FROM mentions m WHERE m.document_id = d.document_id AND m.revision = d.revision) AS mentions"
    + _LEFT
    + " ORDER BY d.published_at DESC, d.document_id LIMIT :limit"
)


_DAYS = text(  # the parts are our own
    "SELECT date_trunc('day', d.published_at, 'UTC') AS start, count(*) AS documents,"
    f" count(*) FILTER (WHERE {_UNREAD}) AS unread{_SPAN} GROUP BY 1 ORDER BY 1"
)


class Day(NamedTuple):
    """How much of a day, UTC, a version has not read."""

    start: datetime
    documents: int
    unread: int


def days(connection: Connection, model: str, since: datetime) -> list[Day]:
    """The days from ``since`` on in which something was published."""
    return [Day(*row) for row in connection.execute(_DAYS, {"model": model, "since": since})]


class Progress(NamedTuple):
    """How far a version has come."""

    read: int
    """Documents in which it has read, or found nothing that it could."""
    left: int
    """Latest documents of the span that it has not read yet."""
    first: datetime | None
    last: datetime | None
    """Publication of the earliest and the latest document that it has read."""


def left(connection: Connection, model: str, since: datetime) -> int:
    """How many documents published since then the version has not read."""
    return int(connection.execute(_COUNT, {"model": model, "since": since}).scalar_one())


def unread(connection: Connection, model: str, since: datetime, limit: int) -> list[Document]:
    """The latest of these (without words and bands)."""
    found = []
    for row in connection.execute(_NEXT, {"model": model, "since": since, "limit": limit}):
        fields = dict(row._mapping)
        fields["mentions"] = tuple(Mention(**mention) for mention in fields["mentions"])
        found.append(Document(words="", **fields))
    return found


def progress(connection: Connection, model: str, since: datetime) -> Progress:
    """How far the version has come with what was published since then."""
    row = connection.execute(
        text(
            "SELECT count(*) AS read, min(d.published_at) AS first, max(d.published_at) AS last FROM documents d"
            " JOIN readings r ON r.document_id = d.document_id AND r.revision = d.revision AND r.model = :model"
            " WHERE d.latest AND d.published_at >= :since"
        ),
        {"model": model, "since": since},
    ).one()
    return Progress(row.read, left(connection, model, since), row.first, row.last)


def only_reader(connection: Connection, *, wait: bool = False) -> bool:
    """Whether nobody else reads in the shadow (with ``wait``: once nobody does); held until the transaction ends."""
    if wait:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_READER})
        return True
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _ONE_READER}).scalar_one())

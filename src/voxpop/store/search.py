"""Documents that may answer a question, by their words (PostgreSQL's full text; Chinese by pairs of characters)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from voxpop.errors import StoreUnavailable

MOST_TERMS: Final = 24
_POOL: Final = 400
"""Documents of each pool that are ranked, the newest; ranking reads their texts."""
_PATIENCE: Final = "5s"


class Found(NamedTuple):
    """A document that has words of the question, one of those with equal words."""

    document: str
    revision: str
    source: str
    channel: str
    author: str | None
    url: str | None
    published_at: datetime
    lang: str
    text: str
    title_end: int
    rank: float
    """Of its words, greater is nearer."""


_TERMS = text("SELECT tsvector_to_array(voxpop_terms(:asked)) AS terms")

_SEARCH = text(
    "WITH pool AS ("
    " (SELECT d.document_id, d.revision FROM documents d WHERE voxpop_terms(d.text) @@ CAST(:every AS tsquery)"
    "  AND d.published_at >= :start AND d.published_at < :end AND d.available_at <= :as_of"
    "  AND (CAST(:entities AS text[]) IS NULL OR EXISTS (SELECT FROM mentions m WHERE m.document_id = d.document_id"
    "   AND m.revision = d.revision AND m.entity_id = ANY(:entities)))"
    "  ORDER BY d.published_at DESC LIMIT :pool)"
    " UNION"
    " (SELECT d.document_id, d.revision FROM documents d WHERE voxpop_terms(d.text) @@ CAST(:some AS tsquery)"
    "  AND d.published_at >= :start AND d.published_at < :end AND d.available_at <= :as_of"
    "  AND (CAST(:entities AS text[]) IS NULL OR EXISTS (SELECT FROM mentions m WHERE m.document_id = d.document_id"
    "   AND m.revision = d.revision AND m.entity_id = ANY(:entities)))"
    "  ORDER BY d.published_at DESC LIMIT :pool)),"
    " ranked AS (SELECT d.*, ts_rank_cd(voxpop_terms(d.text), CAST(:some AS tsquery), 1) AS rank,"
    "  coalesce(s.fingerprint::text, d.document_id) AS words"
    "  FROM pool JOIN documents d USING (document_id, revision)"
    "  LEFT JOIN story_members s ON s.document_id = d.document_id"
    "  WHERE NOT EXISTS (SELECT FROM documents n WHERE n.document_id = d.document_id AND n.available_at <= :as_of"
    "   AND (n.revised_at, n.sequence, n.revision) > (d.revised_at, d.sequence, d.revision))),"
    " distinct_words AS (SELECT DISTINCT ON (words) * FROM ranked ORDER BY words, published_at, document_id)"
    " SELECT document_id, revision, source, channel, author, url, published_at, lang, text, title_end, rank"
    " FROM distinct_words ORDER BY rank DESC, published_at DESC, document_id LIMIT :most"
)


def search(
    connection: Connection,
    asked: str,
    *,
    start: datetime,
    end: datetime,
    as_of: datetime,
    entities: Sequence[str] | None = None,
    most: int = 50,
) -> list[Found]:
    """The documents that have most of the words of ``asked``, the nearest first; those of equal words once.

    Args:
        start: published then or later.
        end: published before then.
        as_of: nothing that became available later, and each document in the revision that was its latest then.
        entities: only documents that name one of these.

    Raises:
        StoreUnavailable: it took too long.
    """
    terms = connection.execute(_TERMS, {"asked": asked}).scalar_one()[:MOST_TERMS]
    if not terms:
        return []
    quoted = ["'" + term.replace("\\", "\\\\").replace("'", "''") + "'" for term in terms]
    values = {"every": " & ".join(quoted), "some": " | ".join(quoted), "start": start, "end": end, "as_of": as_of}
    names = None if entities is None else list(entities)
    try:
        connection.execute(text(f"SET LOCAL statement_timeout = '{_PATIENCE}'"))
        rows = connection.execute(_SEARCH, {**values, "entities": names, "most": most, "pool": _POOL}).all()
        connection.execute(text("SET LOCAL statement_timeout = DEFAULT"))
    except OperationalError as error:
        connection.rollback()
        raise StoreUnavailable("the search took too long: name a company, or ask about a shorter time") from error
    return [Found(*row) for row in rows]

"""Stored documents that must be looked at again, and raw records that must go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from voxpop.records import Document, Mention

_OLDER = text(
    "SELECT d.document_id AS id, d.revision, d.source, d.channel, d.published_at, d.revised_at, d.received_at,"
    " d.sequence, d.text, d.title_end, d.lang, d.url, d.author, d.linked_with, e.reach, e.replies,"
    " (SELECT coalesce(json_agg(json_build_object('entity', m.entity_id, 'start', m.start, 'end', m.\"end\","
    "   'relevance', m.relevance, 'confidence', m.confidence) ORDER BY m.start), '[]')"
    "  FROM mentions m WHERE m.document_id = d.document_id AND m.revision = d.revision) AS mentions"
    " FROM documents d JOIN LATERAL (SELECT reach, replies FROM engagements e"
    "  WHERE e.document_id = d.document_id ORDER BY received_at DESC, reach DESC, replies DESC LIMIT 1) e ON true"
    " WHERE d.latest AND d.linked_with <> :version"
    " ORDER BY d.document_id LIMIT :limit FOR UPDATE OF d SKIP LOCKED"
)


def older_links(connection: Connection, version: str, *, limit: int) -> list[Document]:
    """Documents whose mentions come from another version of the watchlist (without words and bands)."""
    found = []
    for row in connection.execute(_OLDER, {"version": version, "limit": limit}):
        fields = dict(row._mapping)
        fields["mentions"] = tuple(Mention(**mention) for mention in fields["mentions"])
        found.append(Document(words="", **fields))
    return found


def mark_linked(connection: Connection, keys: Sequence[tuple[str, str]], version: str) -> None:
    """Notes that these (document id, revision) were linked with ``version``."""
    connection.execute(
        text(
            "UPDATE documents d SET linked_with = :version FROM unnest(CAST(:ids AS text[]),"
            " CAST(:revisions AS text[])) AS k(id, revision)"
            " WHERE d.document_id = k.id AND d.revision = k.revision"
        ),
        {"version": version, "ids": [k[0] for k in keys], "revisions": [k[1] for k in keys]},
    )


def expire_raw(connection: Connection, before: datetime) -> int:
    """Deletes dead letters, and records of the log that every group has read, received before ``before``.

    What no group has ever read stays: it would be lost.
    """
    log = connection.execute(
        text(
            "DELETE FROM log_records r USING (SELECT topic_id, partition, min(next_offset) AS done FROM positions"
            " GROUP BY topic_id, partition) p WHERE p.topic_id = r.topic_id AND p.partition = r.partition"
            ' AND r."offset" < p.done AND r.received_at < :before'
        ),
        {"before": before},
    )
    dead = connection.execute(text("DELETE FROM dead_letters WHERE received_at < :before"), {"before": before})
    return log.rowcount + dead.rowcount

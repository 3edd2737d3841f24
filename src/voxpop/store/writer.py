"""Writes what was read, in one transaction with the offsets that it came from.

Everything is keyed by nature, so that a record written twice is written once, and nothing that is written depends on
which other records came in the same batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import Connection, text

from voxpop.records import DeadLetter, Document, Reading
from voxpop.store import bulk, erasures, models, stories, tables
from voxpop.store.locks import commit_order
from voxpop.store.trends import mark_stale


def write_dead_letters(connection: Connection, letters: Iterable[DeadLetter]) -> None:
    """Keeps refused records; the same one from the same place is kept once."""
    rows = {d.id: (d.id, d.stage, _storable(d.reason), _storable(d.origin), d.position, d.payload) for d in letters}
    columns = ["id", "stage", "reason", "origin", "position", "payload"]
    bulk.upsert(connection, tables.dead_letters, columns, rows.values())


def _storable(words: str) -> str:
    """The words without what PostgreSQL refuses in a text: an error often quotes the very record that caused it."""
    return words.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def write_readings(
    connection: Connection, readings: Sequence[Reading], *, retells: stories.Retells, story_window: timedelta
) -> None:
    """Stores documents, mentions, stories and what was read in them, and marks the windows that they change."""
    if not readings:
        return
    commit_order(connection)
    readings = erasures.without_erased(connection, readings)
    if not readings:
        return
    documents = _latest_of_each([reading.document for reading in readings])
    ids = list({document.id for document in documents})
    mark_stale(connection, documents=ids, stories=_stories_of(connection, ids))  # what they were counted in until now
    _write_documents(connection, documents)
    _write_engagements(connection, [reading.document for reading in readings])
    _write_mentions(connection, documents)
    results = {(r.document.id, r.document.revision, r.model): r for r in readings}.values()
    _write_results(connection, results)
    _write_said(connection, results)
    entries = [stories.Entry(d.id, d.published_at, d.words, d.bands) for d in _still_latest(connection, documents)]
    stories.assign(connection, entries, retells=retells, window=story_window)
    mark_stale(connection, documents=ids, stories=_stories_of(connection, ids))


def write_beside(connection: Connection, readings: Sequence[Reading]) -> None:
    """Stores what a further model version read in documents that are stored; of others nothing is kept.

    Windows change by it only where that version is the one that counts.
    """
    commit_order(connection)
    there = _still_latest(connection, [reading.document for reading in readings])
    ids = {(d.id, d.revision) for d in there}
    kept = [r for r in readings if (r.document.id, r.document.revision) in ids]
    _write_results(connection, kept)
    _write_said(connection, kept)
    if (counts := models.active(connection)) is not None:
        documents = [r.document.id for r in kept if r.model == counts]
        mark_stale(connection, documents=documents, stories=_stories_of(connection, documents))


def _latest_of_each(documents: Iterable[Document]) -> list[Document]:
    """One document for each (id, revision): the last to arrive."""
    latest: dict[tuple[str, str], Document] = {}
    for document in documents:
        key = (document.id, document.revision)
        if key not in latest or document.sequence >= latest[key].sequence:
            latest[key] = document
    return list(latest.values())


def _write_documents(connection: Connection, documents: Sequence[Document]) -> None:
    columns = [
        *("document_id", "revision", "latest", "source", "channel", "published_at", "revised_at", "received_at"),
        *("sequence", "lang", "title_end", "text", "url", "author", "linked_with"),
    ]
    bulk.upsert(
        connection,
        tables.documents,
        columns,
        [
            (
                *(d.id, d.revision, False, d.source, d.channel, d.published_at, d.revised_at, d.received_at),
                *(d.sequence, d.lang, d.title_end, d.text, d.url, d.author, d.linked_with),
            )
            for d in documents
        ],
        update=["linked_with"],
        greatest=["sequence", "revised_at"],
    )
    connection.execute(
        text(
            "UPDATE documents d SET latest = (d.revision = newest.revision) FROM ("
            " SELECT DISTINCT ON (document_id) document_id, revision FROM documents WHERE document_id = ANY(:ids)"
            " ORDER BY document_id, revised_at DESC, sequence DESC, revision DESC) AS newest"
            " WHERE d.document_id = newest.document_id AND d.latest <> (d.revision = newest.revision)"
        ),
        {"ids": [d.id for d in documents]},
    )


def _write_engagements(connection: Connection, documents: Iterable[Document]) -> None:
    """Each figure that was seen, however many came in one batch, with the first time at which it stood."""
    seen: dict[tuple[str, int, int], Document] = {}
    for d in documents:
        first = seen.setdefault((d.id, d.reach, d.replies), d)
        if d.revised_at < first.revised_at:
            seen[d.id, d.reach, d.replies] = d
    bulk.upsert(
        connection,
        tables.engagements,
        ["document_id", "reach", "replies", "as_of", "received_at"],
        [(*key, d.revised_at, d.received_at) for key, d in seen.items()],
        least=["as_of"],
    )


def _write_mentions(connection: Connection, documents: Sequence[Document]) -> None:
    """The mentions of each document are those of its latest linking; one that it had before stays as it is."""
    columns = ["document_id", "revision", "entity_id", "start", "end", "relevance", "confidence", "published_at"]
    rows = [
        (d.id, d.revision, m.entity, m.start, m.end, m.relevance, float(m.confidence), d.published_at)
        for d in documents
        for m in d.mentions
    ]
    connection.execute(
        _UNLINK,
        {"ids": [d.id for d in documents], "revisions": [d.revision for d in documents]}
        | {f"new_{name}": [row[n] for row in rows] for n, name in enumerate(columns)},
    )
    bulk.upsert(connection, tables.mentions, columns, rows, fresh=True)


_UNLINK = text(
    "DELETE FROM mentions m USING unnest(CAST(:ids AS text[]), CAST(:revisions AS text[])) AS d(document_id, revision)"
    " WHERE (m.document_id, m.revision) = (d.document_id, d.revision) AND NOT EXISTS ("
    "  SELECT FROM unnest(CAST(:new_document_id AS text[]), CAST(:new_revision AS text[]),"
    "   CAST(:new_entity_id AS text[]), CAST(:new_start AS int[]), CAST(:new_end AS int[]),"
    "   CAST(:new_relevance AS text[]), CAST(:new_confidence AS real[]), CAST(:new_published_at AS timestamptz[]))"
    '   AS n(document_id, revision, entity_id, start, "end", relevance, confidence, published_at)'
    "  WHERE (n.document_id, n.revision, n.entity_id, n.start) = (m.document_id, m.revision, m.entity_id, m.start)"
    '   AND (n."end", n.relevance, n.confidence, n.published_at)'
    '    = (m."end", m.relevance, m.confidence, m.published_at))'
)


def _write_results(connection: Connection, readings: Iterable[Reading]) -> None:
    readings = list(readings)
    bulk.upsert(
        connection,
        tables.readings,
        ["document_id", "revision", "model", "read", "topics", "topic_scores"],
        [
            (
                *(r.document.id, r.document.revision, r.model, r.read),
                *([t.label for t in r.topics], [t.score for t in r.topics]),
            )
            for r in readings
        ],
        fresh=True,
    )
    bulk.upsert(
        connection,
        tables.opinions,
        ["document_id", "revision", "entity_id", "model", "label", "negative", "neutral", "positive"],
        [
            (r.document.id, r.document.revision, o.entity, r.model, o.label, o.negative, o.neutral, o.positive)
            for r in readings
            for o in r.opinions
        ],
        fresh=True,
    )


def _write_said(connection: Connection, readings: Iterable[Reading]) -> None:
    """Claims and risk events."""
    readings = list(readings)
    bulk.upsert(
        connection,
        tables.claims,
        [
            *("document_id", "revision", "entity_id", "model", "question", "start", "end"),
            *("score", "entailment", "factuality"),
        ],
        [
            (
                *(r.document.id, r.document.revision, c.entity, r.model, c.question, c.start, c.end),
                *(c.score, c.entailment, c.factuality),
            )
            for r in readings
            for c in r.claims
        ],
        fresh=True,
    )
    bulk.upsert(
        connection,
        tables.risks,
        ["document_id", "revision", "entity_id", "model", "event", "severity", "sentence", "score"],
        [
            (r.document.id, r.document.revision, k.entity, r.model, k.event, k.severity, k.sentence, k.score)
            for r in readings
            for k in r.risks
        ],
        fresh=True,
    )


def _still_latest(connection: Connection, documents: Sequence[Document]) -> list[Document]:
    """Those of ``documents`` that are the latest revision of their item."""
    rows = connection.execute(
        text("SELECT document_id, revision FROM documents WHERE latest AND document_id = ANY(:ids)"),
        {"ids": [d.id for d in documents]},
    )
    latest = {(row.document_id, row.revision) for row in rows}
    return [d for d in documents if (d.id, d.revision) in latest]


def _stories_of(connection: Connection, ids: Sequence[str]) -> set[str]:
    rows = connection.execute(
        text("SELECT DISTINCT story_id FROM story_members WHERE document_id = ANY(:ids)"), {"ids": list(ids)}
    )
    return {row.story_id for row in rows}

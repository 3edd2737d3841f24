"""Keeps each document's story while documents come in any order.

A story is a connected component of the graph whose edges join two documents that retell each other (verified on
their normalised words) and were published within the window. Components do not depend on the order of arrival, so
neither does anything here: a story is named by its earliest (published_at, document id).

The work for a document is near-constant in the number of stored ones. Candidates come from an index of
locality-sensitive hashes, kept once for each distinct text. And of the documents that share one text only the nearest
before and the nearest after need be joined: the others within the window on that side are joined to these already,
since neighbours among them lie closer together than the window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from voxpop.records import digest
from voxpop.store import bulk
from voxpop.store.tables import story_bands, story_members, story_texts
from voxpop.store.trends import mark_stale

Retells = Callable[[str, str], bool]


class Entry(NamedTuple):
    """A document as the story index sees it."""

    document_id: str
    published_at: datetime
    words: str
    bands: tuple[int, ...]


class _Member(NamedTuple):
    document_id: str
    published_at: datetime
    fingerprint: int


def fingerprint(words: str) -> int:
    """A signed 64-bit name of a normalised text."""
    return int.from_bytes(bytes.fromhex(digest(words, size=8)), "big", signed=True)


def assign(connection: Connection, entries: Iterable[Entry], *, retells: Retells, window: timedelta) -> None:
    """Joins the documents to their stories and marks the windows that this changes.

    The caller holds the commit-order lock, so that no two writers place documents at once.
    """
    known = {entry.document_id: entry for entry in entries}
    members = _new_members(connection, known)
    if not members:
        return
    _index(connection, [known[m.document_id] for m in members if m.document_id in known])
    _join(connection, members, retells, window)


def withdraw(connection: Connection, documents: Sequence[str], *, retells: Retells, window: timedelta) -> Counter[str]:
    """Takes documents out of their stories; what is left of each story is joined anew, since it may have fallen apart.

    The caller holds the commit-order lock, and has marked the windows that count these stories.

    Returns:
        Rows deleted, by table.
    """
    gone = connection.execute(
        text("DELETE FROM story_members WHERE document_id = ANY(:ids) RETURNING story_id, fingerprint"),
        {"ids": list(documents)},
    ).all()
    counts = Counter({"story_members": len(gone)})
    for table in ("story_texts", "story_bands"):
        untold = connection.execute(
            text(
                f"DELETE FROM {table} t WHERE fingerprint = ANY(:prints)"  # noqa: S608 - our own names
                " AND NOT EXISTS (SELECT FROM story_members s WHERE s.fingerprint = t.fingerprint)"
            ),
            {"prints": list({row.fingerprint for row in gone})},
        )
        counts[table] += untold.rowcount
    rest = connection.execute(
        text("SELECT document_id, published_at, fingerprint FROM story_members WHERE story_id = ANY(:ids)"),
        {"ids": list({row.story_id for row in gone})},
    )
    members = [_Member(*row) for row in rest]
    if members:
        _join(connection, members, retells, window)
    return counts


def _join(connection: Connection, members: Sequence[_Member], retells: Retells, window: timedelta) -> None:
    """Gives each member a story of its own, and unites those that retell each other."""
    bulk.upsert(
        connection,
        story_members,
        ["document_id", "story_id", "fingerprint", "published_at"],
        [(m.document_id, m.document_id, m.fingerprint, m.published_at) for m in members],
        update=["story_id", "fingerprint", "published_at"],
    )
    repeats = _repeats(connection, members, retells, window)
    _merge(connection, members, _neighbours(connection, members, repeats, window))


def _new_members(connection: Connection, known: dict[str, Entry]) -> list[_Member]:
    """The documents to place: those not placed yet, and every member of a story that a changed text may have split."""
    members = {e.document_id: _Member(e.document_id, e.published_at, fingerprint(e.words)) for e in known.values()}
    placed = connection.execute(
        text("SELECT document_id, story_id, fingerprint FROM story_members WHERE document_id = ANY(:ids)"),
        {"ids": list(members)},
    ).all()
    changed = {row.story_id for row in placed if row.fingerprint != members[row.document_id].fingerprint}
    for row in placed:
        if row.story_id not in changed:
            del members[row.document_id]
    if changed:
        mark_stale(connection, stories=changed)
        rest = connection.execute(
            text("SELECT document_id, published_at, fingerprint FROM story_members WHERE story_id = ANY(:ids)"),
            {"ids": list(changed)},
        )
        for row in rest:
            members.setdefault(row.document_id, _Member(row.document_id, row.published_at, row.fingerprint))
    return list(members.values())


def _index(connection: Connection, entries: Sequence[Entry]) -> None:
    texts = {fingerprint(e.words): e for e in entries}
    bulk.upsert(connection, story_texts, ["fingerprint", "words"], [(f, e.words) for f, e in texts.items()])
    bulk.upsert(
        connection,
        story_bands,
        ["band", "fingerprint"],
        {(band, f): None for f, e in texts.items() for band in e.bands},
    )


def _repeats(
    connection: Connection, members: Sequence[_Member], retells: Retells, window: timedelta
) -> dict[int, set[int]]:
    """For each text of ``members`` those that retell it, itself among them; texts told long before or after are not
    looked at.
    """
    fingerprints = {m.fingerprint for m in members}
    pairs = {
        (min(row), max(row))
        for row in connection.execute(
            text(
                "WITH near AS MATERIALIZED ("
                "  SELECT DISTINCT a.fingerprint AS a, b.fingerprint AS b FROM unnest(CAST(:ours AS bigint[])) AS ours"
                "  JOIN story_bands a ON a.fingerprint = ours JOIN story_bands b ON b.band = a.band"
                "  WHERE a.fingerprint <> b.fingerprint)"
                " SELECT a, b FROM near WHERE EXISTS (SELECT FROM story_members s"
                "  WHERE s.fingerprint = near.b AND s.published_at BETWEEN :first AND :last)"
            ),
            {
                "ours": list(fingerprints),
                "first": min(m.published_at for m in members) - window,
                "last": max(m.published_at for m in members) + window,
            },
        ).tuples()
    }
    words = {
        row.fingerprint: row.words
        for row in connection.execute(
            text("SELECT fingerprint, words FROM story_texts WHERE fingerprint = ANY(:ids)"),
            {"ids": list({f for pair in pairs for f in pair})},
        )
    }
    repeats = {f: {f} for f in fingerprints}
    for a, b in pairs:
        if retells(words[a], words[b]):
            repeats.setdefault(a, set()).add(b)
            repeats.setdefault(b, set()).add(a)
    return repeats


def _neighbours(
    connection: Connection, members: Sequence[_Member], repeats: dict[int, set[int]], window: timedelta
) -> list[tuple[str, str]]:
    """Edges (document id, story id of its nearest neighbour) on either side of each document."""
    wanted = [(m.document_id, f, m.published_at) for m in members for f in repeats[m.fingerprint]]
    rows = connection.execute(
        text(
            "SELECT w.document_id, near.story_id FROM unnest(CAST(:documents AS text[]),"
            " CAST(:fingerprints AS bigint[]), CAST(:times AS timestamptz[])) AS w(document_id, fingerprint, at),"
            " LATERAL ((SELECT story_id FROM story_members s WHERE s.fingerprint = w.fingerprint"
            "   AND s.published_at BETWEEN w.at - :window AND w.at AND s.document_id <> w.document_id"
            "   ORDER BY s.published_at DESC LIMIT 1)"
            "  UNION ALL (SELECT story_id FROM story_members s WHERE s.fingerprint = w.fingerprint"
            "   AND s.published_at BETWEEN w.at AND w.at + :window AND s.document_id <> w.document_id"
            "   ORDER BY s.published_at LIMIT 1)) AS near"
        ),
        {
            "documents": [w[0] for w in wanted],
            "fingerprints": [w[1] for w in wanted],
            "times": [w[2] for w in wanted],
            "window": window,
        },
    )
    return [(row.document_id, row.story_id) for row in rows]


def _merge(connection: Connection, members: Sequence[_Member], edges: Sequence[tuple[str, str]]) -> None:
    """Unites the stories along ``edges`` and names each by its earliest member."""
    components = _components([m.document_id for m in members], edges)
    stories = [story for component in components for story in component]
    mark_stale(connection, stories=stories)  # where they are counted now ...
    rows = connection.execute(
        text("SELECT document_id, published_at FROM story_members WHERE document_id = ANY(:ids)"), {"ids": stories}
    )
    born = {row.document_id: row.published_at for row in rows}
    names: dict[str, str] = {}
    for component in components:
        earliest = min(component, key=lambda story: (born[story], story))
        names.update({story: earliest for story in component if story != earliest})
    if not names:
        return
    connection.execute(
        text(
            "UPDATE story_members s SET story_id = n.new FROM unnest(CAST(:old AS text[]), CAST(:new AS text[]))"
            " AS n(old, new) WHERE s.story_id = n.old"
        ),
        {"old": list(names), "new": list(names.values())},
    )
    mark_stale(connection, stories=set(names.values()))  # ... and where from now on


def _components(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Connected components, by union-find with path halving (Tarjan and van Leeuwen 1984)."""
    parent = {node: node for node in nodes}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in edges:
        parent[root(a)] = root(b)
    components: dict[str, list[str]] = {}
    for node in parent:
        components.setdefault(root(node), []).append(node)
    return list(components.values())

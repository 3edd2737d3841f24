"""What was told about a watchlist in a stretch of time, joined to stories, by what was known at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from voxpop.records import UNSURE_BELOW
from voxpop.reports.content import Figures
from voxpop.reports.grouping import Piece, grouped
from voxpop.store import known
from voxpop.store.known import Told
from voxpop.store.stories import fingerprint
from voxpop.text import stories


class Story(NamedTuple):
    """A story as it speaks of one entity."""

    entity: str
    name: str
    """Id of its earliest document."""
    told: list[Told]
    """By time."""

    @property
    def at(self) -> datetime:
        """When it was first told."""
        return self.told[0].at

    @property
    def reach(self) -> int:
        """Of all its documents."""
        return sum(one.reach for one in self.told)

    @property
    def label(self) -> str | None:
        """By the mean of its documents, as trend points count it: negative, positive, other; None: unread."""
        read = [one for one in self.told if one.negative is not None]
        if not read:
            return None
        negative, neutral, positive = (
            sum(values) / len(read) for values in zip(*((o.negative, o.neutral, o.positive) for o in read), strict=True)
        )
        if negative >= UNSURE_BELOW and negative > max(neutral, positive):
            return "negative"
        return "positive" if positive >= UNSURE_BELOW and positive > max(neutral, negative) else "other"


def read(connection: Connection, told: Sequence[Told], window: timedelta) -> list[Story]:
    """The stories that the documents tell, by entity and time."""
    prints = _fingerprints(connection, told)
    pairs = known.candidates(connection, set(prints.values()))
    words = known.words(connection, {one for pair in pairs for one in pair})
    pieces = {Piece(one.document, one.at, prints[one.document]) for one in told}
    names = grouped(pieces, pairs, lambda a, b: stories.retells(words[a], words[b]), window)
    found: dict[tuple[str, str], list[Told]] = {}
    for one in told:
        found.setdefault((one.entity, names[one.document]), []).append(one)
    return [Story(entity, name, of) for (entity, name), of in found.items()]


def _fingerprints(connection: Connection, told: Iterable[Told]) -> dict[str, int]:
    """Of each document; those of revisions that have been corrected since are computed again from their text."""
    stored = {one.document: one.fingerprint for one in told if one.fingerprint is not None}
    others = {(one.document, one.revision) for one in told if one.fingerprint is None}
    for (document, _), (text, title_end) in known.texts(connection, sorted(others)).items():
        stored[document] = fingerprint(stories.normalise(text, title_end))
    return stored


def figures(of: Iterable[Story], start: datetime, end: datetime) -> Figures:
    """What was told in [start, end); a story counts where it was first told, its documents where they were."""
    documents: dict[str, int] = {}
    names: dict[str, set[str | None]] = {}
    for story in of:
        documents |= {one.document: one.reach for one in story.told if start <= one.at < end}
        if start <= story.at < end:
            names.setdefault(story.name, set()).add(story.label)
    negative = sum("negative" in labels for labels in names.values())
    unread = sum(labels == {None} for labels in names.values())
    return Figures(len(documents), len(names), negative, unread, sum(documents.values()))

"""The past as it was known at a time, for study: ``voxpop.history``.

A story is a function of documents, so the stories of a past day are computed from the documents that were known on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import Connection

from voxpop.app import App
from voxpop.errors import SettingError, StoreError
from voxpop.records import UNSURE_BELOW
from voxpop.store import asof, gates
from voxpop.store import models as model_versions
from voxpop.store.asof import Known, Span
from voxpop.store.locks import settled
from voxpop.text import stories

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["trends", "opinions", "claims", "stories"]
Moment = datetime | date | str
_STORY_COLUMNS = (
    *("entity", "story", "first", "last", "documents", "sources", "reach", "label"),
    *("negative", "neutral", "positive", "model"),
)


def history(
    entities: str | Iterable[str],
    start: Moment,
    end: Moment,
    as_of: Moment | None = None,
    kind: Kind = "trends",
    *,
    app: App | None = None,
) -> pd.DataFrame:
    """What was published about entities in [start, end), as it was known at ``as_of``.

    Rows that became available later are not there, and a document that was corrected later is as it was before. What a
    replay wrote bears the time of its clock and is marked as ``reconstructed``.

    >>> voxpop.history(["acme"], "2026-03-01", "2026-04-01", as_of="2026-03-15T09:00Z")  # doctest: +SKIP

    Args:
        entities: ids or names.
        start: a time, a day, or either as ISO 8601; without a zone UTC is meant.
        end: likewise.
        as_of: likewise; None, and the latest: now, or when the oldest write under way began.
        kind: ``trends`` (a row for each entity and hour), ``opinions`` (each document and entity), ``claims`` or
            ``stories`` (first told in the span).
        app: the live objects to use; None: those of the settings in force.

    Returns:
        Rows, and as ``attrs["as_of"]`` the time as of which they are, in ISO 8601: as of it they stay the same.

    Raises:
        SettingError: nobody ever watched such an entity, a time is none, or there is no such kind.
        StoreError: nothing was read yet.
    """
    import pandas as pd

    if kind not in get_args(Kind):
        raise SettingError(f"kind {kind!r} is none of {', '.join(get_args(Kind))}")
    with ExitStack() as opened:
        live = app or opened.enter_context(App())
        window = timedelta(hours=live.settings.story_window_hours)
        with live.engine.connect() as connection:
            asked = _span(connection, entities, start, end, as_of)
            if kind == "stories":
                frame = pd.DataFrame(stories_known(connection, asked, window), columns=list(_STORY_COLUMNS))
            else:
                known = {"trends": asof.trends, "opinions": asof.opinions, "claims": asof.claims}
                found = known[kind](connection, asked)
                frame = pd.DataFrame(found.rows, columns=found.columns)
            frame.attrs["as_of"] = asked.as_of.isoformat()  # text, since Parquet takes attributes as JSON
            return frame


def _span(
    connection: Connection, entities: str | Iterable[str], start: Moment, end: Moment, as_of: Moment | None
) -> Span:
    known = settled(connection, None if as_of is None else _moment(as_of))
    model = model_versions.active(connection, known)
    if model is None:
        raise StoreError("no document was read yet, so there is no history")
    names = [entities] if isinstance(entities, str) else list(entities)
    return Span([_entity(connection, name) for name in names], model, _moment(start), _moment(end), known)


def _entity(connection: Connection, name: str) -> str:
    return gates.entity(connection, name).entity


def _moment(given: Moment) -> datetime:
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise SettingError(f"{given!r} is no time: 2026-03-15 or 2026-03-15T09:30Z are") from None
    if not isinstance(given, datetime):
        given = datetime.combine(given, time())
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


def stories_known(connection: Connection, asked: Span, window: timedelta) -> list[dict[str, Any]]:
    """The stories first told in the span, by entity and beginning; what began before it, within the window, is looked
    at to be left out."""
    known = asof.documents(connection, asked._replace(start=asked.start - window))
    story = _told(known, window)
    grouped: dict[tuple[str, str], list[Known]] = {}
    for one in known:
        grouped.setdefault((one.entity, story[one.document]), []).append(one)
    rows = [_row(*key, told, asked.model) for key, told in grouped.items() if told[0].published_at >= asked.start]
    return sorted(rows, key=lambda row: (row["entity"], row["first"], row["story"]))


def _told(known: Sequence[Known], window: timedelta) -> dict[str, str]:
    """The story of each document, named by its earliest (published_at, id); ``known`` by these two."""
    earliest: dict[str, str] = {}

    def root(document: str) -> str:
        while earliest[document] != document:
            document = earliest[document]
        return document

    published = {one.document: one.published_at for one in known}
    for one, near in _near_repeats(known, window):
        earliest.setdefault(one, one)
        for other in near:
            first, second = sorted((root(one), root(other)), key=lambda document: (published[document], document))
            earliest[second] = first
    return {document: root(document) for document in earliest}


def _near_repeats(known: Sequence[Known], window: timedelta) -> Iterator[tuple[str, list[str]]]:
    """Each document with the earlier ones that it retells."""
    by_band: dict[int, list[str]] = {}
    words: dict[str, str] = {}
    published = {one.document: one.published_at for one in known}
    for one in known:
        if one.document in words:
            continue
        said = words[one.document] = stories.normalise(one.text, one.title_end)
        keys = stories.bands(said)
        candidates = dict.fromkeys(other for key in keys for other in by_band.get(key, ()))
        recent = [other for other in candidates if one.published_at - published[other] <= window]
        yield one.document, [other for other in recent if stories.retells(words[other], said)]
        for key in keys:
            by_band.setdefault(key, []).append(one.document)


def _row(entity: str, story: str, told: Sequence[Known], model: str) -> dict[str, Any]:
    """Judged by the mean of its documents, as trend points count it."""
    read = [(one.negative, one.neutral, one.positive) for one in told if one.negative is not None]
    means = [sum(float(p or 0) for p in of) / len(read) for of in zip(*read, strict=True)] if read else [None] * 3
    return {
        "entity": entity,
        "story": story,
        "first": told[0].published_at,
        "last": told[-1].published_at,
        "documents": len(told),
        "sources": len({one.source for one in told}),
        "reach": sum(one.reach for one in told),
        "label": _label(means),
        **dict(zip(("negative", "neutral", "positive"), means, strict=True)),
        "model": model,
    }


def _label(means: Sequence[float | None]) -> str | None:
    """None where nothing was read."""
    read = {name: p for name, p in zip(("negative", "neutral", "positive"), means, strict=True) if p is not None}
    if not read:
        return None
    best = max(read, key=lambda name: read[name])
    return best if read[best] >= UNSURE_BELOW else "unsure"

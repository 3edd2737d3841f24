"""What goes: documents that have been kept long enough, and those of an author or a source that are to be erased.

An erasure is noted first, by a hash of whose it is, so that from then on nothing from before can be stored again; then
it goes on in small transactions until nothing is left. Killed anywhere, the same command goes on; run again, it finds
nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine, text

from voxpop import testing
from voxpop.errors import SettingError, StoreError
from voxpop.log.base import Log
from voxpop.records import TOPICS
from voxpop.settings import Settings
from voxpop.signals.meaning import FEED
from voxpop.store import deadletters, erasures, feeds, positions
from voxpop.store.erasures import Subject
from voxpop.text import stories
from voxpop.text.mask import mask

_AT_ONCE = 200
"""Documents in one transaction: writers wait for it."""
RESULTS = "results"
"""Folder in the home folder of what models have computed."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where documents lie."""

    engine: Engine
    log: Log
    settings: Settings


def subject_of(author: str, source: str) -> Subject:
    """Whose documents are meant.

    Raises:
        SettingError: nobody's.
    """
    if author.strip():
        return Subject("author", mask(author.strip()), source.strip())
    if source.strip():
        return Subject("source", source.strip())
    raise SettingError("say whose documents: --author NAME, --source NAME, or both for an author in one source")


def count(place: Place, subject: Subject) -> dict[str, int]:
    """What an erasure would take out, as far as it can be told beforehand; nothing is written."""
    counts: Counter[str] = Counter()
    with place.engine.connect() as connection:
        ids = erasures.documents_of(connection, subject)
        for table in erasures.OF_DOCUMENTS:
            found = text(f"SELECT count(*) FROM {table.name} WHERE document_id = ANY(:ids)")  # noqa: S608 - our own names
            counts[table.name] = int(connection.execute(found, {"ids": ids}).scalar_one())
    counts["dead_letters"] = sum(len(some) for some in _letters(place.engine, subject))
    return dict(+counts + _in_log(place, subject, dry_run=True))


def erase(place: Place, subject: Subject, who: str, now: datetime) -> dict[str, int]:
    """Erases the subject's documents with everything made of them; returns rows by table, all tries together.

    Raises:
        SettingError: nobody is named as the one who does it.
        StoreError: the source is a feed that is polled still.
    """
    if not who.strip():
        raise SettingError("say who does it: --by NAME")
    with place.engine.begin() as connection:
        if subject.kind == "source" and any(kept.name == subject.name for kept in feeds.kept(connection)):
            raise StoreError(f"{subject.name!r} is polled still: `voxpop sources remove {subject.name}` first")
        began = erasures.begin(connection, subject, who, now)
    testing.reach("erasure-begun")

    def note(counts: Mapping[str, int]) -> None:
        with place.engine.begin() as connection:
            erasures.add(connection, subject, began, counts)

    _erase_documents(place, subject, began)
    for some in _letters(place.engine, subject):
        with place.engine.begin() as connection:
            erasures.add(connection, subject, began, {"dead_letters": deadletters.remove(connection, some)})
    note(_in_log(place, subject, dry_run=False))
    if subject.kind == "source":
        with place.engine.begin() as connection:
            erasures.add(connection, subject, began, erasures.silences_of(connection, subject.name, FEED))
    note({"results": forget_results(place.settings.home)})
    with place.engine.begin() as connection:
        return erasures.end(connection, subject, began)


def _erase_documents(place: Place, subject: Subject, began: datetime) -> None:
    while True:
        with place.engine.connect() as connection:
            ids = erasures.documents_of(connection, subject)
        if not ids:
            return
        for start in range(0, len(ids), _AT_ONCE):
            with place.engine.begin() as connection:
                some = ids[start : start + _AT_ONCE]
                counts = erasures.take_out(connection, some, recount=True, **_joined(place.settings))
                erasures.add(connection, subject, began, counts)
            testing.reach("erased")


def _joined(settings: Settings) -> dict[str, Any]:
    """How what is left of stories is joined."""
    return {"retells": stories.retells, "window": timedelta(hours=settings.story_window_hours)}


def _letters(engine: Engine, subject: Subject) -> Iterable[list[str]]:
    """Dead letters about the subject, some at a time."""
    about, after = about_of(subject, raw=True), ""
    while True:
        with engine.connect() as connection:
            found, after = erasures.dead_letters(connection, about, after, 500)
        if found:
            yield found
        if not after:
            return


def _in_log(place: Place, subject: Subject, *, dry_run: bool) -> Counter[str]:
    """Erases what the log holds; where the log cannot take single records out, what is left unread is counted, too."""
    counts: Counter[str] = Counter()
    ids = place.log.topic_ids(TOPICS.values())
    for topic in TOPICS.values():
        with place.engine.connect() as connection:
            read = positions.read(connection, ids.get(topic, ""))
        done = place.log.erase(topic, about_of(subject), read, dry_run=dry_run)
        counts["log_records"] += done.records
        counts["log_records_unread"] += done.left
    return counts


def about_of(subject: Subject, *, raw: bool = False) -> Callable[[bytes], bool]:
    """Whether a message of the log, or with ``raw`` anything that was refused, is the subject's."""
    word = re.compile(rf"(?<!\w){re.escape(subject.name)}(?!\w)")

    def same(author: object, source: object) -> bool:
        if subject.within and source != subject.within:
            return False
        of = author if subject.kind == "author" else source
        return isinstance(of, str) and (of == subject.name or mask(of.strip()) == subject.name)

    def about(value: bytes) -> bool:
        try:
            found = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return raw and word.search(mask(value.decode("utf-8", "replace"))) is not None
        if isinstance(found, dict) and (subject.kind in found or not raw):
            return same(found.get("author"), found.get("source"))
        return raw and any(isinstance(one, str) and mask(one.strip()) == subject.name for one in _strings(found))

    return about


def _strings(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _strings(one)
    else:
        yield value


def forget_results(home: Path) -> int:
    """Deletes what models have computed and kept on disk: it is named by hashes of texts, not by whose they are."""
    files = list((home / RESULTS).glob("*.sqlite*"))
    for path in files:
        path.unlink(missing_ok=True)
    return len(files)


def days_by_source(written: str) -> dict[str, int]:
    """The days of each source of "forum=30,wire=0".

    Raises:
        SettingError: it is not written so.
    """
    found = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        name, _, days = part.rpartition("=")
        if not name.strip() or not days.strip().isdigit():
            raise SettingError(f"VOXPOP_KEEP_DAYS_BY_SOURCE: {part!r} is not SOURCE=DAYS, as in forum=30,wire=0")
        found[name.strip()] = int(days)
    return found


def expire(engine: Engine, settings: Settings, now: datetime) -> int:
    """Takes out the documents that have been kept long enough; figures that counted them stay. Returns how many."""
    own = days_by_source(settings.keep_days_by_source)
    spans: list[tuple[str | None, int]] = [*own.items(), (None, settings.keep_days)]
    done = 0
    for source, days in spans:
        if not days:
            continue
        before = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)  # whole days
        while True:
            with engine.begin() as connection:
                ids = erasures.older_than(connection, before, _AT_ONCE, source=source, but=own)
                if ids:
                    erasures.take_out(connection, ids, recount=False, **_joined(settings))
            done += len(ids)
            if len(ids) < _AT_ONCE:
                break
    return done

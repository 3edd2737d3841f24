"""Feeds: RSS and Atom, polled politely, become items.

A poll asks with the ETag and date of the last answer and gives only the entries that are new or have changed. Its state
must be saved after its items are, never before: an interrupted poll is then repeated, and repeats fold away.

* An entry without a date is dated by the first poll that saw it.
* A date without a zone is refused, unless the feed names the zone of its dates.
* HTML is left to the cleaning step.
* With ``full_text`` an entry that brings only a summary gets the text of the article it links to. Where that cannot be
  had the summary stands in, and the next polls try again, three times at most.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from voxpop.errors import Refused, SettingError, SourceUnavailable
from voxpop.records import Channel, DeadLetter, Item, digest
from voxpop.sources.door import CHANNELS, MAX_NAME, admit, parse_date, refusal
from voxpop.text.clean import clean

if TYPE_CHECKING:
    from voxpop.sources.fetch import Answer, Fetcher

ARTICLE_TRIES: Final = 3
ARTICLES_A_POLL: Final = 50
"""Most articles fetched in one poll; the others come with the next."""
ARTICLES_SECONDS: Final = 60.0
"""After so long no further one is fetched in that poll: a slow site must not keep its other feeds waiting."""

_PROLOG: Final = 8 * 1024
_MOST_TITLE: Final = 80
_ENDS = re.compile(rb"</(\w+:)?(rss|feed|rdf)\s*>", re.IGNORECASE)
_LANG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """A feed to poll."""

    url: str
    name: str = ""
    """The source of its items; empty: what the feed calls itself."""
    channel: Channel = "news"
    full_text: bool = False
    zone: str | None = None
    """Zone of dates that name none, such as ``Europe/London``."""


class Seen(msgspec.Struct, frozen=True):
    """What is remembered of an entry of the feed's last answer."""

    first: datetime
    mark: str = ""
    """Hash of its words; empty where it was refused, so that it is looked at again."""
    tries: int = 0
    """Failed attempts at its article."""


class FeedState(msgspec.Struct, frozen=True, kw_only=True):
    """What one poll leaves for the next. It grows with the feed, not with time."""

    etag: str = ""
    last_modified: str = ""
    seen: dict[str, Seen] = {}


@dataclass(frozen=True, kw_only=True)
class Poll:
    """What a poll brought."""

    source: str
    """The feed's name, or else what it calls itself."""
    items: tuple[Item, ...]
    refused: tuple[DeadLetter, ...]
    state: FeedState
    not_modified: bool = False


def poll(feed: Feed, state: FeedState, fetcher: Fetcher, *, received_at: datetime, now: datetime) -> Poll:
    """The new and changed entries of ``feed`` since ``state``.

    Raises:
        SettingError: the feed's own settings are wrong.
        Refused: the address may not be asked, or what it answers is no feed.
        SourceUnavailable: it does not answer at present.
    """
    zone = _zone(feed)
    answer = fetcher.get(feed.url, kind="feed", headers=_conditions(state))
    if answer.status == 304:
        return Poll(source=feed.name, items=(), refused=(), state=state, not_modified=True)
    parsed = _parse(answer)
    feed = replace(feed, name=feed.name or _own_name(parsed, feed.url))
    reading = _Reading(feed, state, fetcher, zone, received_at, now)
    for fields, summary_only in _entries(parsed, answer.url, feed):
        reading.take(fields, summary_only)
    return reading.result(answer)


class _Reading:
    """One poll under way."""

    def __init__(
        self,
        feed: Feed,
        state: FeedState,
        fetcher: Fetcher,
        zone: ZoneInfo | None,
        received_at: datetime,
        now: datetime,
    ) -> None:
        self._feed, self._before, self._fetcher, self._zone = feed, state.seen, fetcher, zone
        self._received_at, self._now = received_at, now
        self._items: list[Item] = []
        self._refused: list[DeadLetter] = []
        self._seen: dict[str, Seen] = {}
        self._articles = 0
        self._until = time.monotonic() + ARTICLES_SECONDS
        self._unfinished = False

    def take(self, fields: dict[str, Any], summary_only: bool) -> None:
        key = fields["id"]
        if key in self._seen:
            return
        before = self._before.get(key, Seen(self._received_at))
        mark = digest(msgspec.json.encode(fields))
        fields.setdefault("published_at", before.first)
        fresh = before.mark != mark
        tries = 0 if fresh else before.tries
        wants_article = (
            self._feed.full_text and summary_only and "url" in fields and (fresh or 0 < tries < ARTICLE_TRIES)
        )
        if wants_article and (self._articles >= ARTICLES_A_POLL or time.monotonic() > self._until):
            self._seen[key], self._unfinished = before, True
            return
        if wants_article:
            article = self._article(fields["url"])
            tries = 0 if article else tries + 1
            self._unfinished |= 0 < tries < ARTICLE_TRIES
            fields["text"] = article or fields.get("text")
            fresh |= bool(article)
        self._seen[key] = Seen(before.first, mark, tries)
        if fresh:
            self._admit(key, fields)

    def _admit(self, key: str, fields: dict[str, Any]) -> None:
        for name in ("published_at", "revised_at"):
            fields[name] = self._zoned(fields.get(name))
        try:
            self._items.append(admit(fields, received_at=self._received_at, now=self._now))
        except Refused as error:
            self._refused.append(refusal(error, fields, origin=self._feed.name))
            self._seen[key] = Seen(self._seen[key].first)

    def _zoned(self, raw: object) -> object:
        if self._zone is None or not isinstance(raw, str):
            return raw
        try:
            parsed = parse_date(raw.strip())
        except Refused:
            return raw
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=self._zone)

    def _article(self, url: str) -> str | None:
        self._articles += 1
        try:
            return article_text(self._fetcher.get(url, kind="article"))
        except (Refused, SourceUnavailable):
            return None

    def result(self, answer: Answer) -> Poll:
        # With the validators of this answer the next poll would be told "not modified", and nothing be tried again.
        etag, modified = ("", "") if self._unfinished else (_header(answer, "etag"), _header(answer, "last-modified"))
        state = FeedState(etag=etag, last_modified=modified, seen=self._seen)
        return Poll(source=self._feed.name, items=tuple(self._items), refused=tuple(self._refused), state=state)


def article_text(answer: Answer) -> str | None:
    """The main text of the page in ``answer``; None where there is none."""
    import trafilatura  # here because its import takes most of a second

    try:
        text = trafilatura.extract(answer.body, url=answer.url, include_comments=False, include_tables=False)
    except Exception:  # noqa: BLE001 - it reads whatever a stranger's page holds; the summary stands in
        return None
    return text if isinstance(text, str) and text.strip() else None


def _own_name(parsed: Mapping[str, Any], url: str) -> str:
    """The title of a feed on one line; where it has none, its host."""
    return clean(parsed["feed"].get("title") or "", "").text[:_MOST_TITLE].strip() or host(url)


def host(url: str) -> str:
    """The host that ``url`` names; all of ``url`` where it names none."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _entries(parsed: Mapping[str, Any], url: str, feed: Feed) -> Iterator[tuple[dict[str, Any], bool]]:
    """The fields of each entry of what ``url`` answered, and whether it brings only a summary."""
    lang = _clean_lang(parsed["feed"].get("language"))
    for entry in parsed["entries"]:
        contents = [content.get("value") or "" for content in entry.get("content", ())]
        content = max(contents, key=len, default="")
        updated = dict.get(entry, "updated")  # its own `get` falls back on `published`, with a warning
        link = _absolute(url, entry.get("link") or "")
        fields = {
            "source": feed.name,
            "channel": feed.channel,
            "published_at": entry.get("published") or updated,
            "revised_at": updated,
            "title": entry.get("title"),
            "text": content or entry.get("summary"),
            "url": link,
            "author": " ".join((entry.get("author") or "").split())[:MAX_NAME],
            "replies": _replies(entry.get("slash_comments")),
            "lang": lang,
        }
        fields = {name: value for name, value in fields.items() if value}
        fields["id"] = _key(entry.get("id") or link or "", fields)
        yield fields, not content


def _absolute(base: str, link: str) -> str | None:
    try:
        url = urljoin(base, link.strip()) if link else ""
    except ValueError:
        return None
    return url if re.match("https?://", url) else None


def _key(given: str, fields: Mapping[str, Any]) -> str:
    given = given.strip()
    if given and len(given) <= MAX_NAME:
        return given
    return digest(given or f"{fields.get('title')}\n{fields.get('text')}")


def _parse(answer: Answer) -> Mapping[str, Any]:
    import feedparser  # here because few commands need it

    shown = answer.url.partition("?")[0]
    if not answer.body.strip():
        raise Refused(f"{shown} answered with nothing: an empty body is no feed")
    # Without a location, which would be written into relative ids: a feed that moves would repeat all its entries.
    headers = {"content-type": answer.headers.get("content-type", "application/xml")}
    try:
        _refuse_bombs(answer.body, headers, shown)
        # As a stream: of bytes alone feedparser asks first whether they are the name of a file.
        parsed: Mapping[str, Any] = feedparser.parse(io.BytesIO(answer.body), response_headers=headers)
    except Refused:
        raise
    except Exception as error:  # it reads whatever a stranger's server sends
        raise Refused(f"{shown} cannot be parsed as a feed: {error}") from error
    entries = [entry for entry in parsed.get("entries", ()) if entry]  # of one that is cut short there may be nothing
    if not parsed.get("version") and not entries:
        raise Refused(f"{shown} is not an RSS or Atom feed")
    if parsed.get("bozo") and not entries and not _ENDS.search(answer.body):
        raise Refused(f"{shown} is cut short: no entry of it can be read")
    return parsed


def _refuse_bombs(body: bytes, headers: Mapping[str, str], shown: str) -> None:
    """Refuses what would cost the parser far more than its size.

    A feed has no use for entities of its own, and one long entity named often is gigabytes. feedparser's patterns for
    the prolog take time in the square of its length.
    """
    from feedparser.encodings import convert_to_utf8

    text: bytes = convert_to_utf8(dict(headers), body, {"bozo": False})
    if re.search(rb"<!ENTITY", text, re.IGNORECASE):
        raise Refused(f"{shown} declares XML entities, which no feed needs")
    element = re.search(rb"<\w", text)
    if element and element.start() > _PROLOG:
        raise Refused(f"{shown} has no element in its first {_PROLOG:,} bytes")


def _conditions(state: FeedState) -> dict[str, str]:
    conditions = {"If-None-Match": state.etag, "If-Modified-Since": state.last_modified}
    return {name: value for name, value in conditions.items() if value}


def _header(answer: Answer, name: str) -> str:
    value = answer.headers.get(name, "")
    return value if value.isascii() and len(value) <= MAX_NAME else ""


def _replies(raw: object) -> int | None:
    return int(raw) if isinstance(raw, str) and re.fullmatch("[0-9]{1,9}", raw) else None


def _clean_lang(raw: object) -> str | None:
    return raw if isinstance(raw, str) and _LANG.fullmatch(raw) else None


def _zone(feed: Feed) -> ZoneInfo | None:
    if feed.channel not in CHANNELS:
        raise SettingError(f"feed {feed.name}: channel is neither news nor social")
    try:
        return ZoneInfo(feed.zone) if feed.zone else None
    except (ValueError, OSError, KeyError):
        raise SettingError(f"feed {feed.name}: {feed.zone!r} is no time zone") from None

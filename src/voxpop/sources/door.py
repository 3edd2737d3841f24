"""The door: every field of an ``Item`` is checked here, and nowhere else.

What a reader may rely on behind the door: times are UTC and plausible, the text is not empty, no string holds a NUL
byte or half a surrogate pair (PostgreSQL and UTF-8 refuse both), counts are whole and not negative. Decisions:

* A missing ``id`` becomes a hash of the ``url``, or of published_at, title and text where there is no url.
* An item with a title but no text is a headline: the title becomes the text.
* Fields that ``Item`` does not have are ignored; an empty string, an empty list or null is a missing field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from voxpop.errors import Refused
from voxpop.records import Channel, DeadLetter, Item, digest

EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
CLOCK_SKEW: Final = timedelta(minutes=10)
"""How far ahead of ours a source's clock may be."""
MAX_TEXT: Final = 1_000_000
MAX_TITLE: Final = 10_000
MAX_NAME: Final = 512
MAX_URL: Final = 2_048
MAX_COUNT: Final = 10**12
MAX_PAYLOAD: Final = 64 * 1024
"""Most bytes of a refused record that its dead letter keeps."""

CHANNELS: Final[tuple[Channel, ...]] = ("news", "social")
FIELDS: Final = frozenset(Item.__struct_fields__) - {"received_at"}
"""What a source may say; ``received_at`` is ours."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LANG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")
_ZONE_APART = re.compile(r"(?<=\d)\s+(?:(?:UTC|GMT|Z)|([+-]\d\d:?\d\d))$")
_COUNT = re.compile(r"[0-9]{1,15}(\.0+)?")


def admit(fields: object, *, received_at: datetime, now: datetime) -> Item:
    """The item that ``fields`` (a mapping, as JSON or CSV gave it) describe.

    Args:
        fields: ``source``, ``channel``, ``published_at`` (ISO 8601 or RFC 2822, with a zone) and ``text`` or ``title``;
            the rest is optional.
        received_at: when it came to us.
        now: against which a date in the future is told.

    Raises:
        Refused: a field breaks a rule; ``field`` names it.
    """
    if not isinstance(fields, Mapping):
        raise Refused(f"not an object with fields, but {_kind(fields)}")
    given = {name: fields[name] for name in FIELDS if name in fields and not is_missing(fields[name])}
    source = _name(given, "source")
    if source is None:
        raise Refused("source is missing", "source")
    published_at = _moment(given, "published_at", now)
    if published_at is None:
        raise Refused("published_at is missing", "published_at")
    title = _text(given, "title", MAX_TITLE) or ""
    text = _text(given, "text", MAX_TEXT)
    if text is None:
        text, title = title, ""
    if not text:
        raise Refused("text is missing", "text")
    url = _url(given)
    revised_at = _moment(given, "revised_at", now)
    return Item(
        source=source,
        id=_name(given, "id") or _natural_id(url, published_at, title, text),
        channel=_channel(given),
        published_at=published_at,
        text=text,
        received_at=received_at.astimezone(UTC),
        title=title,
        url=url,
        author=_name(given, "author"),
        reach=_count(given, "reach", 1),
        replies=_count(given, "replies", 0),
        lang=_lang(given),
        revised_at=max(revised_at, published_at) if revised_at else None,
    )


def refusal(error: Refused, fields: object, *, origin: str, position: int | None = None) -> DeadLetter:
    """The dead letter of ``fields`` that the door refused.

    Its payload is what stood before the door as one line of JSON, so that a replay needs neither the defaults nor the
    layout that made it.
    """
    return DeadLetter(
        stage="ingest", reason=error.reason, payload=_as_json(fields)[:MAX_PAYLOAD], origin=origin, position=position
    )


def is_missing(value: object) -> bool:
    """Whether a source that gives ``value`` gives nothing: null, an empty or blank string, an empty list or object."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, (list, dict)) and not value)


def moment(value: object, field: str = "published_at") -> datetime:
    """The UTC time that ``value`` (text with a zone, or an aware datetime) names.

    Raises:
        Refused: it is neither, or has no zone.
    """
    if isinstance(value, datetime):
        return _to_utc(value, str(value), field)
    if not isinstance(value, str):
        raise Refused(f"{field} is {_kind(value)}, not a date as text (a layout can read epochs)", field)
    raw = value.strip()
    return _to_utc(parse_date(raw, field), raw, field)


def parse_date(raw: str, field: str = "published_at") -> datetime:
    """The date that ``raw`` writes as ISO 8601 or RFC 2822; naive where it names no zone.

    Raises:
        Refused: it is neither.
    """
    if len(raw) <= 64:
        for parser in (_iso8601, _rfc2822):
            try:
                return parser(raw)
            except (ValueError, TypeError, OverflowError, IndexError):
                continue
    raise Refused(f"{field} {_short(raw)} is not a date in ISO 8601 or RFC 2822", field)


def _iso8601(raw: str) -> datetime:
    # "2026-02-01 10:00:00 UTC" and "… +0800" are common enough; the standard wants the zone without a blank.
    return datetime.fromisoformat(_ZONE_APART.sub(lambda zone: zone[1] or "Z", raw))


def _rfc2822(raw: str) -> datetime:
    parsed = parsedate_to_datetime(raw)
    # "-0000" is UTC from a sender that does not tell its own zone; Python marks it by leaving the zone out.
    return parsed.replace(tzinfo=UTC) if raw.endswith("-0000") else parsed


def _to_utc(parsed: datetime, raw: str, field: str) -> datetime:
    if parsed.utcoffset() is None:
        raise Refused(f"{field} {_short(raw)} has no zone: add Z or an offset such as +08:00", field)
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise Refused(f"{field} {_short(raw)} is outside the calendar", field) from None


def _moment(given: Mapping[str, object], field: str, now: datetime) -> datetime | None:
    if field not in given:
        return None
    value = moment(given[field], field)
    if value < EARLIEST:
        raise Refused(f"{field} {value.isoformat()} is before {EARLIEST.year}", field)
    if value > now + CLOCK_SKEW:
        raise Refused(f"{field} {value.isoformat()} is in the future", field)
    return value


def _text(given: Mapping[str, object], field: str, most: int) -> str | None:
    value = given.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused(f"{field} is {_kind(value)}, not text", field)
    if len(value) > most:
        raise Refused(f"{field} has {len(value):,} characters, more than {most:,}", field)
    if "\0" in value:
        raise Refused(f"{field} holds a NUL byte", field)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused(f"{field} holds half a surrogate pair, which is no character", field) from None
    return value.strip()


def _name(given: Mapping[str, object], field: str) -> str | None:
    value = given.get(field)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 1024:
        value = str(value)
    name = _text({field: value}, field, MAX_NAME)
    if name is not None and _CONTROL.search(name):
        raise Refused(f"{field} holds a control character", field)
    return name


def _natural_id(url: str | None, published_at: datetime, title: str, text: str) -> str:
    return digest("url", url) if url else digest("text", published_at.isoformat(), title, text)


def _channel(given: Mapping[str, object]) -> Channel:
    for channel in CHANNELS:
        if given.get("channel") == channel:
            return channel
    raise Refused("channel is missing" if "channel" not in given else "channel is neither news nor social", "channel")


def _count(given: Mapping[str, object], field: str, default: int) -> int:
    value = given.get(field, default)
    if isinstance(value, str) and _COUNT.fullmatch(value.strip()):
        value = int(value.strip().partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"{field} is {_kind(value)}, not a whole number", field)
    if not 0 <= value <= MAX_COUNT:
        raise Refused(f"{field} is {'negative' if value < 0 else f'more than {MAX_COUNT:,}'}", field)
    return value


def _url(given: Mapping[str, object]) -> str | None:
    url = _text(given, "url", MAX_URL)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or _CONTROL.search(url) or " " in url:
        raise Refused(f"url {_short(url)} is not an http or https address", "url")
    return url


def _lang(given: Mapping[str, object]) -> str | None:
    lang = _text(given, "lang", MAX_NAME)
    if lang is not None and not _LANG.fullmatch(lang):
        raise Refused(f"lang {_short(lang)} is not a language code such as en or zh-CN", "lang")
    return lang


def _short(raw: str) -> str:
    return repr(raw if len(raw) <= 40 else raw[:40] + "…")


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "true or false", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)


def _as_json(fields: object) -> bytes:
    try:
        return msgspec.json.encode(fields)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError):
        return repr(fields).encode("utf-8", "backslashreplace")

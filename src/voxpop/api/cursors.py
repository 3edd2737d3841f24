"""Where a page ends: an opaque word that the next request brings back.

It holds the key of the last row, the time as of which the first page was read, and a digest of what was asked, so that
all pages show one state of things, and a cursor is of no use to another question. It is not signed: whoever makes one
up gets a page that they might as well have asked for.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from voxpop.errors import Refused
from voxpop.records import digest

Key = TypeVar("Key")
_MOST: Final = 4096


class Place(NamedTuple):
    """The end of a page."""

    question: str
    as_of: datetime
    key: Any


def question(of: str, filters: Mapping[str, Any]) -> str:
    """What names a question, whatever its page."""
    return digest(of, *(f"{name}={value!r}" for name, value in sorted(filters.items())), size=6)


def write(place: Place) -> str:
    """The cursor of a place."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read(cursor: str, asked: str, kind: type[Key]) -> tuple[datetime, Key]:
    """(as of, key) of a cursor.

    Raises:
        Refused: it is none, or one of another question.
    """
    try:
        if len(cursor) > _MOST:
            raise ValueError
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        place = msgspec.json.decode(raw, type=tuple[str, datetime, kind])  # type: ignore[valid-type]
    except (ValueError, msgspec.MsgspecError):
        raise Refused("this cursor is none: leave it out to begin anew", "cursor") from None
    if place[0] != asked or place[1].tzinfo is None:
        raise Refused("this cursor belongs to another question: leave it out to begin anew", "cursor")
    return place[1], place[2]

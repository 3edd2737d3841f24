"""A receiver, a message, and what of a receiver nobody may read."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

TIMEOUT_SECONDS = 20.0

Gravity = Literal["info", "success", "warning", "failure"]
"""As chat and mail colour it."""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told, and how.

    Attributes:
        name: what the alerts file calls it.
        url: an address of Apprise (``mailto://``, ``slack://``, ``wecombot://``, …), or where a signed webhook is.
        secret: of a signed webhook; empty: the address is Apprise's.
    """

    name: str
    url: str
    secret: str = ""

    def __repr__(self) -> str:
        """Without address or secret, which must not reach a log."""
        return f"Receiver({self.name!r})"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """Something that goes with a message."""

    name: str
    type: str
    """As in ``image/png``."""
    content: bytes


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is told.

    Attributes:
        key: the same for each attempt at the same message, so that a receiver can fold a repeat.
        subject: one line.
        body: plain text.
        gravity: how it is coloured.
        data: what a program gets, as plain values.
        html: the body for mail; empty: there is only the plain text. Its pictures are ``cid:`` and a file's name.
        files: pictures of the HTML and what is attached; who can take no files goes without.
    """

    key: str
    subject: str
    body: str
    gravity: Gravity = "warning"
    data: dict[str, Any] = {}
    html: str = ""
    files: tuple[File, ...] = ()


_LEAST_SECRET = 4


def redacted(text: str, receiver: Receiver) -> str:
    """``text`` with nothing of the receiver's secrets: neither its address nor a part of it that may be one."""
    rest = receiver.url.partition("://")[2]
    pieces = {receiver.url, rest, receiver.secret, *re.split(r"[/?&=:@]", rest)}
    pieces |= {unquote(piece) for piece in pieces}
    for piece in sorted((p for p in pieces if len(p) >= _LEAST_SECRET), key=len, reverse=True):
        text = text.replace(piece, "•••")
    return text

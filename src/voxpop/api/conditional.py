"""ETags: a reader that has what it would get again gets 304 and no body (RFC 9110, section 13)."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
from fastapi import Request, Response

_CACHE = {"cache-control": "private, no-cache", "vary": "authorization, cookie, accept"}
encode = msgspec.json.Encoder().encode


def answer(request: Request, body: dict[str, Any], matters: Any) -> Response:
    """``body`` as JSON, or 304.

    Args:
        matters: what of the body tells whether it changed; its tag is weak, since the time as of which it was read
            does not.
    """
    tag = f'W/"{blake2b(encode(matters), digest_size=12).hexdigest()}"'
    headers = {**_CACHE, "etag": tag}
    if _matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(encode(body), media_type="application/json", headers=headers)


def _matches(given: str | None, tag: str) -> bool:
    if given is None:
        return False
    return given.strip() == "*" or tag.removeprefix("W/") in (
        one.strip().removeprefix("W/") for one in given.split(",")
    )

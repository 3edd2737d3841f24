"""Headers that every answer carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers as Sent
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'; base-uri 'none';"
    " form-action 'self'"
)
"""Neither script nor style but from a file of ours: ``static/charts.css`` has the rules that Plotly would write."""

HEADERS: Final = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
MORE: Final = "more_headers"
"""Under this name ``request.state`` keeps headers for the answer to this request."""
TLS_ONLY: Final = {"strict-transport-security": "max-age=31536000"}


class Headers:
    """Adds the headers to answers that do not have them; a plain ASGI middleware, so that a stream stays one."""

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self._app, self._headers = app, HEADERS | (TLS_ONLY if tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (scope.get("state", {}).get(MORE, {}) | self._headers).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


MOST_BYTES: Final = 8_000_000


class BodyLimit:
    """Refuses a body of more than ``MOST_BYTES``, whether its sender says how long it is or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said, came = Sent(scope=scope).get("content-length", "0"), 0

        async def receiving() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MOST_BYTES or (said.isdigit() and int(said) > MOST_BYTES):
                raise HTTPException(413, f"more than {MOST_BYTES:,} bytes: send it in parts")
            return message

        await self._app(scope, receiving, send)

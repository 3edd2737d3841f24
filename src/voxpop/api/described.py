"""The description of the API (OpenAPI): what goes wrong is described once, for all of it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from voxpop.api.shapes import Problem

PROBLEM: Final = "application/problem+json"
ABOUT: Final = """\
Reads are as of a time: `as_of` gives what was known then, and nothing that became available later. Lists come in pages;
`next` of one is `cursor` of the following. An answer that carries an `ETag` is 304 and empty while it stays the same.
Errors are problems as RFC 9457 describes them. Where callers must say who they are, send a token that
`voxpop tokens create` made: `Authorization: Bearer …`. A caller's requests are counted; `RateLimit` says how many are
left."""

_WRONG: Final = {
    400: "The request cannot be read, or something must be done first.",
    401: "Who calls is not known.",
    403: "The caller may not do this.",
    404: "There is no such thing.",
    409: "It stands otherwise than the request takes it to, by somebody else's doing.",
    413: "Too much at once.",
    422: "Something in the request is not as it must be.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    503: "Not now; `Retry-After` says how many seconds to wait.",
}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": said, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, said in _WRONG.items()
}


def install(api: FastAPI) -> None:
    """Makes ``/openapi.json`` say all of this."""

    def describe() -> dict[str, Any]:
        if api.openapi_schema is None:
            made = get_openapi(title="Voxpop", version=version("voxpop"), description=ABOUT, routes=api.routes)
            made["components"]["schemas"]["Problem"] = Problem.model_json_schema()
            api.openapi_schema = made
        return api.openapi_schema

    api.openapi = describe  # type: ignore[method-assign]

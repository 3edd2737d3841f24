"""What went wrong, told as a problem (RFC 9457) to a program and as a page to a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from voxpop.api import details
from voxpop.api.described import PROBLEM
from voxpop.api.headers import HEADERS
from voxpop.api.templating import language, templates
from voxpop.errors import Refused, Unavailable, VoxpopError

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 5


def problem(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The answer that says what went wrong: a page where a person asked with a browser, else JSON."""
    if not request.url.path.startswith("/v1/"):
        detail = details.said(language(request), detail)
    if _for_a_person(request):
        values = {"status": status, "title": HTTPStatus(status).phrase, "detail": detail}
        return templates.TemplateResponse(request, "problem.html", values, status_code=status, headers=headers)
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers, media_type=PROBLEM)


def _for_a_person(request: Request) -> bool:
    return not request.url.path.startswith("/v1/") and "text/html" in request.headers.get("accept", "")


def install(api: FastAPI) -> None:
    """Makes every error of ``api`` a problem."""
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(RequestValidationError, _malformed)
    api.add_exception_handler(VoxpopError, _ours)
    api.add_exception_handler(OperationalError, _away)
    api.add_exception_handler(Exception, _fault)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 401 and request.method == "GET" and _for_a_person(request):
        return RedirectResponse(f"/login?next={quote(request.url.path, safe='/')}", 303)
    return problem(request, error.status_code, str(error.detail), error.headers)


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [{"pointer": "/" + "/".join(str(part) for part in e["loc"]), "detail": e["msg"]} for e in error.errors()]
    detail = "; ".join(f"{f['pointer']}: {f['detail']}" for f in faults[:3])
    return problem(request, 422, detail, errors=jsonable_encoder(faults[:50]))


def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, Unavailable):
        return problem(request, 503, str(error), {"retry-after": str(_RETRY_SECONDS)})
    status = 422 if isinstance(error, Refused) else 400
    return problem(request, status, str(error))


def _away(request: Request, error: Exception) -> Response:
    logger.warning("the database is away: %s", type(error).__name__)
    return problem(request, 503, "the database does not answer", {"retry-after": str(_RETRY_SECONDS)})


def _fault(request: Request, error: Exception) -> Response:
    # Answered outside of every middleware, so the headers are put on here; the server then logs the error.
    return problem(request, 500, "this is a fault of Voxpop; its log says more", HEADERS)

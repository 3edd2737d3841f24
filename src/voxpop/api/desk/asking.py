"""A question, answered with words of stored documents, or not at all."""

from __future__ import annotations

import threading
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from voxpop import ask as asking
from voxpop.api.desk.common import Desk
from voxpop.api.desk.lit import Light, Piece, pieces
from voxpop.api.threads import long
from voxpop.ask import Quote
from voxpop.errors import ModelError, Refused
from voxpop.store import board

_AT_ONCE = 1
"""Questions that are answered at the same time for all pages: each reads a dozen passages."""
_WAIT_SECONDS = 60.0
_MOST_CHARACTERS = 300


class Cited(NamedTuple):
    """An answer in the sentences around it, lit."""

    of: Quote
    pieces: list[Piece]


def routes(desk: Desk) -> APIRouter:
    """The router of questions."""
    router = APIRouter()
    turns = threading.BoundedSemaphore(_AT_ONCE)

    @router.get("/ask", response_class=HTMLResponse)
    def page(request: Request) -> HTMLResponse:
        with desk.engine.connect() as connection:
            at = board.watermark(connection)
        return desk.page(request, "ask", question="", found=None, wrong="", at=at)

    @router.post("/ask", response_class=HTMLResponse)
    @long
    def ask(request: Request, question: Annotated[str, Form(max_length=_MOST_CHARACTERS)]) -> HTMLResponse:
        found, wrong, at = None, "", None
        if not turns.acquire(timeout=_WAIT_SECONDS):
            raise HTTPException(503, "others have asked before: try again in a moment", {"retry-after": "10"})
        try:
            with desk.engine.connect() as connection:
                at = board.watermark(connection)
                found = answers(desk, connection, question)
        except Refused:
            wrong = "no_question"
        except ModelError:
            wrong = "no_answers"
        finally:
            turns.release()
        return desk.page(request, "ask", question=question, found=found, wrong=wrong, at=at)

    return router


def answers(desk: Desk, connection: Connection, question: str) -> list[Cited]:
    """The answers, the best first, each as it stands in its document.

    Raises:
        Refused: it is no question.
        ModelError: the profile answers none.
    """
    reader = desk.app.reader()
    if "qa" not in reader.tasks:
        raise ModelError("the profile in use answers no questions")
    return [cited(quote) for quote in asking.ask(connection, question, reader, desk.app.linker()).quotes]


def cited(quote: Quote) -> Cited:
    """The passage with the answer lit."""
    passage, start = quote.document.text[quote.passage_start : quote.passage_end], quote.passage_start
    return Cited(quote, pieces(passage, [], [Light(quote.start - start, quote.end - start, "answer")]))

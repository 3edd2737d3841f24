"""What ``/v1`` takes: texts to read, items to keep, questions to answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from voxpop import analysis, intake
from voxpop import ask as asking
from voxpop.api import shapes
from voxpop.api.batcher import Batcher, Busy
from voxpop.api.described import PROBLEMS
from voxpop.api.pace import paced
from voxpop.api.threads import long
from voxpop.api.who import Caller, audit, needs
from voxpop.app import App
from voxpop.errors import ModelError, Refused
from voxpop.records import DeadLetter, Document, Item, document_id
from voxpop.sources.door import admit, refusal

if TYPE_CHECKING:
    from voxpop.analysis import Analysed

PATIENCE: Final = 120.0
"""Seconds that a caller waits for the model at most; the first one waits until it is loaded."""
_ASKED_AT_ONCE: Final = 2
"""Questions that are answered at the same time: each may read some dozens of passages."""

Texts = Batcher[Document, "Analysed"]


def batcher(app: App) -> Texts:
    """What reads texts for all callers; the model is loaded for the first of them."""
    return Batcher(
        lambda documents: analysis.analyse(documents, app.reader(), app.judge()),
        waiting=app.settings.analyze_waiting,
    )


def routes(app: App) -> APIRouter:
    """The router of what is taken."""
    router = APIRouter(prefix="/v1", dependencies=[paced], responses=PROBLEMS)
    _analyze(app, router)
    _items(app, router)
    _ask(app, router)
    return router


def _analyze(app: App, router: APIRouter) -> None:
    @router.post("/analyze", response_model=shapes.Analyses, tags=["model"], dependencies=[needs("viewer")])
    async def analyze(request: Request, sent: shapes.ToAnalyze) -> Response:
        """Reads texts: whom they name, topics, sentiment, claims and risk events. Nothing of them is stored.

        Texts of all callers are computed together; a result does not depend on what else is. 503 where too many wait.
        """
        texts: Texts = request.app.state.batcher
        documents = await run_in_threadpool(_prepared, app, sent.texts)
        futures = texts.submit([one for one in documents if isinstance(one, Document)])
        analysed = iter(await _all(futures))
        results = [
            _refused(text.id, one) if isinstance(one, Refused) else _told(text.id, next(analysed))
            for text, one in zip(sent.texts, documents, strict=True)
        ]
        return _json({"model": (await run_in_threadpool(app.reader)).version, "results": results})


async def _all(futures: Sequence[Future[Analysed]]) -> list[Analysed]:
    """What the futures bring; those that nobody waits for any more are not computed."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.gather(*map(asyncio.wrap_future, futures))
    except TimeoutError:
        raise Busy("the model did not come to these texts in time: come again in a moment") from None
    finally:
        for future in futures:
            future.cancel()


def _prepared(app: App, texts: Sequence[shapes.Sent]) -> list[Document | Refused]:
    linker, now = app.linker(), datetime.now(UTC)

    def one(text: shapes.Sent) -> Document | Refused:
        try:
            return analysis.prepared(text.text, text.title, text.lang, linker, now)
        except Refused as refused:
            return refused

    return [one(text) for text in texts]


def _refused(key: str, refused: Refused) -> dict[str, Any]:
    lists = ("mentions", "topics", "opinions", "claims", "risks")
    nothing: dict[str, Any] = {"text": "", "lang": "other", "read": False, "sentiment": None} | {n: [] for n in lists}
    return {"id": key, "refused": refused.reason, **nothing}


def _told(key: str, analysed: Analysed) -> dict[str, Any]:
    reading, document = analysed.reading, analysed.reading.document
    return {
        "id": key,
        "refused": None,
        "text": document.text,
        "lang": document.lang,
        "read": reading.read,
        "mentions": document.mentions,
        "topics": reading.topics,
        "sentiment": analysed.whole,
        "opinions": reading.opinions,
        "claims": [{**msgspec.structs.asdict(c), "text": document.text[c.start : c.end]} for c in reading.claims],
        "risks": reading.risks,
    }


def _items(app: App, router: APIRouter) -> None:
    @router.post("/items", response_model=shapes.Taken, status_code=202, tags=["stream"])
    def items(sent: shapes.Items, caller: Annotated[Caller, needs("analyst")]) -> Response:
        """Takes items of a source into the stream. Each is checked by itself; what is refused is a dead letter.

        An item is known by its source and id: sent twice, it is one document, and with another text a correction of it.
        """
        now = datetime.now(UTC)
        records, refused = _admitted(sent.items, f"push by {caller.name}", now)
        admitted = [record for record in records if isinstance(record, Item)]
        taken = intake.take(records, app.log, app.engine)
        sources = sorted({item.source for item in admitted})[:20]
        details = {"accepted": taken.items, "refused": taken.refused, "sources": sources}
        with app.engine.begin() as connection:
            audit(connection, caller, "items pushed", caller.how, details)
        documents = [document_id(item.source, item.id) for item in admitted]
        return _json({"accepted": taken.items, "documents": documents, "refused": refused}, 202)


def _admitted(
    sent: Sequence[dict[str, Any]], origin: str, now: datetime
) -> tuple[list[Item | DeadLetter], list[dict[str, Any]]]:
    """What becomes of each, and what the sender is told of those that were refused."""
    records: list[Item | DeadLetter] = []
    told = []
    for position, fields in enumerate(sent):
        try:
            records.append(admit(fields, received_at=now, now=now))
        except Refused as refused:
            records.append(refusal(refused, fields, origin=origin, position=position))
            told.append({"position": position, "field": refused.field, "reason": refused.reason})
    return records, told


def _ask(app: App, router: APIRouter) -> None:
    room = threading.BoundedSemaphore(_ASKED_AT_ONCE)

    @router.post("/ask", response_model=shapes.Asked, tags=["model"], dependencies=[needs("viewer")])
    @long
    def ask(sent: shapes.ToAsk) -> Response:
        """Answers a question from the stored documents, each time by a quotation with its source, or finds nothing."""
        if not room.acquire(blocking=False):
            raise Busy("other questions are being answered: come again in a moment")
        try:
            reader, linker = app.reader(), app.linker()
            if "qa" not in reader.tasks:
                raise ModelError(f"the model profile {reader.profile} answers no questions")
            span = {name: at for name in ("start", "end", "as_of") if (at := getattr(sent, name)) is not None}
            with app.engine.connect() as connection:
                found = asking.ask(
                    connection, sent.question, reader, linker, entities=sent.entities, most=sent.limit, **span
                )
        finally:
            room.release()
        return _json(
            {
                "found": bool(found.quotes),
                "answers": [_cited(quote) for quote in found.quotes],
                "entities": found.entities,
                "documents": found.documents,
                "model": found.model,
            }
        )


def _cited(quote: asking.Quote) -> dict[str, Any]:
    document = quote.document
    own = ("document", "revision", "source", "author", "url", "published_at")
    return {
        **{name: getattr(quote, name) for name in ("text", "start", "end", "score", "likeness", "also")},
        **{name: getattr(document, name) for name in own},
        "passage": document.text[quote.passage_start : quote.passage_end].strip(),
        "title": document.text[: document.title_end],
    }


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")

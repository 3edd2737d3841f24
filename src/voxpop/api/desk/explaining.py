"""Why a document has its label, word by word: asked for by a person, one at a time, as it costs the model's time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, text

from voxpop.api.desk.common import FRAGMENT, Desk
from voxpop.api.threads import long
from voxpop.errors import ModelError
from voxpop.records import Mention

if TYPE_CHECKING:
    from voxpop.models.explain import Explainer, Explanation

_WAIT_SECONDS = 30.0
_MOST_WAITING = 4
_MOST_KEPT = 500


class Shade(NamedTuple):
    """A run of text and how it moved the label: from -4 (strongly away from it) to 4; 0: hardly, or not asked."""

    text: str
    level: int
    share: float
    hidden: bool = False
    """It names the entity, which the model does not see."""


class Explaining:
    """The explainer, loaded when it is first asked, and what it said."""

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._turn = threading.Lock()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._explainer: Explainer | None = None
        self._said: dict[tuple[str, tuple[tuple[int, int], ...]], Explanation] = {}

    def of(self, body: str, spans: tuple[tuple[int, int], ...], lang: str) -> Explanation | None:
        """Why ``body`` speaks so of the entity at ``spans``; None: no network reads its language.

        Raises:
            HTTPException: 503, others asked before and are not done.
            ModelError: the profile cannot be explained.
        """
        key = (body, spans)
        if (kept := self._said.get(key)) is not None:
            return kept
        if not self._waiting.acquire(blocking=False):
            raise _busy()
        try:
            if not self._turn.acquire(timeout=_WAIT_SECONDS):
                raise _busy()
            try:
                if self._explainer is None:
                    from voxpop.models.explain import Explainer

                    self._explainer = Explainer(self._profile)
                if lang not in self._explainer.languages:
                    return None
                said = self._explainer.sentiment(body, spans)
            finally:
                self._turn.release()
        finally:
            self._waiting.release()
        if len(self._said) >= _MOST_KEPT:
            self._said.clear()
        self._said[key] = said
        return said


def _busy() -> HTTPException:
    return HTTPException(503, "others have asked before: try again in a moment", {"retry-after": "10"})


def routes(desk: Desk) -> APIRouter:
    """The router of explanations."""
    router = APIRouter()
    explaining = Explaining(desk.app.settings.profile)

    @router.post("/explain", response_class=HTMLResponse)
    @long
    def explain(request: Request, document: Annotated[str, Form()], entity: Annotated[str, Form()]) -> HTMLResponse:
        from voxpop.reading import body_of

        with desk.engine.connect() as connection:
            name, known = desk.named(request, connection, entity), document_about(connection, document, entity)
        template = "explained_part" if FRAGMENT in request.headers else "explained"
        body = body_of(known.text, known.mentions)
        spans = tuple((m.start, m.end) for m in body.mentions)
        try:
            said = explaining.of(body.text, spans, known.lang)
        except ModelError:
            return desk.page(request, template, name=name, entity=entity, wrong="not_explained", said=None)
        if said is None:
            return desk.page(request, template, name=name, entity=entity, wrong="not_read", said=None)
        shades = shaded(body.text, [(w.start, w.end, w.share) for w in said.words], spans)
        top = sorted((s for s in shades if s.level), key=lambda s: -abs(s.share))[:6]
        return desk.page(request, template, name=name, entity=entity, said=said, shades=shades, top=top, wrong="")

    return router


class About(NamedTuple):
    """A document and where it names an entity."""

    text: str
    lang: str
    mentions: list[Mention]


def document_about(connection: Connection, document: str, entity: str) -> About:
    """The latest revision of a document, with its mentions of the entity.

    Raises:
        HTTPException: 404, there is none.
    """
    rows = connection.execute(
        text(
            'SELECT d.text, d.lang, m.start, m."end", m.relevance, m.confidence FROM documents d'
            " JOIN mentions m ON m.document_id = d.document_id AND m.revision = d.revision"
            " WHERE d.latest AND d.document_id = :document AND m.entity_id = :entity ORDER BY m.start"
        ),
        {"document": document, "entity": entity},
    ).all()
    if not rows:
        raise HTTPException(404, "no such document names this company")
    mentions = [
        Mention(entity=entity, start=r.start, end=r.end, relevance=r.relevance, confidence=r.confidence) for r in rows
    ]
    return About(rows[0].text, rows[0].lang, mentions)


def shaded(text: str, words: list[tuple[int, int, float]], spans: tuple[tuple[int, int], ...]) -> list[Shade]:
    """The text in runs, each word with its level against the word that moved most."""
    most = max((abs(share) for *_, share in words), default=0.0) or 1.0
    runs = [(a, b, share, False) for a, b, share in words] + [(a, b, 0.0, True) for a, b in spans]
    found, at = [], 0
    for start, end, share, hidden in sorted(runs):
        if start < at:
            continue
        if start > at:
            found.append(Shade(text[at:start], 0, 0.0))
        found.append(Shade(text[start:end], round(4 * share / most), share, hidden))
        at = end
    return [*found, Shade(text[at:], 0, 0.0)] if at < len(text) else found

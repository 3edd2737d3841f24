"""Pairs for inference out of documents annotated with claims or events: what each entails, and what it does not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from voxpop.knowledge.events import RiskEvent, shipped, texts_of
from voxpop.models.questions import FRAMES, statement
from voxpop.records import Factuality, Language

_SAYS: Mapping[Factuality, Mapping[Factuality, str]] = {
    "asserted": {"asserted": "entailment", "denied": "contradiction"},
    "hedged": {"hedged": "entailment", "asserted": "neutral", "denied": "contradiction"},
    "denied": {"denied": "entailment", "asserted": "neutral"},
    "reported": {"reported": "entailment", "denied": "contradiction"},
}
"""By how a document claims something: the label of its statement in each frame. What is hedged or denied is no fact;
what is reported may be one, so that pair is left out."""


def inferences(entity: str, claims: Sequence[Mapping[str, Any]], lang: Language = "en") -> Iterator[tuple[str, str]]:
    """(label, hypothesis) pairs of one document in ``lang``.

    Of the main claim, its statement in every frame that is surely entailed or not; of each other claim its statement,
    and one in which it answers a question that it does not.
    """
    answers = {claim["question"]: claim for claim in claims}
    main = answers.get("what")
    if main is None:
        return
    what, factuality = main["text"], main["factuality"]
    for frame in FRAMES:
        if label := _SAYS[factuality].get(frame):
            yield label, statement("what", entity, what, what, frame, lang)
    for question, claim in answers.items():
        if question == "what":
            continue
        yield "entailment", statement(question, entity, what, claim["text"], factuality, lang)
        wrong = next((c["text"] for q, c in answers.items() if q not in (question, "what")), None)
        if wrong is not None:
            yield "contradiction", statement(question, entity, what, wrong, factuality, lang)


OTHERS = 5
"""Events that a document does not report, for each that it is paired with."""


def event_inferences(
    text: str, entity: str, events: Collection[str], lang: Language = "en"
) -> Iterator[tuple[str, str]]:
    """(label, hypothesis) pairs: the sentence of each event that is reported, and of the ``OTHERS`` that share most
    words with the text, which leave it open."""
    table = _table()
    for key in events:
        yield "entailment", table[key].sentence(entity, lang)
    words = _words(text, lang)
    shared = {key: len(words & known) / len(known) ** 0.5 for key, known in _vocabulary(lang).items()}
    for key in sorted(shared.keys() - set(events), key=lambda key: (-shared[key], key))[:OTHERS]:
        yield "neutral", table[key].sentence(entity, lang)


@cache
def _table() -> dict[str, RiskEvent]:
    return shipped()


@cache
def _vocabulary(lang: Language) -> dict[str, frozenset[str]]:
    """The words of each event's sentence and examples."""
    found: dict[str, frozenset[str]] = {}
    for key, example in texts_of(_table(), lang):
        found[key] = found.get(key, frozenset()) | _words(example, lang)
    return found


def _words(text: str, lang: Language) -> frozenset[str]:
    """Stems of a kind: the first five letters of words of four or more; of Chinese, pairs of neighbours."""
    if lang == "zh":
        return frozenset(pair for run in re.findall(r"[\u4e00-\u9fff]+", text) for pair in map("".join, pairwise(run)))
    return frozenset(word[:5] for word in re.findall(r"[a-z]{4,}", text.lower()))

"""Pairs for inference out of documents annotated with claims: what each entails, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from voxpop.models.questions import FRAMES, statement
from voxpop.records import Factuality

_SAYS: Mapping[Factuality, Mapping[Factuality, str]] = {
    "asserted": {"asserted": "entailment", "denied": "contradiction"},
    "hedged": {"hedged": "entailment", "asserted": "neutral", "denied": "contradiction"},
    "denied": {"denied": "entailment", "asserted": "neutral"},
    "reported": {"reported": "entailment", "denied": "contradiction"},
}
"""By how a document claims something: the label of its statement in each frame. What is hedged or denied is no fact;
what is reported may be one, so that pair is left out."""


def inferences(entity: str, claims: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """(label, hypothesis) pairs of one document.

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
            yield label, statement("what", entity, what, what, frame)
    for question, claim in answers.items():
        if question == "what":
            continue
        yield "entailment", statement(question, entity, what, claim["text"], factuality)
        wrong = next((c["text"] for q, c in answers.items() if q not in (question, "what")), None)
        if wrong is not None:
            yield "contradiction", statement(question, entity, what, wrong, factuality)

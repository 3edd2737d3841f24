"""The questions whose answers are claims about an entity, and the statements that inference checks them by.

Training asks these questions and reads these statements in these very words: another wording asks for another training.
"""

from __future__ import annotations

from collections.abc import Mapping

from voxpop.records import Factuality, Question

QUESTIONS: Mapping[Question, str] = {
    "what": "What did {entity} do, or what happened to it?",
    "who": "Who else took part in what happened to {entity}?",
    "amount": "How much or how many is it about for {entity}?",
    "when": "When did or will it happen to {entity}?",
    "why": "Why did or will it happen to {entity}?",
    "source": "Who says this about {entity}?",
}
"""Who did what, to whom, how much, when, why, who says so."""

FRAMES: Mapping[Factuality, str] = {
    "asserted": "{}.",
    "hedged": "It is possible that {}.",
    "denied": "It is denied that {}.",
    "reported": "It is said that {}.",
}
"""What a document entails where it claims something in this way."""

_JOINED: Mapping[Question, str] = {
    "what": "{what}",
    "who": "{what}, and {answer} took part in it",
    "amount": "{what}, and it is about {answer}",
    "when": "{what}, and the time of it is {answer}",
    "why": "{what}, and the reason is {answer}",
    "source": "{what}, as {answer} says",
}


def statement(question: Question, entity: str, what: str, answer: str, factuality: Factuality) -> str:
    """A sentence that the document entails if ``answer`` is right.

    Args:
        question: which of the questions ``answer`` answers.
        entity: the name as the document writes it.
        what: the answer to "what"; it need not name the entity again.
        answer: the answer that is checked.
        factuality: how the document claims it.

    >>> statement("amount", "Acme", "was fined by the regulator", "$5 million", "hedged")
    'It is possible that Acme was fined by the regulator, and it is about $5 million.'
    """
    whole = what if entity.lower() in what.lower() else f"{entity} {what}"
    return FRAMES[factuality].format(_JOINED[question].format(what=whole.rstrip(" ."), answer=answer.rstrip(" .")))

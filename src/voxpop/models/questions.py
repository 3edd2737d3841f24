"""The questions whose answers are claims about an entity, and the statements that inference checks them by.

Training asks these questions and reads these statements in these very words: another wording asks for another training.
"""

from __future__ import annotations

from collections.abc import Mapping

from voxpop.records import Factuality, Language, Question

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


QUESTIONS_ZH: Mapping[Question, str] = {
    "what": "{entity}做了什么，或者发生了什么？",
    "who": "还有谁参与了{entity}的这件事？",
    "amount": "{entity}的这件事涉及多少金额或数量？",
    "when": "{entity}的这件事何时发生？",
    "why": "{entity}的这件事为什么发生？",
    "source": "{entity}的这件事是谁说的？",
}
FRAMES_ZH: Mapping[Factuality, str] = {
    "asserted": "{}。",
    "hedged": "有可能{}。",
    "denied": "有人否认{}。",
    "reported": "据说{}。",
}
_JOINED_ZH: Mapping[Question, str] = {
    "what": "{what}",
    "who": "{what}，{answer}参与其中",
    "amount": "{what}，涉及{answer}",
    "when": "{what}，时间是{answer}",
    "why": "{what}，原因是{answer}",
    "source": "{what}，说这话的是{answer}",
}


def ask(question: Question, entity: str, lang: Language = "en") -> str:
    """A question about ``entity``, in Chinese of a Chinese text, else in English."""
    return (QUESTIONS_ZH if lang == "zh" else QUESTIONS)[question].format(entity=entity)


def statement(
    question: Question, entity: str, what: str, answer: str, factuality: Factuality, lang: Language = "en"
) -> str:
    """A sentence that the document entails if ``answer`` is right.

    Args:
        question: which of the questions ``answer`` answers.
        entity: the name as the document writes it.
        what: the answer to "what"; it need not name the entity again.
        answer: the answer that is checked.
        factuality: how the document claims it.
        lang: that of the statement.

    >>> statement("amount", "Acme", "was fined by the regulator", "$5 million", "hedged")
    'It is possible that Acme was fined by the regulator, and it is about $5 million.'
    >>> statement("amount", "恒远银行", "被罚款460万元", "460万元", "reported", "zh")
    '据说恒远银行被罚款460万元，涉及460万元。'
    """
    if lang == "zh":
        whole = what if entity in what else f"{entity}{what}"
        joined = _JOINED_ZH[question].format(what=whole.rstrip(" 。."), answer=answer.rstrip(" 。."))
        return FRAMES_ZH[factuality].format(joined)
    whole = what if entity.lower() in what.lower() else f"{entity} {what}"
    return FRAMES[factuality].format(_JOINED[question].format(what=whole.rstrip(" ."), answer=answer.rstrip(" .")))

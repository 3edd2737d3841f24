"""How a text claims something: as a fact, as possible, as denied, or as what somebody says.

Cues of one sentence, after Saurí and Pustejovsky 2009 (FactBank): a denial outweighs a hedge, and a hedge an
attribution. Inference checks what is found here; the cues alone decide where it cannot.
"""

from __future__ import annotations

import re

from voxpop.records import Factuality

_DENIED = re.compile(
    r"\b(den(y|ies|ied|ying|ial)|dismiss(es|ed)?|reject(s|ed)?|rebut(s|ted)?|refut(es|ed|e)|debunk(s|ed)?"
    r"|rules? out|ruled out|no plans? to|has no intention|not true|untrue|false (report|rumou?r|claim|message|story)s?"
    r"|(report|rumou?r|claim|message|story|post)s? (is|are|was|were) (false|wrong|fake|baseless|unfounded)"
    r"|baseless|unfounded|hoax|fabricated|contrary to (reports|rumou?rs)|did not|was not|were not|has not|have not"
    r"|isn't|wasn't|didn't|hasn't|haven't|never|nothing to do with|no truth)\b",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(may|might|could|would|can|possibl[ey]|perhaps|maybe|potential(ly)?|likely|unlikely|probabl[ey]|expect(s|ed)?"
    r"|plan(s|ned|ning)?|consider(s|ed|ing)?|weigh(s|ed|ing)?|mull(s|ed|ing)?|explor(es|ed|ing|e)|seek(s|ing)?"
    r"|aim(s|ed|ing)? to|intend(s|ed|ing)?|propos(es|ed|ing|al)|rumou?r(s|ed)?|speculat(ion|es|ed)|reportedly"
    r"|fear(s|ed)?|threaten(s|ed|ing)?|risk(s|ed|ing)?|set to|poised to|due to (open|close|start|begin|launch)"
    r"|looks? (set|to|like)|eye(s|ing)|in talks|if|unless|should|appears?|seems?|hop(es|ing|ed)|warn(s|ed|ing)?"
    r"|studying|whisper(s|ed)?|suspect(s|ed)?|wonder(s|ing)?|about to|i think|i guess|word is|apparently)\b",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    r"\b(sa(id|ys|y|ying)|according to|alleg(es|ed|ing|edly|ation|ations)|claim(s|ed|ing)?|report(s|ed)? (that|by|in)"
    r"|reports|accus(es|ed|ing)|told|tells|sources?|citing|cited|people familiar|announc(es|ed|ing)|stat(es|ed) that"
    r"|confirm(s|ed|ing)?|disclos(es|ed|ing)|wr(ites|ote)|reported|argu(es|ed)|insist(s|ed)|estimat(es|ed)|note[sd])\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"”’)]*\s+|\n+")


def factuality(text: str, start: int, end: int) -> Factuality:
    """How the sentence around ``text[start:end]`` claims it."""
    sentence = text[slice(*sentence_of(text, start, end))]
    if _DENIED.search(sentence):
        return "denied"
    if _HEDGED.search(sentence):
        return "hedged"
    if _REPORTED.search(sentence):
        return "reported"
    return "asserted"


def sentence_of(text: str, start: int, end: int) -> tuple[int, int]:
    """The half-open span of the sentences that ``text[start:end]`` touches."""
    begins = [match.end() for match in _SENTENCE_END.finditer(text)]
    first = max((at for at in begins if at <= start), default=0)
    last = min((at for at in begins if at >= end), default=len(text))
    return first, last

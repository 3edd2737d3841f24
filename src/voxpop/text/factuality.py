"""How a text claims something: as a fact, as possible, as denied, or as what somebody says.

Cues of one sentence, after Saurí and Pustejovsky 2009 (FactBank): a denial outweighs a hedge, and a hedge an
attribution. Inference checks what is found here; the cues alone decide where it cannot.
"""

from __future__ import annotations

import re
from itertools import pairwise

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
_DENIED_ZH = re.compile(
    r"否[认認]|辟[谣謠]|澄清|不[实實](?![现現施际際行])|不[属屬][实實]|[谣謠]言|[谣謠][传傳]|子虚乌有|子虛烏有|无中生有|無中生有|[纯純][属屬](?:虚|虛|捏造|[谣謠])"
    r"|[虚虛]假(?:信息|[传傳][闻聞]|消息)|假(?:消息|新[闻聞])|并未|並未|[并並][没沒不]有?|[从從]未|[没沒]有的事|不存在|[绝絕][无無]|[驳駁]斥"
    r"|(?:[毫]?[无無]|[没沒]有)(?:根[据據]|依[据據]|[计計][划劃]|此事)|[与與和跟].{0,16}(?:[无無][关關]|[没沒]有?任何?[关關][系係])|[暂暫][无無].{0,8}[计計][划劃]"
)
_HEDGED_ZH = re.compile(
    r"或[将將许許在降]|可能|恐[将將怕]|疑似|[拟擬](?!合)|有望|有意|料[将將]|考[虑慮]|打算|也[许許]|大概|估[计計]|听说|聽說|如果|倘若|一旦|是否|洽[谈談]|磋商|[怀懷]疑"
    r"|尚未[确確]定|盲猜|[吗嗎么麼]?？"
)
_RUMOUR_ZH = re.compile(
    r"[传傳][闻聞言出]|[据據市网網盛流][传傳]|[场場间間][传傳]|[传傳][，,:：]|小道消息|[风風][声聲]说?|[据據][说說悉]|网曝|網曝"
)
_REPORTED_ZH = re.compile(
    r"[据據].{0,20}?(?:[报報][道导導]|[称稱]|透露|介[绍紹]|披露|消息|了解|[显顯]示)|[报報]道[称稱]?|表示|[声聲]?[称稱](?![号號为為])|指出|指[控责責]|透露|爆料"
    r"|[举舉][报報]|投[诉訴]|[认認][为為]|知情人士|消息人士|匿名|[说說][:：，]|[显顯]示[，,]?|通[报報]|[确確][认認]"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’)]*\s+|(?<=[。！？])[\"”’」』）)]*\s*|\n+")
"""After a Chinese mark no blank stands."""


def factuality(text: str, start: int, end: int) -> Factuality:
    """How the sentence around ``text[start:end]`` claims it."""
    first, last = sentence_of(text, start, end)
    sentence = text[first:last]
    if _HAN.search(sentence):
        return _chinese(text[first:last], start - first, end - first)
    if _DENIED.search(sentence):
        return "denied"
    if _HEDGED.search(sentence):
        return "hedged"
    if _REPORTED.search(sentence):
        return "reported"
    return "asserted"


def _chinese(sentence: str, start: int, end: int) -> Factuality:
    """The same of a Chinese sentence, which often runs on over many clauses: a hedge counts in the claim's own clause,
    an attribution before it; a denial may stand anywhere."""
    begins = max((mark.end() for mark in _CLAUSE_END.finditer(sentence, 0, start)), default=0)
    ends = _CLAUSE_END.search(sentence, end)
    clause = sentence[begins : ends.start() if ends else len(sentence)]
    if _DENIED_ZH.search(sentence) or _DENIED.search(sentence):
        return "denied"
    if _HEDGED_ZH.search(clause) or _RUMOUR_ZH.search(sentence) or _HEDGED.search(clause):
        return "hedged"
    if _REPORTED_ZH.search(sentence[:start]) or _REPORTED.search(sentence[:start]):
        return "reported"
    return "asserted"


_HAN = re.compile("[\u4e00-\u9fff]")
_CLAUSE_END = re.compile("[，；：,;]")


def sentence_of(text: str, start: int, end: int) -> tuple[int, int]:
    """The half-open span of the sentences that ``text[start:end]`` touches."""
    begins = [match.end() for match in _SENTENCE_END.finditer(text)]
    first = max((at for at in begins if at <= start), default=0)
    last = min((at for at in begins if at >= end), default=len(text))
    return first, last


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, which together are the text."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text) if match.end() < len(text)]
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)])]

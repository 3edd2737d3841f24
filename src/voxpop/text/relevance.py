"""How central each linked company is to a text: its subject, a party to it, or named in passing.

One role is given to all mentions of a company. It is named in passing where every mention stands in a list of four or
more, behind "such as" and the like, in boilerplate, or once far down; a surge never counts those.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from voxpop.records import Relevance

Span = tuple[int, int, str]
"""Start, end, entity."""

_LIST = 4
"""So many in a row are a list, and so many cashtags in one post are a way to be seen."""
_FAR = 600
"""Characters before a single mention that make it far down (in a text of which it is the last two fifths)."""

_CASHTAG = re.compile(r"(?<![A-Za-z0-9])\$[A-Za-z]{1,6}(?:[.-][A-Za-z]{1,2})?(?![A-Za-z0-9])")
_BETWEEN = re.compile(r"(?:\([^()]{1,24}\)|[\s,/&+、，;|·])*(?:and|or|和|与|及|以及)?[\s,/&+、，;|·$#]*")
_EXAMPLE = re.compile(
    r"(?:such as|e\.g\.,?|for example|for instance|among (?:them|others)"
    r"|(?:companies|firms|stocks|names|retailers|banks|brands|peers|rivals|giants|chains|competitors|makers|others|tickers)"
    r" (?:like|including)|compared (?:with|to)|in comparison with"
    r"|similar to|the likes of|例如|诸如|譬如|比如|包括|对比|相比|可比公司)"
    r"[\s:：]?(?:[^.!?。！？\n]{0,40}(?:,|、| and |和))?\s*$",
    re.IGNORECASE,
)
_BOILERPLATE = re.compile(
    r"\s*[\[(【（>*\-•]*\s*(?:read (?:also|more|next)|also read|see also|related|more from|recommended|most read"
    r"|trending|don't miss|disclosure|disclaimer|sponsored|advertisement"
    r"|相关(?:阅读|新闻|报道|推荐|个股|股票)|延伸阅读|推荐阅读|热门(?:推荐|阅读|文章)"
    r"|更多(?:阅读|新闻)|免责声明|风险提示|往期回顾|广告)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[。！？!?\n]|\.(?=\s|$)")


def relevances(text: str, spans: Sequence[Span], title_end: int) -> list[Relevance]:
    """The role of each of ``spans`` (sorted by start), the same for all of one entity."""
    passing = _passing(text, spans, title_end)
    first_end = _first_sentence_end(text, title_end)
    counts: dict[str, int] = {}
    for _, _, entity in spans:
        counts[entity] = counts.get(entity, 0) + 1
    active = [span for span, aside in zip(spans, passing, strict=True) if not aside]
    roles: dict[str, Relevance] = {}
    titled = {entity for start, _, entity in active if start < title_end}
    leader = active[0][2] if active else ""
    most = max((counts[entity] for _, _, entity in active), default=0)
    for start, _, entity in active:
        opens = not titled and start < first_end and (entity == leader or counts[entity] == most > 1)
        if start < title_end or opens:
            roles[entity] = "subject"
        else:
            roles.setdefault(entity, "party")
    return [roles.get(entity, "passing") for _, _, entity in spans]


def _first_sentence_end(text: str, title_end: int) -> int:
    """Where the first sentence of the body ends; the whole of a short text without a full stop."""
    start = title_end + 1 if title_end else 0
    match = _SENTENCE_END.search(text, start, start + 400)
    return match.end() if match else start + 400


def _passing(text: str, spans: Sequence[Span], title_end: int) -> list[bool]:
    aside = _in_lists(text, spans)
    crowded = _crowd_of_cashtags(text)
    for i, (start, _, _) in enumerate(spans):
        aside[i] = (
            aside[i]
            or (text[start] == "$" and crowded)
            or _EXAMPLE.search(text, max(0, start - 70), start) is not None
            or _in_boilerplate(text, start)
        )
    alone: dict[str, int] = {}
    for _, _, entity in spans:
        alone[entity] = alone.get(entity, 0) + 1
    if len(text) > _FAR and len(alone) > 1:
        for i, (start, _, entity) in enumerate(spans):
            if alone[entity] == 1 and start >= max(title_end, _FAR, 0.6 * len(text)):
                aside[i] = True
    return aside


def _crowd_of_cashtags(text: str) -> bool:
    if text.count("$") < _LIST:
        return False
    return sum(1 for _ in zip(range(_LIST), _CASHTAG.finditer(text), strict=False)) == _LIST


def _in_lists(text: str, spans: Sequence[Span]) -> list[bool]:
    """Which spans stand in a row of four or more different companies with nothing but commas between."""
    flags = [False] * len(spans)
    begin = 0
    for i in range(1, len(spans) + 1):
        if i < len(spans) and _adjoin(text, spans[i - 1], spans[i]):
            continue
        if i - begin >= _LIST and len({entity for _, _, entity in spans[begin:i]}) >= _LIST:
            flags[begin:i] = [True] * (i - begin)
        begin = i
    return flags


def _adjoin(text: str, left: Span, right: Span) -> bool:
    return right[0] - left[1] <= 30 and _BETWEEN.fullmatch(text, left[1], right[0]) is not None


def _in_boilerplate(text: str, start: int) -> bool:
    low = max(0, start - 200)
    line = max(low, text.rfind("\n", low, start) + 1)
    if _BOILERPLATE.match(text, line, start) and (line > low or low == 0):
        return line > 0 or _BOILERPLATE.match(text) is not None
    ends = [m.end() for m in _SENTENCE_END.finditer(text, max(line, start - 120), start)]
    return bool(ends) and _BOILERPLATE.match(text, ends[-1], start) is not None

"""What an alert says, in one line that is made only of its evidence."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from voxpop.records import Alert

Rule = Literal["surge", "spread", "simmer", "risk", "standing", "slide", "feed", "drift"]
RULES: tuple[Rule, ...] = get_args(Rule)
SURGE: Rule = "surge"
"""The rule of more, or worse, than a company usually gets within hours."""
RISK: Rule = "risk"
"""The rule of events that are serious however few tell of them."""
STANDING: Rule = "standing"
"""The rule of sources whose word counts: one negative story of theirs is enough."""
SLIDE: Rule = "slide"
"""The rule of opinion that gets worse over days."""
SPREAD: Rule = "spread"
"""The rule of a story that reaches far more people than its voice usually does."""
SIMMER: Rule = "simmer"
"""The rule of a few stories more each day, for days."""
FEED: Rule = "feed"
"""The rule whose alerts are about a source and not about an entity: it fell silent."""
DRIFT: Rule = "drift"
"""The rule whose alerts are about the stream as a whole: it, or what is read in it, is not what it was."""
OPERATIONAL: tuple[Rule, ...] = (FEED, DRIFT)
"""Rules whose alerts are for those who run the installation."""
_QUOTE_CHARACTERS = 160


class Evidence(NamedTuple):
    """What the documents behind an alert amount to.

    Attributes:
        name: the entity's.
        topic: of most of its documents; empty where none was read.
        event: the gravest risk event that one of them reports, in words; empty without any.
        quote: of the surest claims that of the gravest or most carried document, word for word, or else a headline.
        factuality: how the claim is made: asserted, hedged, denied, reported; empty for a headline.
        source: who published what is quoted.
        url: where.
        documents: how many told its stories since the alert's window began.
        sources: distinct ones among them.
        reach: of them together.
        negative: stories read as negative since then.
        read: stories that were read since then.
        usual_negative: share of the stories read in the fortnight before that were negative; None without any.
        corrected: documents cited that read otherwise now.
        withdrawn: documents among these that no longer speak of the entity.
        moved: of a drift, its shares and what was usual; empty for other alerts.
        erased: documents cited that are not kept any more.
    """

    name: str
    topic: str
    event: str
    quote: str
    factuality: str
    source: str
    url: str | None
    documents: int
    sources: int
    reach: int
    negative: int
    read: int
    usual_negative: float | None
    corrected: int
    withdrawn: int
    moved: str = ""
    erased: int = 0


def line(alert: Alert, evidence: Evidence) -> str:
    """What happened: entity, topic, quote, then the figures, each against what is usual."""
    if alert.rule == FEED:
        usual = f"{alert.expected:.0f} documents are usual"
        return (
            f"{evidence.name}: no data for {_count(alert.hours, 'hour', 'hours')}, in which {usual}; this is not calm"
        )
    if alert.rule == DRIFT:
        index = f"population stability index {alert.score:.2f}, large from {alert.cut:.2f} on"
        said = f": {evidence.moved}" if evidence.moved else ""  # a day that was judged anew since has other shares
        return f"{evidence.name}: the week is not like the four before ({index}){said}"
    about = ", ".join(part for part in (evidence.event, evidence.topic) if part)
    parts = [evidence.name + (f" ({about})" if about else "") + ": " + _quoted(evidence) + _figures(alert, evidence)]
    if evidence.read:
        since = f"{evidence.negative} of {_count(evidence.read, 'story', 'stories')} since then read as negative"
        parts.append(since + _usual(evidence))
    if alert.unread_stories:
        parts.append(f"{alert.unread_stories} in a language that is not read yet")
    if evidence.corrected:
        parts.append(corrections(evidence))
    if evidence.erased:
        were = "was" if evidence.erased == 1 else "were"
        parts.append(f"{_count(evidence.erased, 'cited document', 'cited documents')} {were} erased since")
    return "; ".join(parts)


def quoted(evidence: Evidence) -> str:
    """The words that are quoted, cut where they are long; empty without any."""
    words = " ".join(evidence.quote.split())
    if len(words) > _QUOTE_CHARACTERS:
        words = words[: _QUOTE_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
    return words


def _quoted(evidence: Evidence) -> str:
    words = quoted(evidence)
    if not words:
        return ""
    how = f", {evidence.factuality}" if evidence.factuality not in ("", "asserted") else ""
    return f"“{words}” ({evidence.source}{how}); "


def _figures(alert: Alert, evidence: Evidence) -> str:
    where = f", from {_count(evidence.sources, 'source', 'sources')}, reach {evidence.reach:,}"
    return _told(alert) + where


def _told(alert: Alert) -> str:
    """How much was told, against what is usual."""
    span = f"{alert.hours} hours" if alert.hours > 1 else "one hour"
    stories = _count(alert.stories, "story", "stories")
    if alert.rule == SLIDE:
        days, usual = f"{alert.hours // 24} days", f"{alert.expected:.0f} are usual"
        return f"{alert.negative_stories} of {stories} in {days} read as negative where {usual}"
    if alert.rule == SPREAD:
        return f"{stories} gained a reach of {alert.reach:,} in {span} where {alert.expected:,.0f} is usual"
    if alert.rule in (RISK, STANDING):
        why = "each of which is serious" if alert.rule == RISK else "told by a source whose word counts"
        return f"{stories} in {span}, {why}"
    usual = f"{alert.expected:.1f}" if alert.expected >= LEAST_SHOWN else "next to none"
    return f"{stories} in {span} where {usual} are usual"


LEAST_SHOWN = 0.1
"""A usual count below this is next to none."""


def _usual(evidence: Evidence) -> str:
    return "" if evidence.usual_negative is None else f" where {evidence.usual_negative:.0%} is usual"


def corrections(evidence: Evidence) -> str:
    """What became of documents that were cited; empty where all stand."""
    if not evidence.corrected:
        return ""
    gone = f", {evidence.withdrawn} of them no longer about {evidence.name}" if evidence.withdrawn else ""
    were = "was" if evidence.corrected == 1 else "were"
    return f"{_count(evidence.corrected, 'cited document', 'cited documents')} {were} corrected since{gone}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"

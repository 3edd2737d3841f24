"""What an alert says, in one line of Chinese: ``voxpop.signals.meaning.line`` in other words."""

from __future__ import annotations

from voxpop.records import Alert
from voxpop.reports.words import say, topic
from voxpop.signals.meaning import LEAST_SHOWN, RISK, SLIDE, SPREAD, STANDING, Evidence, quoted


def line(alert: Alert, evidence: Evidence) -> str:
    """What happened: entity, topic, quote, then the figures, each against what is usual."""
    about = "，".join(topic("zh", part) for part in (evidence.event, evidence.topic) if part)
    parts = [evidence.name + (f"（{about}）" if about else "") + "：" + _quoted(evidence) + _figures(alert, evidence)]
    if evidence.read:
        usual = "" if evidence.usual_negative is None else f"（通常 {evidence.usual_negative:.0%}）"
        parts.append(f"其后 {evidence.read:,} 条报道中负面 {evidence.negative:,} 条{usual}")
    if alert.unread_stories:
        parts.append(f"{alert.unread_stories:,} 条为尚不能判读的语言")
    if evidence.corrected:
        gone = f"，其中 {evidence.withdrawn} 篇不再涉及{evidence.name}" if evidence.withdrawn else ""
        parts.append(f"{evidence.corrected} 篇引用文档其后已更正{gone}")
    if evidence.erased:
        parts.append(f"{evidence.erased} 篇引用文档其后已删除")
    return "；".join(parts)


def _quoted(evidence: Evidence) -> str:
    words = quoted(evidence)
    if not words:
        return ""
    how = f"，{say('zh', evidence.factuality)}" if evidence.factuality not in ("", "asserted") else ""
    return f"“{words}”（{evidence.source}{how}）；"


def _figures(alert: Alert, evidence: Evidence) -> str:
    return f"{_told(alert)}，来自 {evidence.sources:,} 个来源，触达 {evidence.reach:,}"


def _told(alert: Alert) -> str:
    """How much was told, against what is usual."""
    if alert.rule == SLIDE:
        days = alert.hours // 24
        return (
            f"{days} 天内 {alert.stories:,} 条报道中负面 {alert.negative_stories:,} 条（通常 {alert.expected:.0f} 条）"
        )
    stories = f"{alert.hours} 小时内 {alert.stories:,} 条报道"
    if alert.rule == SPREAD:
        return f"{stories}新增触达 {alert.reach:,}（通常 {alert.expected:,.0f}）"
    if alert.rule in (RISK, STANDING):
        return stories + ("，每条均属重大" if alert.rule == RISK else "，出自公信力高的来源")
    return stories + (f"（通常 {alert.expected:.1f} 条）" if alert.expected >= LEAST_SHOWN else "（通常几乎为零）")

"""The fixed words of reports, in English and Chinese; what documents say is never translated."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args
from zoneinfo import ZoneInfo

Lang = Literal["en", "zh"]
LANGS: tuple[Lang, ...] = get_args(Lang)

PHRASES: dict[str, tuple[str, str]] = {
    "morning": ("Morning report", "晨报"),
    "weekly": ("Weekly report", "周报"),
    "all": ("all watched companies", "全部监测对象"),
    "own": ("own firm", "本公司"),
    "until": ("{start} to {end}, {zone}", "{start} 至 {end}，{zone}"),
    "nothing": (
        "Nothing turned: no new alert, none that faded, nobody answered one, and every source was heard.",
        "本期无异动：无新预警，无预警消退，无人处理预警，各来源均有数据。",
    ),
    "nothing_since": (
        "Nothing turned in what is known of this time: no new alert, none that faded, nobody answered one.",
        "已知时段内无异动：无新预警，无预警消退，无人处理预警。",
    ),
    "unknown": (
        "Nothing is known of this time: by then no document of it was stored. This is not calm.",
        "此时段无数据：截至当时未存有该时段的任何文档，并不表示平静。",
    ),
    "known_since": (
        "Nothing is known of the time before {since}, where the stream begins: this is not calm.",
        "数据流始于 {since}，此前无数据，并不表示平静。",
    ),
    "n_alerts": ("{n} new alerts", "{n} 条新预警"),
    "1_alert": ("1 new alert", "1 条新预警"),
    "n_critical": ("{n} of them critical", "其中严重 {n} 条"),
    "n_faded": ("{n} faded", "{n} 项消退"),
    "n_answered": ("{n} answered", "{n} 次处理"),
    "n_silent": ("no data from {n} sources", "{n} 个来源无数据"),
    "1_silent": ("no data from 1 source", "1 个来源无数据"),
    "n_open": ("{n} open that nobody has taken on", "{n} 条未结且无人认领"),
    "n_documents": ("{n} documents", "{n} 篇文档"),
    "1_documents": ("{n} document", "{n} 篇文档"),
    "n_first": ("{n} seen for the first time", "{n} 项首次出现"),
    "turned": ("What turned", "异动"),
    "first": ("What is new", "新出现"),
    "faded": ("What faded", "消退"),
    "answered": ("Who answered", "处理情况"),
    "silent": ("No data", "无数据"),
    "figures": ("Figures", "数据"),
    "no_turned": ("No alert fired.", "无新预警。"),
    "no_first": ("Nothing was seen for the first time.", "无首次出现的内容。"),
    "no_faded": ("No alert ended, and no company's negative stories fell by half.", "无预警结束，负面报道亦无减半。"),
    "no_answered": ("Nobody acknowledged or resolved an alert.", "无人确认或关闭预警。"),
    "watch": ("watch", "关注"),
    "serious": ("serious", "重要"),
    "critical": ("critical", "严重"),
    "entity": ("new name", "新名称"),
    "topic": ("new topic", "新话题"),
    "story": ("most told", "传播最多"),
    "over": ("over", "已结束"),
    "fallen": ("fewer", "减少"),
    "pending": ("just seen", "刚发现"),
    "firing": ("nobody has taken it on", "尚无人认领"),
    "reopened": ("back again, nobody has taken it on", "再次出现，尚无人认领"),
    "escalated": ("escalated", "已升级"),
    "acknowledged": ("acknowledged", "已确认"),
    "resolved": ("resolved", "已关闭"),
    "fired": ("fired {at}; {phase}", "{at} 触发；{phase}"),
    "fired_over": ("fired {at}; its signal has ended; {phase}", "{at} 触发；信号已结束；{phase}"),
    "named": (
        "{name} is named for the first time: {documents}, reach {reach}.",
        "{name} 首次被提及：{documents}，触达 {reach}。",
    ),
    "told_of": (
        "{name}: “{topic}” is told of for the first time in four weeks: {documents}, reach {reach}.",
        "{name}：四周来首次谈及“{topic}”：{documents}，触达 {reach}。",
    ),
    "told": ("{name}: {documents} tell it, reach {reach}.", "{name}：{documents}讲述，触达 {reach}。"),
    "alert_over": (
        "{name}: the alert of {at} is over; {before} negative stories were told while it lasted.",
        "{name}：{at} 的预警已结束；其间有 {before} 条负面报道。",
    ),
    "fell": (
        "{name}: {now} negative stories, after {before} in the window before.",
        "{name}：负面报道 {now} 条，上期 {before} 条。",
    ),
    "did_acknowledged": (
        "{name}: {who} acknowledged the alert of {fired} on {at}.",
        "{name}：{who} 于 {at} 确认了 {fired} 的预警。",
    ),
    "did_resolved": (
        "{name}: {who} resolved the alert of {fired} on {at}.",
        "{name}：{who} 于 {at} 关闭了 {fired} 的预警。",
    ),
    "silent_still": (
        "{source} gave no data since {since}, where {a_day} documents a day are usual. What it would have told is"
        " missing here: this is not calm.",
        "{source} 自 {since} 起无数据（通常每日 {a_day} 篇）。其内容在本报告中缺失，并不表示平静。",
    ),
    "silent_until": (
        "{source} gave no data from {since} to {until}, where {a_day} documents a day are usual. What it would have"
        " told is missing here: this is not calm.",
        "{source} 在 {since} 至 {until} 间无数据（通常每日 {a_day} 篇）。其内容在本报告中缺失，并不表示平静。",
    ),
    "more": ("{n} more were seen for the first time.", "另有 {n} 项首次出现。"),
    "open": ("Open the alert", "查看预警"),
    "source": ("{source}, {at}", "{source}，{at}"),
    "document": ("document {id}", "文档 {id}"),
    "corrected": ("corrected since", "其后已更正"),
    "hedged": ("hedged", "措辞保留"),
    "denied": ("denied", "否认"),
    "reported": ("reported", "转述"),
    "chart_hours": (
        "Stories an hour over two days: red negative, amber not read, grey all others. Dashed: how many negative or"
        " unread ones are usual. Triangle: an alert fired.",
        "两日内每小时报道数：红色为负面，琥珀色为未读，灰色为其他。虚线：通常的负面或未读条数。三角：预警触发。",
    ),
    "chart_days": (
        "Stories a day over two weeks: red negative, amber not read, grey all others. Dashed: how many negative or"
        " unread ones are usual. Triangle: an alert fired.",
        "两周内每日报道数：红色为负面，琥珀色为未读，灰色为其他。虚线：通常的负面或未读条数。三角：预警触发。",
    ),
    "alt": (
        "{name}: {stories} stories, {negative} of them negative",
        "{name}：{stories} 条报道，其中负面 {negative} 条",
    ),
    "of_list": (
        "{watched} companies are watched. {stories} stories in {documents} documents ({stories_before} the window"
        " before), {negative} of them negative ({negative_before}), {unread} not read; reach {reach}.",
        "监测对象 {watched} 个。{documents} 篇文档讲述 {stories} 条报道（上期 {stories_before} 条），其中负面"
        " {negative} 条（上期 {negative_before} 条），未读 {unread} 条；触达 {reach}。",
    ),
    "head_name": ("company", "公司"),
    "head_stories": ("stories", "报道"),
    "head_negative": ("negative (before)", "负面（上期）"),
    "head_unread": ("unread", "未读"),
    "head_usual": ("usual", "通常"),
    "head_alerts": ("alerts", "预警"),
    "usual_is": (
        "“usual”: how many negative or unread stories are usual in so long a window; in brackets: those of the window"
        " before.",
        "“通常”：同样长度的时段内负面或未读报道的常见条数；括号内：上一时段的负面报道条数。",
    ),
    "footer": (
        "By what was known at {as_of}; opinions read by {model}. Words in quotation marks are those of the documents.",
        "以 {as_of} 时已知内容为准；观点由 {model} 判读。引号内为文档原文。",
    ),
}


def say(lang: Lang, phrase: str, **values: object) -> str:
    """The phrase in the language, its places filled."""
    return PHRASES[phrase][LANGS.index(lang)].format(**values)


_WEEKDAYS = "一二三四五六日"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def when(lang: Lang, at: datetime, zone: str) -> str:
    """A time on the wall of the zone, to the minute."""
    local = at.astimezone(ZoneInfo(zone))
    if lang == "zh":
        return f"{local.month}月{local.day}日（周{_WEEKDAYS[local.weekday()]}）{local:%H:%M}"
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local:%H:%M}"


_TOPICS = {
    "Analyst Update": "分析师观点",
    "Company / Product News": "公司与产品",
    "Currencies": "汇率",
    "Dividend": "分红",
    "Earnings": "业绩",
    "Energy / Oil": "能源与石油",
    "Fed / Central Banks": "央行",
    "Financials": "金融业",
    "General News / Opinion": "综合与评论",
    "Gold / Metals / Materials": "金属与原材料",
    "IPO": "首次公开募股",
    "Legal / Regulation": "法律与监管",
    "M&A / Investments": "并购与投资",
    "Macro": "宏观",
    "Markets": "市场",
    "Personnel Change": "人事变动",
    "Politics": "政治",
    "Stock Commentary": "个股评论",
    "Stock Movement": "股价变动",
    "Treasuries / Corporate Debt": "国债与公司债",
}
_EVENTS = {
    "default": "债务违约",
    "bank run": "挤兑",
    "withdrawal freeze": "暂停提取",
    "liquidity squeeze": "流动性紧张",
    "bankruptcy": "破产",
    "credit downgrade": "评级下调",
    "profit warning": "盈利预警",
    "dividend cut": "削减分红",
    "restatement": "财报重述",
    "fraud": "欺诈",
    "investigation": "调查",
    "penalty": "处罚",
    "lawsuit": "诉讼",
    "arrest": "被捕",
    "insider dealing": "内幕交易",
    "market manipulation": "市场操纵",
    "money laundering": "洗钱",
    "sanctions": "制裁",
    "licence revoked": "牌照吊销",
    "mis selling": "不当销售",
    "outage": "系统中断",
    "cyber attack": "网络攻击",
    "data breach": "数据泄露",
    "product defect": "产品缺陷",
    "recall": "召回",
    "accident": "事故",
    "supply disruption": "供应中断",
    "strike": "罢工",
    "layoffs": "裁员",
    "executive departure": "高管离任",
    "boycott": "抵制",
    "trading halt": "停牌",
    "delisting": "退市",
    "hostile takeover": "敌意收购",
}


def topic(lang: Lang, name: str) -> str:
    """The name of a topic or risk event; one that a desk has added stays as it is."""
    return name if lang == "en" else _TOPICS.get(name) or _EVENTS.get(name) or name

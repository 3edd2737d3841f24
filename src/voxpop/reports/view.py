"""A report in words: every sentence is made here, so that HTML, PDF and plain text only lay it out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from voxpop.reports import line_zh
from voxpop.reports.content import Answered, Chart, Faded, First, Quote, Report, Silent, Standing, Turned
from voxpop.reports.words import Lang, say, topic, when
from voxpop.signals.meaning import line

Tone = Literal["critical", "serious", "watch", "good", "plain"]
_SHORT = 10
"""Characters of an id that name it well enough."""


class Cite(msgspec.Struct, frozen=True, kw_only=True):
    """A document that a sentence rests on."""

    words: str
    by: str
    """Source and time."""
    note: str
    """How it is claimed, whether it was corrected; may be empty."""
    document: str
    url: str = ""
    """Only http and https; else empty."""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A chart: what a drawing is made of, and what it is called where it cannot be shown."""

    name: str
    alt: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence with what it rests on."""

    badge: str
    tone: Tone
    head: str = ""
    meta: str = ""
    text: str = ""
    cites: list[Cite] = []
    picture: Picture | None = None
    link: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the report."""

    title: str
    empty: str
    entries: list[Entry]
    note: str = ""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report."""

    lang: Lang
    title: str
    subtitle: str
    summary: str
    notices: list[Entry]
    notices_title: str
    sections: list[Section]
    figures_title: str
    figures: str
    heads: list[str]
    rows: list[list[str]]
    figures_note: str
    footer: str
    link_words: str


class _Writer:
    """What every sentence needs."""

    def __init__(self, report: Report, lang: Lang, dashboard: str) -> None:
        self.report, self.lang, self.dashboard = report, lang, dashboard.rstrip("/")

    def say(self, phrase: str, **values: object) -> str:
        return say(self.lang, phrase, **values)

    def at(self, at: datetime) -> str:
        return when(self.lang, at, self.report.zone)

    def alert(self, alert_id: str) -> str:
        return f"{self.dashboard}/alerts/{alert_id}" if self.dashboard else ""

    def cites(self, quotes: Iterable[Quote | None]) -> list[Cite]:
        return [self._cite(quote) for quote in quotes if quote is not None]

    def _cite(self, quote: Quote) -> Cite:
        notes = [self.say(word) for word in (quote.how, "corrected" if quote.corrected else "") if word]
        return Cite(
            words=quote.words,
            by=self.say("source", source=quote.source, at=self.at(quote.at)),
            note=", ".join(notes),
            document=self.say("document", id=quote.document[:_SHORT]),
            url=quote.url if quote.url and quote.url.startswith(("http://", "https://")) else "",
        )


def view(report: Report, lang: Lang, dashboard: str = "") -> View:
    """The report in words of the language.

    Args:
        dashboard: what links to alerts begin with; empty: there are none.
    """
    w = _Writer(report, lang, dashboard)
    first_note = w.say("more", n=report.more_first) if report.more_first else ""
    sections = [
        _section(w, "turned", [_turned(w, one, n) for n, one in enumerate(report.turned, 1)]),
        _section(w, "first", [_first(w, one) for one in report.first], first_note),
        _section(w, "faded", [_faded(w, one) for one in report.faded]),
        _section(w, "answered", [_answered(w, one) for one in report.answered]),
    ]
    return View(
        lang=lang,
        title=title(report, lang),
        subtitle=w.say("until", start=w.at(report.start), end=w.at(report.end), zone=report.zone),
        summary=summary(report, lang),
        notices=[*_begins(w), *(_silent(w, one) for one in report.silent)],
        notices_title=w.say("silent"),
        sections=[one for one in sections if one.entries or report.known_from is not None],
        figures_title=w.say("figures"),
        figures=_figures(w),
        heads=[w.say(f"head_{name}") for name in _HEADS],
        rows=[_row(one) for one in report.standings],
        figures_note=w.say("usual_is"),
        footer=w.say("footer", as_of=w.at(report.as_of), model=report.model),
        link_words=w.say("open"),
    )


_HEADS = ("name", "stories", "negative", "unread", "usual", "alerts")


def title(report: Report, lang: Lang) -> str:
    """Kind and watchlist."""
    named = say(lang, report.watchlist) if report.watchlist in ("all", "own") else report.watchlist
    return f"{say(lang, report.kind)}{': ' if lang == 'en' else '：'}{named}"


def summary(report: Report, lang: Lang) -> str:
    """What happened, in one sentence; that nothing did, where nothing did, and where it is not known whether it did."""
    unknown = say(lang, "unknown") if report.known_from is None else ""
    if not report.happened:
        return unknown or say(lang, "nothing" if report.known_from == report.start else "nothing_since")
    critical = sum(one.severity == "critical" for one in report.turned)
    counts = {
        "alert": len(report.turned),
        "critical": critical,
        "faded": len(report.faded),
        "first": sum(one.kind != "story" for one in report.first) + report.more_first,
        "answered": len(report.answered),
        "silent": len(report.silent),
        "open": report.open_unanswered,
    }
    parts = [_counted(lang, name, n) for name, n in counts.items() if n]
    said = (", ".join(parts) + ".") if lang == "en" else "，".join(parts) + "。"
    return f"{unknown} {said}" if unknown and lang == "en" else unknown + said


def _counted(lang: Lang, name: str, n: int) -> str:
    if n == 1 and name in ("alert", "silent"):
        return say(lang, f"1_{name}")
    return say(lang, "n_alerts" if name == "alert" else f"n_{name}", n=n)


def _section(w: _Writer, name: str, entries: list[Entry], note: str = "") -> Section:
    return Section(title=w.say(name), empty="" if entries else w.say(f"no_{name}"), entries=entries, note=note)


def _turned(w: _Writer, one: Turned, number: int) -> Entry:
    said = line(one.alert, one.evidence) if w.lang == "en" else line_zh.line(one.alert, one.evidence)
    stop = "." if w.lang == "en" else "。"
    return Entry(
        badge=w.say(one.severity),
        tone=one.severity,
        head=one.name,
        meta=w.say("fired_over" if one.over else "fired", at=w.at(one.alert.fired_at), phase=w.say(one.phase)),
        text=said + stop,
        cites=w.cites(one.quotes),
        picture=None if one.chart is None else _picture(w, one.name, one.chart, number),
        link=w.alert(one.alert.id),
    )


def _picture(w: _Writer, name: str, chart: Chart, number: int) -> Picture:
    stories = sum(map(sum, (chart.other, chart.unread, chart.negative)))
    alt = w.say("alt", name=name, stories=stories, negative=sum(chart.negative))
    caption = w.say("chart_hours" if w.report.kind == "morning" else "chart_days")
    return Picture(name=f"chart-{number}.png", alt=f"{alt}. {caption}" if w.lang == "en" else f"{alt}。{caption}")


def _first(w: _Writer, one: First) -> Entry:
    phrase = {"entity": "named", "topic": "told_of", "story": "told"}[one.kind]
    documents = w.say("1_documents" if one.documents == 1 else "n_documents", n=f"{one.documents:,}")
    reach = f"{one.reach:,}"
    said = w.say(phrase, name=one.name, topic=topic(w.lang, one.topic), documents=documents, reach=reach)
    return Entry(badge=w.say(one.kind), tone="plain", text=said, cites=w.cites([one.quote]))


def _faded(w: _Writer, one: Faded) -> Entry:
    if one.alert is None:
        said = w.say("fell", name=one.name, now=one.now, before=one.before)
        return Entry(badge=w.say("fallen"), tone="good", text=said, cites=w.cites([one.quote]))
    said = w.say("alert_over", name=one.name, at=w.at(one.alert.fired_at), before=one.before)
    cites, link = w.cites([one.quote]), w.alert(one.alert.id)
    return Entry(badge=w.say("over"), tone="good", text=said, cites=cites, link=link)


def _answered(w: _Writer, one: Answered) -> Entry:
    said = w.say(f"did_{one.kind}", name=one.name, who=one.who, fired=w.at(one.alert.fired_at), at=w.at(one.at))
    cites, link = w.cites([one.quote]), w.alert(one.alert.id)
    return Entry(badge=w.say(one.kind), tone="plain", text=said, cites=cites, link=link)


def _begins(w: _Writer) -> list[Entry]:
    """That nothing is known of the beginning of the window, where the stream begins within it."""
    since = w.report.known_from
    if since is None or since == w.report.start:
        return []
    return [Entry(badge=w.say("silent"), tone="serious", text=w.say("known_since", since=w.at(since)))]


def _silent(w: _Writer, one: Silent) -> Entry:
    fields = {"source": one.source, "since": w.at(one.since), "a_day": f"{one.a_day:.0f}"}
    if one.until is None:
        said = w.say("silent_still", **fields)
    else:
        said = w.say("silent_until", **fields, until=w.at(one.until))
    return Entry(badge=w.say("silent"), tone="serious", text=said, cites=w.cites([one.quote]))


def _figures(w: _Writer) -> str:
    now, before = w.report.now, w.report.before
    return w.say(
        "of_list",
        watched=f"{w.report.watched:,}",
        **{name: f"{getattr(now, name):,}" for name in now._fields},
        stories_before=f"{before.stories:,}",
        negative_before=f"{before.negative:,}",
    )


def _row(one: Standing) -> list[str]:
    usual = "–" if one.expected is None else f"{one.expected:.1f}"
    now = one.now
    negative = f"{now.negative:,} ({one.before.negative:,})"
    return [one.name, f"{now.stories:,}", negative, f"{now.unread:,}", usual, str(one.alerts or "")]


def plain(of: View) -> str:
    """The report as plain text, for chats and for mail clients that show no HTML."""
    parts = [of.title, of.subtitle, "", of.summary]
    parts += [_plain(entry) for entry in of.notices]
    for section in of.sections:
        parts += ["", section.title, *(_plain(entry) for entry in section.entries)]
        parts += [words for words in (section.empty, section.note) if words]
    parts += ["", of.figures_title, of.figures, "", of.footer]
    return "\n".join(parts)


def _plain(entry: Entry) -> str:
    lines = [f"[{entry.badge}] {entry.text}"]
    for cite in entry.cites:
        note = f" ({cite.note})" if cite.note else ""
        lines.append(f"  “{cite.words}” – {cite.by}, {cite.document}{note}" + (f" {cite.url}" if cite.url else ""))
    return "\n".join([*lines, *([f"  {entry.link}"] if entry.link else [])])

"""The report as people see it: in a browser, in mail, on paper; whatever documents say."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from string import Formatter

import pypdfium2
import pytest

from tests.reports.conftest import END, HOSTILE
from tests.store.samples import MODEL, START
from voxpop.errors import SettingError
from voxpop.jobs import Surroundings
from voxpop.reports import jobs, page, paper, words
from voxpop.reports.build import Asked
from voxpop.reports.content import Kind, Quote, Report
from voxpop.reports.view import View, plain, view
from voxpop.reports.words import LANGS, PHRASES, Lang

EVIL = Quote("d0" * 16, '<img src=x onerror="boom()">', END, 'https://x.example/"><script>', HOSTILE, "denied", True)


def evil(around: Surroundings, kind: Kind = "morning") -> Report:
    """A report in which everything that comes from outside is hostile."""
    asked = Asked(kind, "all", END, datetime.now(UTC), "Europe/Zurich", MODEL)
    found = jobs.read(around.engine, asked, around.settings)
    script = EVIL._replace(url="javascript:alert(1)")
    turned = found.turned[0]._replace(name=f"</td>{HOSTILE}", quotes=[EVIL, script])
    silent = found.silent[0]._replace(source="<b>wire</b>", quote=EVIL)
    return found._replace(turned=[turned, *found.turned[1:]], silent=[silent])


def shown(around: Surroundings, lang: Lang, kind: Kind = "morning") -> tuple[View, list[page.Drawn]]:
    report = evil(around, kind)
    return view(report, lang, "http://board"), page.drawn(report)


@pytest.mark.parametrize("lang", LANGS)
def test_nothing_from_outside_is_markup(around: Surroundings, lang: Lang) -> None:
    html = page.standing_alone(*shown(around, lang))
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "<b>wire" not in html
    assert "javascript:" not in html
    assert "&lt;script&gt;document.title" in html
    assert {address.partition(":")[0] for address in re.findall(r'href="([^"]*)"', html)} == {"http", "https"}
    assert 'href="https://x.example/&#34;&gt;&lt;script&gt;"' in html


def test_it_is_made_for_mail(around: Surroundings) -> None:
    of, pictures = shown(around, "en")
    html = page.for_mail(of)
    assert re.findall(r'<img src="([^"]*)"', html) == [f"cid:{one.name}" for one in pictures]
    for word in ("<script", "<style", "<link", "<svg", "class=", "display:flex", "display:grid", "data:image"):
        assert word not in html
    assert html.count("<table") > 3
    assert all(one.png.startswith(b"\x89PNG") for one in pictures)


def test_a_chart_is_the_same_picture_each_time(around: Surroundings) -> None:
    report = evil(around)
    assert page.drawn(report) == page.drawn(report)
    weekly = page.drawn(evil(around, "weekly"))
    assert weekly
    assert weekly[0].png != page.drawn(report)[0].png


def test_both_languages_have_each_phrase_with_the_same_places() -> None:
    for phrase, (english, chinese) in PHRASES.items():
        places = [{name for _, name, _, _ in Formatter().parse(said) if name} for said in (english, chinese)]
        assert places[0] == places[1], phrase
        assert english.isascii() or "“" in english, phrase
        assert not re.search("[a-z]{3}", re.sub(r"\{.*?\}", "", chinese)), phrase


def test_chinese_words_are_chinese_and_quotes_stay_as_they_are(around: Surroundings) -> None:
    of, _ = shown(around, "zh")
    said = plain(of)
    assert said.startswith("晨报：全部监测对象\n3月15日（周日）01:00 至 3月16日（周一）01:00，Europe/Zurich")
    assert HOSTILE in said
    assert "“今天，博特工业停产。”" in said
    assert "（业绩）" in said
    assert "3 小时内 12 条报道" in said
    assert "并不表示平静" in said


def told_of(around: Surroundings, kind: Kind, end: datetime) -> dict[Lang, View]:
    """The report of the window that ends then, by all that is known now."""
    found = jobs.read(around.engine, Asked(kind, "all", end, datetime.now(UTC), "UTC", MODEL), around.settings)
    return {lang: view(found, lang) for lang in LANGS}


def test_a_report_of_nothing_says_so_in_one_line(around: Surroundings) -> None:
    shown = told_of(around, "morning", START + timedelta(days=5))
    assert shown["en"].summary.startswith("Nothing turned: no new alert")
    assert shown["en"].summary.endswith("and every source was heard.")
    assert shown["zh"].summary.startswith("本期无异动")
    assert shown["en"].sections


def test_a_week_of_which_nothing_is_known_is_never_calm(around: Surroundings) -> None:
    asked = Asked("morning", "all", END, END, "UTC", MODEL)
    unknown_then = view(jobs.read(around.engine, asked, around.settings), "en")
    for shown in (told_of(around, "weekly", START - timedelta(days=30)), {"en": unknown_then}):
        said = plain(shown["en"])
        assert shown["en"].summary.startswith("Nothing is known of this time")
        assert "Nothing turned" not in said
        assert "No alert fired" not in said
        assert "every source was heard" not in page.standing_alone(shown["en"], [])
    assert "并不表示平静" in plain(shown_zh := told_of(around, "weekly", START - timedelta(days=30))["zh"])
    assert "各来源均有数据" not in plain(shown_zh)
    assert "Nothing is known" in re.sub(r"\s+", " ", pages(paper.pdf(unknown_then, [])))


def test_the_week_in_which_the_stream_begins_says_from_when_on_it_is_known(around: Surroundings) -> None:
    shown = told_of(around, "morning", START + timedelta(hours=12))
    assert shown["en"].summary.startswith("Nothing turned in what is known of this time")
    assert "Nothing is known of the time before Mon 2 Mar 00:00, where the stream begins" in plain(shown["en"])
    assert "数据流始于 3月2日（周一）00:00" in plain(shown["zh"])


def pages(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "\n".join(one.get_textpage().get_text_range() for one in document)
    finally:
        document.close()


@pytest.mark.parametrize(("lang", "said"), [("en", "What turned"), ("zh", "异动")])
def test_on_paper_everything_is_there_and_nothing_is_markup(around: Surroundings, lang: Lang, said: str) -> None:
    if not any(name in paper.families() for name in paper.CHINESE):
        pytest.skip("no Chinese font is installed")
    text = re.sub(r"\s+", " ", pages(paper.pdf(*shown(around, lang))))
    assert said in text
    assert '#eval("1") *bold*' in text
    assert "今天，博特工业停产。" in text.replace(" ", "") or "今天" in text


def test_without_a_chinese_font_chinese_is_refused_in_one_sentence_and_english_is_not() -> None:
    bare = frozenset({"DejaVu Sans"})
    assert paper.chosen("plain", bare) == ["DejaVu Sans", "Libertinus Serif"]
    assert paper.chosen("plain", frozenset()) == ["Libertinus Serif"]
    with pytest.raises(SettingError, match="no font for it is installed: install Noto Sans CJK SC"):
        paper.chosen("一", bare)
    assert paper.chosen("一", bare | {"SimSun"}) == ["DejaVu Sans", "SimSun", "Libertinus Serif"]


def test_without_typst_it_says_what_to_install(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    of, pictures = shown(around, "en")
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(SettingError, match="pip install typst"):
        paper.pdf(of, pictures)


def test_topics_that_a_desk_added_keep_their_name() -> None:
    assert words.topic("zh", "debt default of ours") == "debt default of ours"
    assert words.topic("zh", "fraud") == "欺诈"
    assert words.topic("en", "fraud") == "fraud"

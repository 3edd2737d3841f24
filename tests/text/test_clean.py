"""Cleaning: what must go, what must stay, and that a second cleaning finds nothing to do."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxpop.text.clean import clean, clean_url

CASES = [
    # markup
    ("<p>Hello <b>wor</b>ld</p><p>Two</p>", "Hello world\nTwo"),
    ("one<br/>two<BR>three", "one\ntwo\nthree"),
    ("<td>5</td><td>7</td>", "5 7"),
    ("<script type='x'>if (a<b) alert(1)</script>kept<style>p {}</style>", "kept"),
    ("before<!-- hidden <p> -->after", "before after"),
    ("<![CDATA[Profit <i>fell</i>]]>", "Profit fell"),
    ('<a href="https://e.com/?a=1" title="5 > 3">link</a>', "link"),
    ("<o:p>office</o:p>", "office"),
    ("&lt;p&gt;escaped &lt;b&gt;tags&lt;/b&gt;&lt;/p&gt;", "escaped tags"),
    ("<!DOCTYPE html><html><body>页面</body></html>", "页面"),
    ("unclosed <script> stays text", "unclosed stays text"),
    # not markup
    ("P/E < 10 and > 5", "P/E < 10 and > 5"),
    ("I <3 $AAPL", "I <3 $AAPL"),
    ("a<b and c>d", "a<b and c>d"),
    ("buy <AAPL> now", "buy <AAPL> now"),
    ("5 < 7 > 3 <", "5 < 7 > 3 <"),
    # entities
    ("AT&amp;T", "AT&T"),
    ("AT&amp;amp;T &amp;#8217;", "AT&T ’"),
    ("S&P 500, R&D, AT&T", "S&P 500, R&D, AT&T"),
    ("&#20013;&#x6587;&nbsp;&hellip;", "中文 …"),
    ("&unknown; &copy=1 &lt", "&unknown; &copy=1 &lt"),
    ("&#0;&#xD800;&#1114112;x", "���x"),
    # characters
    ("茅台涨５％，成交ＡＢＣ　１２３。", "茅台涨5%，成交ABC 123。"),
    ("ｚｈａｎｇ＠ｑｑ．ｃｏｍ", "zhang@qq.com"),
    ("真的！？（是）：“好”；", "真的！？（是）：“好”；"),
    ("™ ½ ① ㎏ ﬁ", "™ ½ ① ㎏ ﬁ"),
    ("A\u200bpp\u00adle\ufeff \u202eevil\u202c\u2066x\u2069", "Apple evilx"),
    ("👨\u200d👩 ❤️ 🇨🇳", "👨👩 ❤️ 🇨🇳"),
    ("nul\x00 bell\x07 del\x7f", "nul bell del"),
    ("e\u0301tat", "état"),
    ("lone \ud800 surrogate", "lone surrogate"),
    # white space
    ("  a \t b\u00a0c\u3000d  ", "a b c d"),
    ("one\r\n\r\n\n two\u2028three\n", "one\ntwo\nthree"),
    ("", ""),
    (" \n\t ", ""),
    # addresses
    ("see https://x.com/a?utm_source=b&id=3&fbclid=1 now", "see https://x.com/a?id=3 now"),
    ("看https://weibo.com/1?spm=a.b&amp;utm_medium=x。后面", "看https://weibo.com/1。后面"),
]


@pytest.mark.parametrize(("raw", "expected"), CASES)
def test_a_text_is_cleaned(raw: str, expected: str) -> None:
    assert clean("", raw) == (expected, 0)


@pytest.mark.parametrize(
    ("title", "body", "text", "title_end"),
    [
        ("Apple falls", "Shares fell 5%.", "Apple falls\nShares fell 5%.", 11),
        ("Apple falls", "", "Apple falls", 11),
        ("", "Shares fell.", "Shares fell.", 0),
        ("Apple falls", "Apple falls", "Apple falls", 11),
        ("Apple falls", "<p>Apple falls</p><p>Shares fell.</p>", "Apple falls\nShares fell.", 11),
        ("Apple falls on…", "Apple falls on Monday after a recall", "Apple falls on Monday after a recall", 14),
        ("Apple", "Apples are cheap", "Apple\nApples are cheap", 5),
        ("茅台", "茅台大涨", "茅台大涨", 2),
        ("<b>Two\nlines</b>", "body", "Two lines\nbody", 9),
        ("...", "body", "...\nbody", 3),
    ],
)
def test_title_and_body_become_one_text(title: str, body: str, text: str, title_end: int) -> None:
    assert clean(title, body) == (text, title_end)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (" https://a.com/x?utm_source=t&utm_medium=m ", "https://a.com/x"),
        ("https://a.com/x?id=1&gclid=2#part", "https://a.com/x?id=1#part"),
        ("https://a.com/x?p=1#utm_source=rss", "https://a.com/x?p=1"),
        ("https://a.com/x?spm=1.2&scm=3", "https://a.com/x"),
        ("https://a.com/x?q=utm_source&scene_id=4", "https://a.com/x?q=utm_source&scene_id=4"),
        ("https://a.com/x#:~:text=word", "https://a.com/x"),
        ("https://a.com/", "https://a.com/"),
    ],
)
def test_an_address_loses_its_trackers(url: str, expected: str) -> None:
    assert clean_url(url) == expected
    assert clean_url(expected) == expected


MARKUP = (
    "< > <b </p> <p a= \" ' & amp; lt; #38; &lt; <!-- --> <script> </script> https://a.b/ ? utm_x=1 = # ＆ Ａ 茅台 e …"
)
PIECES = st.sampled_from([*MARKUP.split(), "\u200b", "\u0338", "\u0301", "\u3000", "\n", "\x85", "\u037e"])
NASTY = st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=30).map("".join)


@settings(max_examples=400, deadline=None)
@given(NASTY, NASTY)
def test_cleaning_again_changes_nothing(title: str, body: str) -> None:
    once = clean(title, body)
    assert clean("", once.text).text == once.text
    assert clean(once.text[: once.title_end], once.text) == once
    assert unicodedata.is_normalized("NFC", once.text)
    assert "\n" not in once.text[: once.title_end]
    assert clean_url(clean_url(body)) == clean_url(body)


HOSTILE = [
    "<",
    "<a ",
    "<a '",
    '<a "',
    "<!--",
    "<script>",
    "&amp;",
    "&#38;",
    "<<b>",
    "http://a?",
    "a=&",
    "\u200b",
    " \n",
    "＜",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_million_characters_are_no_trouble(piece: str) -> None:
    cleaned = clean(piece * 10, piece * (1_000_000 // len(piece)))
    assert clean("", cleaned.text).text == cleaned.text

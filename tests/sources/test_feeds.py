from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.loopback import Site, serving
from voxpop.errors import Refused, SettingError, SourceUnavailable
from voxpop.sources.feeds import ARTICLE_TRIES, Feed, FeedState, Poll, poll
from voxpop.sources.fetch import Fetcher

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FETCHER = Fetcher(allow_private=True, timeout=10, max_bytes=5_000_000)
ITEM = "<item><guid>{id}</guid><title>{title}</title><pubDate>{date}</pubDate></item>"
DATE = "Sun, 01 Feb 2026 08:00:00 +0800"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture(autouse=True)
def _fresh(site: Site) -> None:
    site.pages.clear()
    site.asked.clear()


def _rss(*entries: str) -> bytes:
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{"".join(entries)}</channel></rss>'.encode()


def _item(id: str = "1", title: str = "Acme halts", date: str = DATE) -> str:
    return ITEM.format(id=id, title=title, date=date)


def _poll(url: str, state: FeedState | None = None, now: datetime = NOW, **settings: object) -> Poll:
    feed = msgspec.convert({"url": url, "name": "wire", **settings}, Feed)
    # What is kept between two polls is kept as JSON.
    state = msgspec.json.decode(msgspec.json.encode(state or FeedState()), type=FeedState)
    return poll(feed, state, FETCHER, received_at=now, now=now)


def test_rss_becomes_items(site: Site) -> None:
    body = b"""<?xml version="1.0" encoding="GB2312"?>
    <rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
         xmlns:slash="http://purl.org/rss/1.0/modules/slash/"><channel><language>zh-cn</language>
    <item><guid isPermaLink="false">a-1</guid><title>%s</title><link>/news/1</link><author>Ann  Li</author>
    <pubDate>Sun, 01 Feb 2026 08:00:00 +0800</pubDate><description>short</description>
    <content:encoded><![CDATA[<p>The whole &amp; text</p>]]></content:encoded><slash:comments>4</slash:comments></item>
    </channel></rss>""" % "召回".encode("gb2312")
    url = site.serve("/feed", body)
    (item,) = _poll(url).items
    assert (item.source, item.id, item.channel, item.title) == ("wire", "a-1", "news", "召回")
    assert item.text == "<p>The whole &amp; text</p>"
    assert item.published_at == datetime(2026, 2, 1, tzinfo=UTC)
    assert (item.url, item.author, item.lang, item.replies) == (site.url("/news/1"), "Ann Li", "zh-cn", 4)
    assert (item.received_at, item.revised_at) == (NOW, None)


@pytest.mark.parametrize(
    ("title", "called"),
    [
        ("The Wire\n  &amp;amp; Co", "The Wire & Co"),
        ("w" * 200, "w" * 80),
        ("", "127.0.0.1"),
    ],
)
def test_a_feed_without_a_name_is_called_as_it_calls_itself_or_by_its_host(site: Site, title: str, called: str) -> None:
    url = site.serve("/feed", _rss(f"<title>{title}</title>", _item(), _item("2", date="yesterday")))
    polled = _poll(url, name="")
    assert [polled.source, polled.items[0].source, polled.refused[0].origin] == [called] * 3


def test_atom_updates_are_revisions(site: Site) -> None:
    atom = """<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:1</id><title>Acme</title>
    <published>2026-02-01T00:00:00Z</published><updated>2026-02-02T00:00:00+01:00</updated>
    <link href="https://example.org/1"/><summary>{}</summary></entry></feed>"""
    url = site.serve("/atom", atom.format("first").encode())
    first = _poll(url)
    assert first.items[0].revised_at == datetime(2026, 2, 1, 23, tzinfo=UTC)
    site.serve("/atom", atom.format("second").encode())
    second = _poll(url, first.state)
    assert [item.text for item in second.items] == ["second"]
    assert second.items[0].id == first.items[0].id == "urn:1"


def test_an_unchanged_feed_is_not_sent_again(site: Site) -> None:
    url = site.serve("/feed", gzip.compress(_rss(_item())), Content_Encoding="gzip", ETag='W/"7"', Last_Modified=DATE)
    first = _poll(url)
    site.serve("/feed", status=304)
    second = _poll(url, first.state)
    assert (second.not_modified, second.items, second.state) == (True, (), first.state)
    headers = site.asked[-1][1]
    assert (headers["if-none-match"], headers["if-modified-since"]) == ('W/"7"', DATE)


def test_only_new_and_changed_entries_come_again(site: Site) -> None:
    url = site.serve("/feed", _rss(_item("1"), _item("2"), _item("2", "twice")))
    first = _poll(url)
    assert [item.id for item in first.items] == ["1", "2"]
    site.serve("/feed", _rss(_item("3"), _item("2", "Acme resumes")))
    second = _poll(url, first.state)
    assert [(item.id, item.text) for item in second.items] == [("3", "Acme halts"), ("2", "Acme resumes")]
    assert set(second.state.seen) == {"2", "3"}
    assert _poll(url, second.state).items == ()


def test_an_entry_without_a_date_is_dated_by_when_it_was_first_seen(site: Site) -> None:
    url = site.serve("/feed", _rss("<item><title>Undated</title><link>https://example.org/u</link></item>"))
    first = _poll(url)
    assert (first.items[0].published_at, first.items[0].id) == (NOW, "https://example.org/u")
    site.serve("/feed", _rss("<item><title>Changed</title><link>https://example.org/u</link></item>"))
    assert _poll(url, first.state, NOW + timedelta(hours=1)).items[0].published_at == NOW


def test_refused_entries_are_the_same_dead_letters_in_every_poll(site: Site) -> None:
    bare = "2026-02-01 08:00:00"
    url = site.serve(
        "/feed", _rss(_item("1", date=bare), _item("2", date="Sun, 01 Mar 2026 13:00:00 GMT"), _item("3", ""))
    )
    first = _poll(url)
    assert first.items == ()
    assert [letter.reason.split()[-1] for letter in first.refused][1:] == ["future", "missing"]
    assert "no zone" in first.refused[0].reason
    assert {letter.origin for letter in first.refused} == {"wire"}
    again = _poll(url, first.state)
    assert {letter.id for letter in again.refused} == {letter.id for letter in first.refused}
    later = _poll(url, first.state, NOW + timedelta(hours=1), zone="Asia/Shanghai")
    assert [item.id for item in later.items] == ["1", "2"]
    assert later.items[0].published_at == datetime(2026, 2, 1, tzinfo=UTC)


ARTICLE = b"""<html><head><title>t</title></head><body><nav>Home About</nav><article><h1>Acme halts</h1>
<p>Acme halted its plant in Lyon on Monday after two workers were hurt, the company said in a statement.</p>
<p>Production of pumps will resume once the inspectors have finished, which may take several weeks.</p>
</article><footer>Imprint</footer></body></html>"""


def _linked(site: Site, id: str = "1") -> str:
    link, text = f"<link>{site.url('/a')}</link>", "<description>cut</description>"
    return f"<item><guid>{id}</guid>{link}<pubDate>{DATE}</pubDate>{text}</item>"


def test_full_text_comes_from_the_article(site: Site) -> None:
    url = site.serve("/feed", _rss(_linked(site)))
    site.serve("/a", ARTICLE, "text/html")
    first = _poll(url, full_text=True)
    assert "inspectors have finished" in first.items[0].text
    assert "Imprint" not in first.items[0].text
    _poll(url, first.state, full_text=True)
    assert site.paths() == ["/feed", "/a", "/feed"]


def test_an_article_that_cannot_be_had_is_tried_again(site: Site) -> None:
    url = site.serve("/feed", _rss(_linked(site)), ETag='"1"')
    first = _poll(url, full_text=True)
    assert [item.text for item in first.items] == ["cut"]
    assert first.state.etag == ""
    site.serve("/a", ARTICLE, "text/html")
    second = _poll(url, first.state, full_text=True)
    assert "inspectors" in second.items[0].text
    assert second.state.etag == '"1"'


def test_an_article_is_not_tried_for_ever(site: Site) -> None:
    url = site.serve("/feed", _rss(_linked(site)), ETag='"1"')
    result = _poll(url, full_text=True)
    for _ in range(ARTICLE_TRIES):
        result = _poll(url, result.state, full_text=True)
        assert result.items == ()
    assert site.paths().count("/a") == ARTICLE_TRIES
    assert result.state.etag == '"1"'


def test_many_articles_are_spread_over_polls(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxpop.sources.feeds.ARTICLES_A_POLL", 2)
    url = site.serve("/feed", _rss(*(_linked(site, str(i)) for i in range(3))), ETag='"1"')
    site.serve("/a", ARTICLE, "text/html")
    first = _poll(url, full_text=True)
    second = _poll(url, first.state, full_text=True)
    assert [item.id for item in first.items + second.items] == ["0", "1", "2"]
    assert (first.state.etag, second.state.etag) == ("", '"1"')


def test_a_slow_site_gives_its_articles_over_polls(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxpop.sources.feeds.ARTICLES_SECONDS", 0.3)
    url = site.serve("/feed", _rss(*(_linked(site, str(i)) for i in range(2))), ETag='"1"')
    site.serve("/a", ARTICLE, "text/html")
    quick = site.pages["/a"]

    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.4)
        quick(handler)

    site.pages["/a"] = slow
    first = _poll(url, full_text=True)
    second = _poll(url, first.state, full_text=True)
    assert [[item.id for item in of.items] for of in (first, second)] == [["0"], ["1"]]
    assert (first.state.etag, second.state.etag) == ("", '"1"')


def test_links_of_other_schemes_are_left_out_and_private_feeds_refused(site: Site) -> None:
    url = site.serve("/feed", _rss(_linked(site).replace("http://127.0.0.1", "ftp://127.0.0.1")))
    (item,) = _poll(url, full_text=True).items
    assert (item.text, item.url) == ("cut", None)
    with pytest.raises(Refused, match="public"):
        poll(Feed(url=url, name="wire"), FeedState(), Fetcher(), received_at=NOW, now=NOW)


BOMBS = {
    "nested": b'<!DOCTYPE l [<!ENTITY a "lol">'
    + b"".join(b'\n<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(12))
    + b"]>\n<rss><channel><item><title>&m;</title></item></channel></rss>",
    "quadratic": b'<!DOCTYPE l [\n<!ENTITY a "'
    + b"x" * 100_000
    + b'">\n]>\n<rss><channel><item><title>'
    + b"&a;" * 100_000
    + b"</title></item></channel></rss>",
    "external": b'<!DOCTYPE l [\n<!ENTITY a SYSTEM "file:///etc/passwd">\n]><rss><channel><item><title>&a;</title></item>'
    + b"</channel></rss>",
    "blank prolog": b"\n" * 1_000_000 + b"<rss/>",
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32-be"])
def test_xml_bombs_are_refused(site: Site, name: str, encoding: str) -> None:
    body = b'<?xml version="1.0"?>\n' + BOMBS[name]
    url = site.serve("/feed", body.decode().encode(encoding))
    with pytest.raises(Refused, match=r"entities|no element|not an RSS|cannot be parsed"):
        _poll(url)


def test_a_body_that_names_a_file_or_an_address_is_not_opened(site: Site, tmp_path: Path) -> None:
    feed = tmp_path / "private.xml"
    feed.write_bytes(_rss(_item()))
    other = site.serve("/other", _rss(_item()))
    for body in (str(feed), feed.as_uri(), other):
        with pytest.raises(Refused, match="not an RSS or Atom feed"):
            _poll(site.serve("/feed", body.encode()))
    assert "/other" not in site.paths()


def test_a_page_is_no_feed_but_an_empty_feed_is_one(site: Site) -> None:
    with pytest.raises(Refused, match="not an RSS or Atom feed"):
        _poll(site.serve("/feed", b"<html><body>Moved</body></html>", "text/html"))
    assert _poll(site.serve("/feed", _rss())).items == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "answered with nothing"),
        (b" \r\n", "answered with nothing"),
        (b"\xef\xbb\xbf", "not an RSS or Atom feed"),
        (bytes(range(256)) * 10, "not an RSS or Atom feed"),
        (b"\0" * 1000, "not an RSS or Atom feed"),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": []}', "not an RSS or Atom feed"),
        (b'<?xml version="1.0"?><rss version="2.0"><channel><title>The wi', "cut short"),
        (b'<?xml version="1.0"?><rss version="2.0"><channel><title>The wire</title><item><title>Ac', "cut short"),
    ],
)
def test_what_holds_no_entry_and_is_no_whole_feed_is_refused(site: Site, body: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        _poll(site.serve("/feed", body))


def test_an_empty_feed_with_a_bare_ampersand_is_a_feed(site: Site) -> None:
    assert _poll(site.serve("/feed", _rss("<title>Tom & Co</title>")), name="").source == "Tom & Co"


def test_a_broken_feed_gives_what_can_be_read(site: Site) -> None:
    url = site.serve("/feed", _rss(_item())[:-20] + b"<item><title>Tom & Co</title><guid>2</guid>")
    assert [item.text for item in _poll(url).items] == ["Acme halts", "Tom & Co"]


def test_a_feed_that_is_away_is_unavailable_and_a_wrong_zone_a_setting(site: Site) -> None:
    with pytest.raises(SourceUnavailable):
        _poll(site.url("/gone"))
    with pytest.raises(SettingError, match="Mars"):
        _poll(site.url("/feed"), zone="Mars/Base")


_tags = st.lists(
    st.sampled_from(["<item>", "</item>", "<title>", "</title>", "<link>", "http://[", "<guid>", "<pubDate>", DATE])
    | st.sampled_from(["<!--", "<![CDATA[", "&", "\0", "<content:encoded>", "<description>", "<updated>", "<a href="])
    | st.text(max_size=4)
)


@given(_tags)
def test_any_feed_is_read_or_refused(site: Site, tags: list[str]) -> None:
    body = b"<rss><channel><item>" + "".join(tags).encode()
    try:
        result = _poll(site.serve("/any", body))
    except Refused as error:
        assert error.reason
    else:
        assert all(item.id in result.state.seen for item in result.items)

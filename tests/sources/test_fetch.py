from __future__ import annotations

import gzip
import os
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.sources.loopback import Site, serving
from voxpop.errors import Refused, SourceUnavailable
from voxpop.sources.fetch import Fetcher, is_public

INTRANET = Fetcher(allow_private=True, timeout=5, max_bytes=100_000)
PUBLIC = Fetcher(timeout=5)
PUBLIC_ADDRESS = "93.184.216.34"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def test_a_page_is_read_with_its_headers(site: Site) -> None:
    url = site.serve("/feed?key=1", b"<rss/>", ETag='"1"')
    answer = INTRANET.get(url, kind="feed", headers={"If-None-Match": '"0"'})
    assert (answer.status, answer.body, answer.url, answer.headers["etag"]) == (200, b"<rss/>", url, '"1"')
    path, headers = site.asked[0]
    assert (path, headers["if-none-match"], headers["accept-encoding"]) == ("/feed?key=1", '"0"', "gzip")


def test_gzip_is_decompressed(site: Site) -> None:
    packed = gzip.compress(b"<rss>") + gzip.compress(b"</rss>")
    url = site.serve("/", packed, Content_Encoding="gzip")
    assert INTRANET.get(url, kind="feed").body == b"<rss></rss>"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(site: Site, status: int) -> None:
    site.serve("/new", b"<rss/>")
    url = site.serve("/old", status=status, Location="/new")
    assert INTRANET.get(url, kind="feed").url == site.url("/new")


def test_a_circle_of_redirects_ends(site: Site) -> None:
    url = site.serve("/a", status=302, Location="/a")
    with pytest.raises(Refused, match="more than 5 redirects"):
        INTRANET.get(url, kind="feed")
    assert len(site.asked) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.org/", "http://u:p@127.0.0.1/", "gopher:x"])
def test_a_redirect_passes_the_same_gate(site: Site, location: str) -> None:
    url = site.serve("/", status=302, Location=location)
    with pytest.raises(Refused):
        INTRANET.get(url, kind="feed")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "2130706433",
        "127.1",
        "169.254.169.254",
        "10.0.0.1",
        "[::ffff:7f00:1]",
    ],
)
def test_private_addresses_are_refused(host: str, site: Site) -> None:
    with pytest.raises(Refused, match="not a public address"):
        PUBLIC.get(f"http://{host}:{site.port}/", kind="feed")
    assert site.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//example.org",
        "feed.xml",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "http://\x00/",
        "http://a:b@example.org/",
        "http://" + "a." * 40_000,
        "https://[::1",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        PUBLIC.get(url, kind="feed")


def test_a_message_tells_no_keys() -> None:
    with pytest.raises(Refused) as caught:
        PUBLIC.get("http://me:secret1@example.org/feed?key=secret2", kind="feed")
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("64:ff9b::5db8:d822", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::1", False),
        ("2002:7f00:1::", False),
        ("2001:0:53aa:64c:0:7f:80ff:fffe", False),
        ("fc00::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_public_addresses_are_told_from_others(address: str, public: bool) -> None:
    assert is_public(address) is public


class _Internet:
    """A name server and a route: what is public ends at the test's own server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, site: Site, names: dict[str, list[str]]) -> None:
        self.names = names
        self.connected: list[str] = []
        connect = socket.create_connection

        def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            addresses = self.names.get(host)
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in address.split()]

        def route(address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
            self.connected.append(address[0])
            if address[0] != PUBLIC_ADDRESS:
                raise ConnectionRefusedError(address[0])
            monkeypatch.setattr(socket, "getaddrinfo", real_look_up)
            try:
                return connect(("127.0.0.1", site.port), *args, **options)
            finally:
                monkeypatch.setattr(socket, "getaddrinfo", look_up)

        real_look_up = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(socket, "create_connection", route)


def test_a_public_redirect_to_a_private_address_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"news.example": [PUBLIC_ADDRESS], "127.0.0.1": ["127.0.0.1"], "inside.example": ["10.0.0.7"]}
    internet = _Internet(monkeypatch, site, names)
    for target in (site.url("/secret"), "http://inside.example/"):
        site.serve("/", status=302, Location=target)
        with pytest.raises(Refused, match="not a public address"):
            PUBLIC.get("http://news.example/", kind="feed")
    assert site.paths() == ["/", "/"]
    assert set(internet.connected) == {PUBLIC_ADDRESS}


def test_the_address_that_was_checked_is_the_one_connected_to(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    internet = _Internet(monkeypatch, site, {"rebind.example": [PUBLIC_ADDRESS, "127.0.0.1"]})
    site.serve("/", b"<rss/>")
    assert PUBLIC.get("http://rebind.example/", kind="feed").body == b"<rss/>"
    assert internet.connected == [PUBLIC_ADDRESS]
    assert site.asked[0][1]["host"] == "rebind.example"
    with pytest.raises(Refused, match="not a public address"):
        PUBLIC.get("http://rebind.example/", kind="feed")


def test_one_private_address_among_public_ones_is_enough(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    internet = _Internet(monkeypatch, site, {"mixed.example": [f"{PUBLIC_ADDRESS} 10.0.0.1"]})
    with pytest.raises(Refused):
        PUBLIC.get("http://mixed.example/", kind="feed")
    assert internet.connected == []


def test_the_next_address_is_tried_and_an_unknown_name_is_unavailable(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Internet(monkeypatch, site, {"two.example": [f"93.184.216.35 {PUBLIC_ADDRESS}"]})
    site.serve("/", b"<rss/>")
    assert PUBLIC.get("http://two.example/", kind="feed").status == 200
    with pytest.raises(SourceUnavailable, match="cannot be resolved"):
        PUBLIC.get("http://none.example/", kind="feed")


def test_a_decompression_bomb_and_a_large_answer_are_refused(site: Site) -> None:
    bomb = site.serve("/bomb", gzip.compress(b"0" * 50_000_000), Content_Encoding="gzip")
    large = site.serve("/large", b"0" * 100_001)
    for url in (bomb, large):
        with pytest.raises(Refused, match="larger than 100,000"):
            INTRANET.get(url, kind="feed")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_an_encoding_that_was_not_asked_for_is_refused(site: Site, encoding: str) -> None:
    with pytest.raises(Refused, match="only gzip"):
        INTRANET.get(site.serve("/", b"x", Content_Encoding=encoding), kind="feed")


@pytest.mark.parametrize("body", [gzip.compress(os.urandom(500))[:-9], b"no gzip", b""])
def test_damaged_gzip_is_unavailable(site: Site, body: bytes) -> None:
    with pytest.raises(SourceUnavailable, match="damaged gzip"):
        INTRANET.get(site.serve("/", body, Content_Encoding="gzip"), kind="feed")


@pytest.mark.parametrize("part", ["headers", "body"])
def test_dripping_bytes_do_not_extend_the_time(site: Site, part: str) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nX: ")
        handler.wfile.write(b"\r\n\r\n" if part == "body" else b"")
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    site.pages["/"] = drip
    with pytest.raises(SourceUnavailable, match="time"):
        Fetcher(allow_private=True, timeout=0.4).get(site.url("/"), kind="feed")


@pytest.mark.parametrize("status", [401, 404, 410, 429, 500, 503])
def test_a_failure_of_the_server_is_unavailable(site: Site, status: int) -> None:
    with pytest.raises(SourceUnavailable, match=str(status)):
        INTRANET.get(site.serve("/", status=status), kind="feed")


def test_a_server_that_is_away_or_talks_nonsense_is_unavailable(site: Site) -> None:
    def nonsense(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"\x00\xffnot http\r\n\r\n")

    site.pages["/nonsense"] = nonsense
    site.pages["/nothing"] = lambda handler: None
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", site.url("/nonsense"), site.url("/nothing")):
        with pytest.raises(SourceUnavailable):
            INTRANET.get(url, kind="feed")


def test_content_types_are_told_apart(site: Site) -> None:
    for content_type in ("application/rss+xml; charset=utf-8", "text/html", "application/octet-stream", ""):
        assert INTRANET.get(site.serve("/", b"x", content_type), kind="feed").body == b"x"
    for content_type in ("image/png", "application/pdf", "application/json"):
        with pytest.raises(Refused, match="not read as feed"):
            INTRANET.get(site.serve("/", b"x", content_type), kind="feed")
    with pytest.raises(Refused, match="not read as article"):
        INTRANET.get(site.serve("/", b"x", "application/xml"), kind="article")

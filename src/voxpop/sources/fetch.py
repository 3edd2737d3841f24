"""One GET of an address that a stranger may have written: a feed, or the article that an entry links to.

Guarded against server-side request forgery: every address that a name resolves to is checked, the connection goes to
the very address that was checked (a name that resolves differently a moment later gains nothing), and each redirect
passes the same gate. Guarded against exhaustion: one deadline over names, redirects, headers and body together, and a
limit on the bytes after decompression. Proxies named in the environment are not used: behind one, the address checked
would not be the address reached.
"""

from __future__ import annotations

import re
import socket
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from queue import Empty, SimpleQueue
from ssl import SSLContext
from threading import Thread
from typing import Any, Final, Literal

import httpcore
import httpx

from voxpop.errors import Refused, SourceUnavailable

Kind = Literal["feed", "article"]

MAX_REDIRECTS: Final = 5

_TYPES: Final[Mapping[Kind, re.Pattern[str]]] = {
    # Many feeds are served as text/html, text/plain or octet-stream; what is no feed is told by parsing it.
    "feed": re.compile(r"|text/.+|application/(.+\+)?xml|application/octet-stream"),
    "article": re.compile(r"|text/html|text/plain|application/xhtml\+xml"),
}
_HEADERS: Final = {
    "User-Agent": "Voxpop",
    "Accept": "application/rss+xml, application/atom+xml, application/xml, text/xml, text/html;q=0.9, */*;q=0.5",
    "Accept-Encoding": "gzip",
}
_NAT64: Final = IPv6Network("64:ff9b::/96")
_FAILURES: Final = (httpx.HTTPError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


@dataclass(frozen=True)
class Answer:
    """What an address answered: 304 with an empty body, or any 2xx."""

    url: str
    """The address after redirects."""
    status: int
    headers: httpx.Headers
    body: bytes
    """Decompressed."""


@dataclass(frozen=True, kw_only=True)
class Fetcher:
    """How to fetch. It keeps no connection between calls, so threads may share it."""

    timeout: float = 20.0
    """Seconds for one ``get``, redirects included."""
    max_bytes: int = 10_000_000
    """Most bytes of a body, decompressed."""
    allow_private: bool = False
    """Whether private, loopback and link-local addresses may be asked."""

    @cached_property
    def _tls(self) -> SSLContext:
        return httpx.create_ssl_context()

    def get(self, url: str, *, kind: Kind, headers: Mapping[str, str] | None = None) -> Answer:
        """What ``url`` answers.

        Raises:
            Refused: the address, a redirect, the content type or the size is not allowed.
            SourceUnavailable: no answer in time, or an answer other than 2xx and 304.
        """
        guard = _Guard(time.monotonic() + self.timeout, self.allow_private)
        transport = _Transport(httpcore.ConnectionPool(ssl_context=self._tls, network_backend=guard))
        with httpx.Client(transport=transport, trust_env=False, timeout=self.timeout) as client:
            try:
                request = client.build_request("GET", _checked(url), headers={**_HEADERS, **(headers or {})})
                return self._follow(client, request, kind)
            except (httpx.InvalidURL, UnicodeError) as error:
                raise Refused(f"{_shown(url)} redirects to what is no address: {error}", "url") from None
            except _FAILURES as error:
                raise SourceUnavailable(f"{_shown(url)}: {str(error) or type(error).__name__}") from error

    def _follow(self, client: httpx.Client, request: httpx.Request, kind: Kind) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            response = client.send(request, stream=True)
            try:
                if response.next_request is None:
                    return self._accept(response, kind)
            finally:
                response.close()
            request = response.next_request
            _checked(str(request.url))
        raise Refused(f"{_shown(str(request.url))}: more than {MAX_REDIRECTS} redirects", "url")

    def _accept(self, response: httpx.Response, kind: Kind) -> Answer:
        url = str(response.url)
        if response.status_code != 304 and not response.is_success:
            raise SourceUnavailable(f"{_shown(url)} answered {response.status_code} {response.reason_phrase}")
        if response.status_code == 304:
            return Answer(url, 304, response.headers, b"")
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not _TYPES[kind].fullmatch(content_type):
            raise Refused(f"{_shown(url)} is {content_type[:80]!r}, which is not read as {kind}", "url")
        try:
            body = self._body(response)
        except zlib.error as error:
            raise SourceUnavailable(f"{_shown(url)}: damaged gzip: {error}") from error
        return Answer(url, response.status_code, response.headers, body)

    def _body(self, response: httpx.Response) -> bytes:
        # Decompressed here and not by httpx, which unpacks a whole chunk at once, and codecs that were not asked for.
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise Refused(
                f"{_shown(str(response.url))} is compressed as {encoding[:40]!r}; only gzip was asked for", "url"
            )
        chunks = self._limited(response.iter_raw())
        if "gzip" in encoding:
            chunks = self._limited(_gunzip(chunks, self.max_bytes))
        return b"".join(chunks)

    def _limited(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self.max_bytes:
                raise Refused(f"the answer is larger than {self.max_bytes:,} bytes", "url")
            yield chunk


def is_public(address: str) -> bool:
    """Whether ``address`` (of IPv4 or IPv6) belongs to a host of the public internet.

    An IPv6 address that carries one of IPv4 (mapped, NAT64, 6to4) is judged by the latter.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        carried = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if carried is not None:
            return is_public(str(carried))
        if ip.is_site_local:  # deprecated, and yet no address of the internet
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_private or ip.is_link_local)


@dataclass(frozen=True)
class _Guard(httpcore.NetworkBackend):
    """Connects to checked addresses only, and to nothing once the deadline is over."""

    deadline: float
    allow_private: bool
    _sockets: httpcore.NetworkBackend = field(default_factory=httpcore.SyncBackend)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = _resolve(host, port, self.left(timeout))
        for address in addresses:
            if not self.allow_private and not is_public(address):
                hint = "for an intranet set VOXPOP_FEED_PRIVATE_ADDRESSES"
                raise Refused(f"{host} is at {address}, which is not a public address ({hint})", "url")
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                stream = self._sockets.connect_tcp(
                    address, port, self.left(timeout), local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Timed(stream, self)
        raise failure

    def left(self, timeout: float | None) -> float:
        """Seconds that one operation may take."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("no complete answer in time")
        return left if timeout is None else min(left, timeout)


@dataclass(frozen=True)
class _Timed(httpcore.NetworkStream):
    """A stream whose operations share one deadline: bytes that drip do not extend it."""

    stream: httpcore.NetworkStream
    guard: _Guard

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, self.guard.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, self.guard.left(timeout))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self.stream.start_tls(ssl_context, server_hostname, self.guard.left(timeout)), self.guard)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


@dataclass(frozen=True)
class _Transport(httpx.BaseTransport):
    """httpx over a connection pool of our own; httpx's transport takes no network backend."""

    pool: httpcore.ConnectionPool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = self.pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                extensions=request.extensions,
            )
        )
        stream = _Body(answer)
        return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)

    def close(self) -> None:
        self.pool.close()


@dataclass(frozen=True)
class _Body(httpx.SyncByteStream):
    answer: httpcore.Response

    def __iter__(self) -> Iterator[bytes]:
        return self.answer.iter_stream()

    def close(self) -> None:
        self.answer.close()


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Refused(f"{_shown(url)} is not an address: {error}", "url") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise Refused(f"{_shown(url)} is not an http or https address", "url")
    if parsed.userinfo:
        raise Refused(f"{_shown(url)} carries a user name or password", "url")
    return parsed


def _shown(url: str) -> str:
    """``url`` for a message: without user, query and fragment, where keys hide."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"//[^/]*@", "//", bare)[:200]


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of ``host``, each once. A look-up knows no time limit of its own, so a thread waits for it."""
    answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(info[4][0]) for info in found)))
        except (OSError, ValueError) as error:
            answers.put(error)

    Thread(target=look_up, daemon=True, name="voxpop-resolve").start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from None
    if isinstance(answer, Exception):
        raise httpcore.ConnectError(f"{host} cannot be resolved: {answer}") from answer
    return answer


def _gunzip(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The decompressed ``chunks``, none larger than ``most`` + 1 bytes; several members may follow each other."""
    member = zlib.decompressobj(31)
    for chunk in chunks:
        while chunk:
            if member.eof:
                member = zlib.decompressobj(31)
            yield member.decompress(chunk, most + 1)
            chunk = member.unconsumed_tail or member.unused_data
    if not member.eof:
        raise zlib.error("it ends early")

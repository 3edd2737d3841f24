"""Receivers on loopback: a web server that takes posts, and a mail server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message as Mail
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple


class Post(NamedTuple):
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """A web server that takes posts.

    Attributes:
        answers: statuses to give, in turn; 204 when there are no more.
        before: called with the post before it is answered.
        after: called with it once the answer is out.
    """

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    before: Callable[[Post], None] = lambda _: None
    after: Callable[[Post], None] = lambda _: None

    def keys(self) -> list[str]:
        return [post.headers["voxpop-key"] for post in self.posts]


@contextmanager
def hook() -> Iterator[Hook]:
    """A web server on loopback until the block ends."""
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            post = Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            found.posts.append(post)
            found.before(post)
            status = found.answers.pop(0) if found.answers else 204
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.wfile.flush()
            found.after(post)

        def log_message(self, *arguments: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class PostOffice:
    """A mail server: its port, and the mails that it took."""

    port: int
    mails: list[Mail] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content))
        return "250 taken"


@contextmanager
def post_office() -> Iterator[PostOffice]:
    """A mail server on loopback until the block ends."""
    from aiosmtpd.controller import Controller

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = PostOffice(port)
    controller = Controller(found, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield found
    finally:
        controller.stop()

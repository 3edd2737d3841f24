"""A webhook on loopback that takes everything and notes when it came."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

_ALERTS = '[receivers.bus]\nwebhook = "http://127.0.0.1:{port}/"\nsecret = "none"\n[[routes]]\nreceivers = ["bus"]\n'


class Arrival(NamedTuple):
    """A message, and when it was here."""

    at: datetime
    body: bytes


class Receiver(ThreadingHTTPServer):
    """The server, with what it took."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.arrivals: list[Arrival] = []

    @property
    def alerts_file(self) -> str:
        """The TOML that sends every alert here, with a route as it comes."""
        return _ALERTS.format(port=self.server_port)


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.arrivals.append(Arrival(datetime.now(UTC), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """The receiver, until the block ends."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

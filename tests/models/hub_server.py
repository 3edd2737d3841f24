"""A hub on loopback: the part of its protocol that pulling asks for, over real HTTP."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Repositories by name, each a folder; all stand at the same commit.

    Attributes:
        asked: the files that were asked for.
        damaged: names of files that are sent with a bit turned over.
    """

    def __init__(self, repositories: dict[str, Path]) -> None:
        self.repositories = repositories
        self.asked: list[str] = []
        self.damaged: set[str] = set()
        self.url = ""

    def info(self, name: str) -> bytes:
        """What the hub says of a repository: its commit, and name, size and hash of each file."""
        siblings = []
        for path in sorted(self.repositories[name].iterdir()):
            content = path.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            about = {"rfilename": path.name, "size": len(content), "blobId": blob}
            if path.suffix in (".safetensors", ".bin"):
                about["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            siblings.append(about)
        return json.dumps({"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings}).encode()


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
                name, revision = found.groups()
                if name in hub.repositories and revision in ("main", COMMIT):
                    return self.answer(hub.info(name), {})
            if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                name, revision, file = found.groups()
                target = hub.repositories.get(name, Path("/nowhere")) / file
                if revision == COMMIT and target.is_file():
                    return self.file(target)
            return self.answer(b"{}", {"X-Error-Code": "RepoNotFound"}, 404)

        def file(self, path: Path) -> None:
            content = path.read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            if self.command == "GET":
                hub.asked.append(path.name)
            if path.name in hub.damaged:
                content = content[:-1] + bytes([content[-1] ^ 1])
            self.answer(content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"})

        def answer(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serves ``hub`` on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""A way to the database that can be cut or fall silent: a proxy on the loopback, in this process."""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import quote

from sqlalchemy.engine import URL, make_url

_SO_ATTACH_FILTER = 26
"""Of Linux, which Python has no name for."""


class Wire:
    """Leads from a free port to the server of ``url``, by TCP or by its socket."""

    def __init__(self, url: str) -> None:
        self._target: URL = make_url(url)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut = False
        self._door = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The database, by way of the wire."""
        port = self._door.getsockname()[1]
        user = quote(self._target.username or "")
        password = f":{quote(str(self._target.password))}" if self._target.password else ""
        return f"postgresql+psycopg://{user}{password}@127.0.0.1:{port}/{self._target.database}"

    def cut(self) -> None:
        """Ends every connection, and lets none through."""
        with self._lock:
            self._cut = True
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self._lock:
            self._cut = False

    def silence(self) -> None:
        """Has nothing arrive any more on the connections that there are, not even an acknowledgement: a lost network.

        A filter of packets on each end, which lets none through (Linux).
        """
        nothing = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K, 0 bytes
        program = struct.pack("HP", 1, ctypes.addressof(nothing))
        with self._lock:
            for one in self._open:
                if one.family == socket.AF_INET:
                    one.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def close(self) -> None:
        self.cut()
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                with self._lock:
                    if self._cut:
                        near.close()
                        continue
                    far = self._connect()
                    self._open |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _connect(self) -> socket.socket:
        host = self._target.host or str(self._target.query["host"])
        port = self._target.port or int(str(self._target.query.get("port", 5432)))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{host}/.s.PGSQL.{port}")
        return far

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(one)
        one.close()

"""Bytes to lines: decompression, bounded line lengths and the records of a CSV file, in constant memory.

Nothing here raises for what the bytes are: a line that cannot be had comes as a ``Line`` with its ``fault``.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from gzip import BadGzipFile, GzipFile
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from voxpop.sources.door import MAX_PAYLOAD

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_LINE: Final = 4 * 1024 * 1024
"""Longest line, or record of a CSV file, in bytes."""
MAX_RATIO: Final = 200
"""A gzip file that expands further is taken for a decompression bomb; text reaches 5 to 20."""
RATIO_FLOOR: Final = 16 * 1024 * 1024
"""Decompressed bytes below which the ratio is not looked at."""

_CHUNK = 256 * 1024


class Line(NamedTuple):
    """One line or CSV record, with its line feed; where ``fault`` is not empty ``raw`` is only its head."""

    number: int
    """From 1; of a record, its first line."""
    raw: bytes
    fault: str = ""


class Source:
    """A stream of bytes, decompressed where its first bytes say gzip.

    Args:
        file: read forward only and never closed.
        progress: told the bytes of ``file`` consumed so far.
    """

    def __init__(self, file: BinaryIO, progress: Callable[[int], None] | None = None) -> None:
        self._counted = _Counted(file, progress)
        packed = io.BufferedReader(self._counted, _CHUNK)
        self.stream: io.BufferedReader[Any] = packed
        self._unpacked: _Unpacked | None = None
        if packed.peek(2)[:2] == b"\x1f\x8b":
            self._unpacked = _Unpacked(packed, self._counted)
            self.stream = io.BufferedReader(self._unpacked, _CHUNK)

    @property
    def failure(self) -> str:
        """Why the stream ended before its end; empty where it did not (so far)."""
        return self._unpacked.failure if self._unpacked else ""

    def head(self) -> bytes:
        """The first bytes, not consumed; a byte order mark of UTF-8 before them is."""
        if self.stream.peek(3)[:3] == b"\xef\xbb\xbf":
            self.stream.read(3)
        return self.stream.peek(1)


class _Counted(io.RawIOBase):
    def __init__(self, file: BinaryIO, progress: Callable[[int], None] | None) -> None:
        # A pipe gives what it has by `read1`; `read` would wait until the whole chunk is there.
        self._read: Callable[[int], bytes] = getattr(file, "read1", file.read)
        self._progress = progress
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._read(len(view)) or b""
        view[: len(data)] = data
        self.count += len(data)
        if self._progress is not None:
            self._progress(self.count)
        return len(data)


class _Unpacked(io.RawIOBase):
    """Gunzips; a broken or bomb-like stream ends quietly, with ``failure`` set."""

    def __init__(self, packed: io.BufferedReader[_Counted], counted: _Counted) -> None:
        self._gzip = GzipFile(fileobj=packed)
        self._counted = counted
        self._size = 0
        self.failure = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if self.failure:
            return 0
        view = memoryview(buffer)
        try:
            data = self._gzip.read1(len(view))
        except EOFError:
            self.failure = "the gzip file ends early; the rest is missing"
        except (BadGzipFile, zlib.error) as error:
            self.failure = f"the gzip file is damaged from here on: {error}"
        else:
            self._size += len(data)
            if self._size <= max(RATIO_FLOOR, MAX_RATIO * self._counted.count):
                view[: len(data)] = data
                return len(data)
            self.failure = f"the gzip file expands more than {MAX_RATIO}-fold; the rest was not read"
        return 0


def lines(source: Source) -> Iterator[Line]:
    """Every line of ``source``; an over-long one is skipped without being held, and a broken stream ends in a fault."""
    number, raw = 0, b""
    while raw := source.stream.readline(MAX_LINE + 1):
        number += 1
        if raw.endswith(b"\n") or len(raw) <= MAX_LINE:
            if source.failure and not raw.endswith(b"\n"):
                break
            yield Line(number, raw)
        else:
            yield Line(number, raw[:MAX_PAYLOAD], f"the line is longer than {MAX_LINE:,} bytes")
            _skip_line(source.stream)
    if source.failure:
        yield Line(number if raw else number + 1, raw[:MAX_PAYLOAD], source.failure)


def _skip_line(stream: io.BufferedReader[Any]) -> None:
    while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
        pass


def records(physical: Iterable[Line], delimiter: str) -> Iterator[Line]:
    """The records of a CSV file (RFC 4180): lines, joined where a line feed stands inside quotes."""
    opening = re.compile(rb"(?:\A|" + re.escape(delimiter.encode()) + rb')"')
    parts: list[bytes] = []
    first = size = 0
    for line in physical:
        if line.fault:
            if parts:
                yield _unclosed(first, parts)
            parts, size = [], 0
            yield line
            continue
        if not parts:
            first = line.number
        inside = _in_quotes(line.raw, opening, bool(parts))
        parts.append(line.raw)
        size += len(line.raw)
        if not inside:
            yield Line(first, b"".join(parts))
        elif size > MAX_LINE:
            yield _unclosed(first, parts)
        else:
            continue
        parts, size = [], 0
    if parts:
        yield _unclosed(first, parts)


def _unclosed(first: int, parts: list[bytes]) -> Line:
    fault = f"a quote is not closed; lines {first} to {first + len(parts) - 1} were passed over"
    return Line(first, b"".join(parts)[:MAX_PAYLOAD], fault)


def _in_quotes(raw: bytes, opening: re.Pattern[bytes], inside: bool) -> bool:
    """Whether a quoted field is still open after ``raw``. Only a quote at the start of a field opens one."""
    position = 0
    while True:
        if not inside:
            found = opening.search(raw, position)
            if found is None:
                return False
            position = found.end()
        quote = raw.find(b'"', position)
        if quote < 0:
            return True
        inside = raw.startswith(b'""', quote)  # a doubled quote is one in the text
        position = quote + (2 if inside else 1)

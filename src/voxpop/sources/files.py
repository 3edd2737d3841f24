"""Files: JSON lines and CSV, plain or gzip, become items; what breaks a rule becomes a dead letter with its line.

Reading streams, and its memory is bounded whatever the bytes are: a line of more than 4 MiB, a gzip file that ends
early or expands beyond reason, and a quote that is never closed each cost a dead letter, never the items before them.
Whether a file is compressed is read from its first bytes, not from its name.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec

from voxpop.errors import Refused, SettingError, SourceUnavailable
from voxpop.records import DeadLetter, Item
from voxpop.sources.door import MAX_PAYLOAD, admit, is_missing, refusal
from voxpop.sources.layouts import Layout
from voxpop.sources.lines import MAX_LINE, Line, Source, lines, records

Format = Literal["jsonl", "csv"]

_SUFFIXES: Final[Mapping[str, Format]] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv"}


def read(
    file: Path | BinaryIO,
    *,
    defaults: Mapping[str, object],
    received_at: datetime,
    now: datetime,
    layout: Layout | None = None,
    name: str = "",
    progress: Callable[[int], None] | None = None,
) -> Iterator[Item | DeadLetter]:
    """Every item of ``file`` in its order, and a dead letter for whatever is not one.

    Args:
        file: a path, or a stream open for reading bytes (standard input), which stays open.
        defaults: fields for records that lack them, such as ``source`` and ``channel``.
        received_at: when the items came to us.
        now: against which a date in the future is told.
        layout: how to read records that are not in the fields of ``Item``.
        name: origin of the dead letters; by default the file's name. Its suffix tells JSON lines from CSV; where it
            tells nothing the first character does.
        progress: told the bytes of the file consumed so far (compressed ones, of a compressed file).

    Raises:
        SettingError: the file cannot be opened.
        SourceUnavailable: the disk or pipe failed while reading.
    """
    origin = name or _name(file)
    door = _Door(origin, defaults, layout, received_at, now)
    with _open(file) if isinstance(file, Path) else nullcontext(file) as stream:
        try:
            source = Source(stream, progress)
            head = source.head()
            if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
                yield door.letter(Line(1, head), "the file is UTF-16; only UTF-8 can be read")
            elif _format(origin, head) == "jsonl":
                yield from _read_jsonl(source, door)
            else:
                yield from _read_csv(source, door)
        except OSError as error:
            raise SourceUnavailable(f"{origin}: {error}") from error


@dataclass(frozen=True)
class _Door:
    """What every record of one file has in common on its way through the door."""

    origin: str
    defaults: Mapping[str, object]
    layout: Layout | None
    received_at: datetime
    now: datetime

    def letter(self, line: Line, reason: str) -> DeadLetter:
        payload = line.raw[:MAX_PAYLOAD].rstrip(b"\r\n")
        return DeadLetter(stage="ingest", reason=reason, payload=payload, origin=self.origin, position=line.number)

    def records(self, value: object, line: Line) -> Iterator[Item | DeadLetter]:
        """The one item of ``value``, or as many as the layout splits it into."""
        if self.layout is None:
            yield self.admit(value, line)
            return
        try:
            elements = self.layout.elements(value)
        except Refused as error:
            yield self.letter(line, error.reason)
            return
        for element, holder in elements:
            try:
                fields = self.layout.apply(element, holder)
            except Refused as error:
                yield refusal(error, element, origin=self.origin, position=line.number)
            else:
                yield self.admit(fields, line)

    def admit(self, value: object, line: Line) -> Item | DeadLetter:
        if not isinstance(value, Mapping):
            return self.letter(line, "the line is JSON, but not an object")
        fields = {**self.defaults, **{name: given for name, given in value.items() if not is_missing(given)}}
        try:
            return admit(fields, received_at=self.received_at, now=self.now)
        except Refused as error:
            return refusal(error, fields, origin=self.origin, position=line.number)


def _read_jsonl(source: Source, door: _Door) -> Iterator[Item | DeadLetter]:
    for line in lines(source):
        if line.fault:
            yield door.letter(line, line.fault)
        elif not line.raw.isspace():
            try:
                value = _json(line.raw)
            except Refused as error:
                yield door.letter(line, error.reason)
            else:
                yield from door.records(value, line)


def _read_csv(source: Source, door: _Door) -> Iterator[Item | DeadLetter]:
    delimiter = door.layout.delimiter if door.layout else ","
    header: list[str] | None = None
    for line in records(lines(source), delimiter):
        if not line.fault and line.raw.isspace():
            continue
        try:
            cells = _cells(line, delimiter)
            if header is None:
                header = _header(cells, door)
                continue
            if len(cells) != len(header):
                raise Refused(f"{len(cells)} columns where the header has {len(header)}")
        except Refused as error:
            yield door.letter(
                line, error.reason if header else f"{error.reason}; nothing was read without a header row"
            )
            if header is None:
                return
        else:
            yield from door.records(dict(zip(header, cells, strict=True)), line)


def _json(raw: bytes) -> object:
    if b"\0" in raw:
        raise Refused("the line holds a NUL byte")
    try:
        value: object = msgspec.json.decode(raw)
    except UnicodeDecodeError as error:
        raise Refused(f"the line is not UTF-8: {error}") from None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        if not _is_utf8(raw):
            raise Refused("the line is not UTF-8") from None
        raise Refused(f"the line is not JSON: {error}") from None
    return value


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _cells(line: Line, delimiter: str) -> list[str]:
    if line.fault:
        raise Refused(line.fault)
    if b"\0" in line.raw:
        raise Refused("the row holds a NUL byte")
    if csv.field_size_limit() < MAX_LINE:
        csv.field_size_limit(MAX_LINE)  # Python's own limit of 131,072 is below the longest text of an item
    try:
        return next(csv.reader([line.raw.decode()], delimiter=delimiter, strict=True))
    except UnicodeDecodeError:
        raise Refused("the row is not UTF-8") from None
    except csv.Error as error:
        raise Refused(f"the row is not CSV: {error}") from None


def _header(cells: list[str], door: _Door) -> list[str]:
    header = [cell.strip() for cell in cells]
    if len(set(header)) != len(header):
        raise Refused("two columns have the same name")
    known = {*header, *door.defaults}
    if door.layout is None and not ("published_at" in known and {"text", "title"} & known):
        raise Refused("the first row names no columns text and published_at (a map, --map FILE, can name others)")
    return header


def _format(name: str, head: bytes) -> Format:
    suffix = Path(name.removesuffix(".gz")).suffix.lower()
    return _SUFFIXES.get(suffix, "jsonl" if head.lstrip()[:1] in b"{[" else "csv")


def _name(file: Path | BinaryIO) -> str:
    name = file.name if isinstance(file, Path) else getattr(file, "name", "")
    return Path(name).name if isinstance(name, str) and name else "-"


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error

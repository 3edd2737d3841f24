"""Reads a watchlist: a CSV of the companies, institutions, persons, branches and products to watch.

Columns, in any order; only ``id`` and ``name`` are required:

=========== =========================================================================================================
id          short and lasting; the rows of the store carry it
name        the name to show; ``valid_from`` and ``valid_to`` (dates, inclusive) say when it was in use
aliases     other names, in any language, parted by ``|``
tickers     parted by ``|``: ``AAPL``, ``BRK.B``, ``0700.HK``, ``600519.SH``, ``MC.PA``
exchange    where it is listed first
country     ISO 3166 code of two letters
sector      one or two words (``banks``, ``autos``); cues for its trade are chosen by how it begins
type        company (the default), institution, person, branch or product
parent      id of the entity it belongs to
own         ``true`` for the desk's own firm
isin, lei   ISO 6166 and ISO 17442 identifiers, with valid check digits
=========== =========================================================================================================

An alias may say when it was in use: ``Facebook<2021-10-28`` (before that day), ``Meta>=2021-10-28`` (from that day on),
``<=`` and ``>`` likewise, and two of them for a span of time: ``Altaba>=2017-06-16<2019-10-05``. Days are UTC.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from typing import get_args

from stdnum import isin, lei

from voxpop.errors import Refused
from voxpop.records import Entity, EntityType, Name

COLUMNS: tuple[str, ...] = (
    "id", "name", "aliases", "tickers", "exchange", "country", "sector",
    "type", "parent", "own", "isin", "lei", "valid_from", "valid_to",
)  # fmt: skip


def load(path: Path, *, empty: bool = False) -> list[Entity]:
    """The entities in the CSV at ``path``.

    Args:
        empty: take a file that names nobody, too.

    Raises:
        Refused: the file cannot be read, is not UTF-8, names nobody, or a line breaks a rule; the reason names
            the line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error
    entities = parse(text)
    if not entities and not empty:
        raise Refused(
            f"{path} names nobody: below its header it has no line (`voxpop watchlist load --empty` takes it)"
        )
    return entities


def shared(entities: Iterable[Entity]) -> list[tuple[str, list[str]]]:
    """Names, aliases and tickers that several entities have at one time, each with the ids of these."""
    held: dict[str, list[tuple[str, Name]]] = {}
    for entity in entities:
        dated = {name.text for name in entity.aliases if name.valid_from or name.valid_to}
        own = () if entity.name in dated else (Name(text=entity.name),)
        for name in (*own, *entity.aliases, *(Name(text=ticker) for ticker in entity.tickers)):
            held.setdefault(name.text.lower(), []).append((entity.id, name))
    found = []
    for holders in held.values():
        ids = {a for a, one in holders for b, other in holders if a != b and _overlap(one, other)}
        if ids:
            found.append((holders[0][1].text, sorted(ids)))
    return found


def _overlap(one: Name, other: Name) -> bool:
    """Whether there is a day on which both names are in use."""
    starts = [name.valid_from for name in (one, other) if name.valid_from]
    ends = [name.valid_to for name in (one, other) if name.valid_to]
    return not starts or not ends or max(starts) <= min(ends)


def shipped() -> list[Entity]:
    """The watchlist that comes with the package: large listed companies of the US, Europe, Hong Kong and China."""
    return parse((files("voxpop") / "data" / "watchlist.csv").read_text("utf-8"))


def parse(text: str) -> list[Entity]:
    """The entities in ``text``, a CSV with a header, in its order.

    Raises:
        Refused: a line breaks a rule; the reason begins with its line number (the header is line 1).
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    entities: list[Entity] = []
    lines: list[int] = []
    rows = _rows(reader)
    _, header = next(rows, (1, []))
    columns = _columns(header)
    for line, cells in rows:
        if len(cells) > len(columns):
            raise Refused(f"line {line}: {len(cells)} cells for {len(columns)} columns; quote a cell with a comma")
        try:
            entities.append(_entity(dict(zip(columns, cells, strict=False))))
        except Refused as refused:
            raise Refused(f"line {line}: {refused.reason}", refused.field) from None
        lines.append(line)
    _check_whole(entities, lines)
    return entities


def _rows(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with the line on which each begins."""
    last = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Refused(f"line {last + 1}: not CSV: {error}") from error
        begin, last = last + 1, reader.line_num  # type: ignore[attr-defined]
        cells = [" ".join(cell.split()) for cell in row]
        if any(cells):
            yield begin, cells


def _columns(header: list[str]) -> list[str]:
    columns = [column.lower() for column in header]
    for column in ("id", "name"):
        if column not in columns:
            raise Refused(f"line 1: there is no column {column!r}; the header must name id and name", column)
    for column in columns:
        if column not in COLUMNS:
            raise Refused(f"line 1: unknown column {column!r}; known are {', '.join(COLUMNS)}", column)
        if columns.count(column) > 1:
            raise Refused(f"line 1: column {column!r} comes twice", column)
    return columns


def _entity(row: dict[str, str]) -> Entity:
    for field in ("id", "name"):
        if not row.get(field):
            raise Refused(f"{field} is empty", field)
    if not _ID.fullmatch(row["id"]):
        raise Refused(f"id {row['id']!r}: at most 64 letters, digits, '-', '_', '.'", "id")
    kind = row.get("type") or "company"
    if kind not in get_args(EntityType):
        raise Refused(f"type {kind!r} is none of {', '.join(get_args(EntityType))}", "type")
    return Entity(
        id=row["id"],
        name=row["name"],
        type=kind,  # type: ignore[arg-type]
        aliases=_aliases(row),
        tickers=_tickers(row.get("tickers", "")),
        exchange=row.get("exchange") or None,
        country=row.get("country") or None,
        sector=row.get("sector") or None,
        parent=row.get("parent") or None,
        own=_flag(row.get("own", "")),
        isin=_number(row, "isin"),
        lei=_number(row, "lei"),
    )


_ID = re.compile(r"[\w.-]{1,64}")
_TICKER = re.compile(r"[A-Z0-9&]{1,12}(?:[.\-/][A-Z0-9-]{1,6}){0,2}")
_DATED = re.compile(r"(.*?)((?:\s*(?:<=|>=|<|>)\s*[0-9][^<>=]*){1,2})")
_BOUND = re.compile(r"\s*(<=|>=|<|>)\s*([0-9][^<>=]*)")


def _parts(cell: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in cell.split("|") if part.strip()))


def _tickers(cell: str) -> tuple[str, ...]:
    tickers = tuple(part.upper() for part in _parts(cell))
    for ticker in tickers:
        if not _TICKER.fullmatch(ticker):
            raise Refused(f"ticker {ticker!r} is not like AAPL, BRK.B, 0700.HK or 600519.SH", "tickers")
    return tickers


def _aliases(row: dict[str, str]) -> tuple[Name, ...]:
    names = [_name(part) for part in _parts(row.get("aliases", ""))]
    since = _day(row["valid_from"], "valid_from") if row.get("valid_from") else None
    until = _last(_day(row["valid_to"], "valid_to")) if row.get("valid_to") else None
    if since or until:
        names.insert(0, _checked(Name(text=row["name"], valid_from=since, valid_to=until)))
    return tuple(names)


def _name(alias: str) -> Name:
    """An alias with its dates, if it bears any."""
    match = _DATED.fullmatch(alias)
    if match is None:
        return Name(text=alias)
    since: datetime | None = None
    until: datetime | None = None
    for sign, raw in _BOUND.findall(match[2]):
        day = _day(raw.strip(), "aliases")
        if sign == ">=":
            since = day
        elif sign == ">":
            since = day + timedelta(days=1)
        else:
            until = _last(day) if sign == "<=" else day - timedelta(microseconds=1)
    if not match[1].strip():
        raise Refused(f"alias {alias!r} has dates and no name", "aliases")
    return _checked(Name(text=match[1].strip(), valid_from=since, valid_to=until))


def _checked(name: Name) -> Name:
    if name.valid_from and name.valid_to and name.valid_to < name.valid_from:
        raise Refused(f"{name.text!r} ends before it begins", "aliases")
    return name


def _day(raw: str, field: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(raw), time(), UTC)
    except ValueError:
        raise Refused(f"{raw!r} is not a day such as 2021-10-28", field) from None


def _last(day: datetime) -> datetime:
    """The last moment of ``day``."""
    return day + timedelta(days=1, microseconds=-1)


def _flag(cell: str) -> bool:
    known = {"": False, "false": False, "no": False, "0": False, "true": True, "yes": True, "1": True}
    if cell.lower() not in known:
        raise Refused(f"own {cell!r} is neither true nor false", "own")
    return known[cell.lower()]


def _number(row: dict[str, str], field: str) -> str | None:
    raw = row.get(field, "").upper()
    module = isin if field == "isin" else lei
    if raw and not module.is_valid(raw):
        raise Refused(f"{field} {raw!r} has a wrong length or check digit", field)
    return raw or None


def _check_whole(entities: Iterable[Entity], lines: Iterable[int]) -> None:
    """Ids are unique, and parents exist and do not go in a circle."""
    at: dict[str, int] = {}
    parents: dict[str, str | None] = {}
    for entity, line in zip(entities, lines, strict=True):
        if entity.id in at:
            raise Refused(f"line {line}: id {entity.id!r} is already on line {at[entity.id]}", "id")
        at[entity.id] = line
        parents[entity.id] = entity.parent
    for start, line in at.items():
        seen, here = {start}, parents[start]
        while here is not None:
            if here not in parents:
                raise Refused(f"line {line}: parent {here!r} is on no line", "parent")
            if here in seen:
                raise Refused(f"line {line}: {start!r} is its own ancestor", "parent")
            seen.add(here)
            here = parents[here]

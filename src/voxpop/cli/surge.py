"""``surge``: scores any series of numbers over time, row by row, as if it came in live."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer

from voxpop.cli import app, errors, told
from voxpop.errors import Refused

NEEDED = ("timestamp", "value")
ADDED = ("score", "alert")
MISSING = {"", "nan", "na", "n/a", "null", "none"}


class Table(NamedTuple):
    """A CSV as it was read, with the two columns that matter as numbers."""

    header: list[str]
    rows: list[list[str]]
    seconds: list[float]
    """Since 1970."""
    values: list[float]
    """NaN where missing."""


@app.command(epilog="Example: voxpop surge mentions.csv --out scored.csv    or, from a pipe: voxpop surge - --json")
def surge(
    file: Annotated[str, typer.Argument(help="CSV with columns timestamp and value, - for stdin.")],
    out: Annotated[Path | None, typer.Option(help="Write here instead of to stdout.")] = None,
    level: Annotated[float, typer.Option(help="Score that raises an alert; 1 raises none.", min=0.01, max=1.0)] = 0.85,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON lines instead of CSV.")] = False,
) -> None:
    """Score each row of a series (0 usual, 1 a surge) from it and the rows before it; alert once a burst.

    A timestamp is ISO 8601, UTC if it names no zone, or seconds since 1970. The first 15 % of the rows, at most 750,
    raise no alert. Rows without a value have score 0. The rows come out as they came in, with score and alert added.
    """
    import numpy as np

    from voxpop.signals import series

    with told():
        table = read(file)
        at, value = np.array(table.seconds, dtype=float), np.array(table.values, dtype=float)
        order = np.argsort(at, kind="stable")
        for note in notes(table):
            errors.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)
        rule = series.Rule.alerting(level)
        scores, alerts = np.zeros(len(at)), np.zeros(len(at), dtype=bool)
        scores[order] = series.score(at[order], value[order], rule)
        alerts[order] = series.alerts(at[order], scores[order], rule, probation=series.probation(len(at)))
        text = (_jsonl if as_json else _csv)(table, scores.tolist(), alerts.tolist())
        if out is None:
            sys.stdout.write(text)
        else:
            _write(out, text)
        errors.print(f"{len(at):,} rows, {int(alerts.sum()):,} alerts", highlight=False)


def read(file: str) -> Table:
    """The table in ``file``, or on stdin if that is ``-``.

    Raises:
        Refused: it cannot be read, or a line breaks a rule; the reason names the line (the header is line 1).
    """
    name = "stdin" if file == "-" else file
    try:
        text = (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise Refused(f"cannot read {name}: {error.strerror}") from error
    if not text.strip():
        raise Refused(f"{name} is empty; a header and rows are needed: timestamp,value")
    try:
        return parse(text)
    except Refused as refused:
        raise Refused(f"{name}, {refused.reason}", refused.field) from None


def parse(text: str) -> Table:
    """The table in ``text``; empty lines are passed over.

    Raises:
        Refused: a line breaks a rule; the reason begins with its number.
    """
    lines = _lines(text)
    number, header = next(lines)
    names = [cell.strip().lower() for cell in header]
    for name in NEEDED:
        if name not in names:
            raise Refused(f"line {number}: the header names no column {name}; needed are timestamp and value")
    if len(set(names)) != len(names):
        raise Refused(f"line {number}: two columns have the same name")
    for name in ADDED:
        if name in names:
            raise Refused(f"line {number}: there is a column {name} already; rename it, since one is added")
    table = Table(header, [], [], [])
    when, what = (names.index(name) for name in NEEDED)
    for number, cells in lines:
        if len(cells) != len(header):
            raise Refused(f"line {number}: {len(cells)} cells where the header has {len(header)}")
        try:
            table.seconds.append(_seconds(cells[when].strip()))
            table.values.append(_number(cells[what].strip()))
        except ValueError as error:
            raise Refused(f"line {number}: {error}") from None
        table.rows.append(cells)
    return table


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with the line on which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise Refused(f"line {begins}: not CSV: {error}") from None


def _seconds(given: str) -> float:
    """Of ISO 8601 or of a number of seconds since 1970; eight digits are a date."""
    try:
        if len(given) != 8 and given.replace(".", "", 1).isdecimal():
            found = float(given)
            datetime.fromtimestamp(found, UTC)  # milliseconds are out of its range
        else:
            moment = datetime.fromisoformat(given)
            found = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{given!r} is no timestamp: ISO 8601 or seconds since 1970") from None
    return found


def _number(given: str) -> float:
    if given.lower() in MISSING:
        return math.nan
    try:
        found = float(given.replace("_", "?"))  # Python reads 1_0 as ten
    except ValueError:
        found = math.inf
    if not math.isfinite(found):
        raise ValueError(f"{given!r} is no number")
    return found


def notes(table: Table) -> Iterator[str]:
    """What a reader of the scores should know about the rows."""
    pairs = list(zip(table.seconds, table.seconds[1:], strict=False))
    if late := sum(after < before for before, after in pairs):
        yield f"the rows do not ascend in {late:,} places: scored in the order of time, written as they came"
    if double := len(table.seconds) - len(set(table.seconds)):
        yield f"{double:,} rows repeat a timestamp: each is scored as a row of its own, in the order of the file"
    if missing := sum(map(math.isnan, table.values)):
        yield f"{missing:,} rows have no value: score 0"


def _csv(table: Table, scores: list[float], alerts: list[bool]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.header, *ADDED])
    for cells, score, alert in zip(table.rows, scores, alerts, strict=True):
        writer.writerow([*cells, f"{score:.6f}", int(alert)])
    return text.getvalue()


def _jsonl(table: Table, scores: list[float], alerts: list[bool]) -> str:
    """Columns under their names as in the file, timestamp and value in lower case; the value as a number or null."""
    names = [lower if (lower := name.strip().lower()) in NEEDED else name for name in table.header]
    lines = []
    for cells, value, score, alert in zip(table.rows, table.values, scores, alerts, strict=True):
        row: dict[str, object] = dict(zip(names, cells, strict=True))
        row |= {"value": None if math.isnan(value) else value, "score": round(score, 6), "alert": int(alert)}
        lines.append(msgspec.json.encode(row).decode() + "\n")
    return "".join(lines)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8", newline="\n")
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}") from error

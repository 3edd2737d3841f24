"""``replay``: history through the whole system on a simulated clock; alerts as JSON lines."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec
import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from voxpop.cli import app, channel_of, errors, require_place, told
from voxpop.cli.reading import Channel, LayoutFile, Name, reading

if TYPE_CHECKING:
    from voxpop.app import App
    from voxpop.settings import Settings
    from voxpop.sources.spool import Spool

From = Annotated[str, typer.Option("--from", help="Alerts from this day or time on (UTC); default: the first item.")]
To = Annotated[str, typer.Option("--to", help="Up to this day or time; default: the last item.")]


@app.command(
    epilog="Example: voxpop replay news.jsonl.gz --from 2020-01-01 --to 2020-07-01 --budget 5/day --out alerts.jsonl"
)
def replay(
    file: Annotated[
        Path, typer.Argument(help="JSONL or CSV (gzip or not), as `voxpop ingest` reads it, in any order.")
    ],
    start: From = "",
    end: To = "",
    watchlist: Annotated[Path | None, typer.Option(help="CSV of companies; default: the shipped one.")] = None,
    budget: Annotated[
        str, typer.Option(help="Alerts that the desk will read: 5/day, 20/week. Empty: VOXPOP_ALERT_BUDGET_PER_DAY.")
    ] = "",
    out: Annotated[str, typer.Option(help="Where the alerts go, a JSON object a line; - for stdout.")] = "-",
    name: Name = "",
    channel: Channel = "news",
    layout: LayoutFile = None,
    silences: Annotated[bool, typer.Option("--silences", help="Also tell of sources that fell silent.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the database, and say how to look at it.")] = False,
) -> None:
    """Run history through the whole system on a simulated clock, hour by hour, and write each alert.

    An alert rests on what was known in its hour and on nothing later. Up to 63 days before --from are read, too, as
    history to learn from; until a first week is known nothing alarms. The database is one of its own and goes at the
    end. What the models compute is kept, so that a second replay, with another watchlist or budget, takes minutes.
    """
    from voxpop.replay import DATABASE
    from voxpop.scratch import scratch_app
    from voxpop.settings import Settings
    from voxpop.sources.spool import Spool
    from voxpop.text import watchlist as lists

    with told(), Spool() as spool:
        settings = _settings(Settings.load(), budget)
        entities = lists.load(watchlist) if watchlist else lists.shipped()
        if out != "-":
            require_place(Path(out))
        refused = _spool(spool, file, name, channel, layout)
        span = _span(spool, start, end, file)
        with scratch_app(settings, "replay", keep=keep, options=DATABASE) as live, _open(out) as sink:
            live.watch(entities)
            told_of = _play(live, spool, span, sink, silences)
            _summarise(told_of, refused, silences)
            if keep:
                look = f"To look at it: VOXPOP_DATABASE_URL='{_url(live)}' voxpop serve"
                errors.print(look, markup=False, soft_wrap=True)


def _settings(settings: Settings, budget: str) -> Settings:
    from voxpop.cli.calibrate import budget_of

    return dataclasses.replace(settings, alert_budget_per_day=budget_of(budget)) if budget else settings


def _spool(spool: Spool, file: Path, name: str, channel: str, layout: Path | None) -> int:
    """Brings the file through the door; how many records were refused."""
    from voxpop.errors import SettingError
    from voxpop.records import Item

    reasons = Counter[str]()
    defaults = {"source": name or file.name.partition(".")[0], "channel": channel_of(channel)}
    with reading(file, defaults, layout, doing="opening the file") as records:
        for record in records:
            if isinstance(record, Item):
                spool.add(record)
            else:
                reasons[record.reason] += 1
    if not len(spool):
        why = f": {reasons.most_common(1)[0][0]}" if reasons else ""
        raise SettingError(f"no item could be read from {file}{why}; --map names a layout for other fields")
    return reasons.total()


def _span(spool: Spool, start: str, end: str, file: Path) -> tuple[datetime, datetime]:
    from voxpop.errors import SettingError

    known = spool.span()
    assert known is not None
    first = _time(start, "--from") if start else known[0]
    last = _time(end, "--to") if end else known[1] + timedelta(microseconds=1)
    if not spool.count(first, last):
        held = f"{known[0]:%Y-%m-%d %H:%M} to {known[1]:%Y-%m-%d %H:%M}"
        raise SettingError(f"{file} has nothing from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}; it has {held}")
    return first, last


def _time(raw: str, option: str) -> datetime:
    from voxpop.errors import Refused, SettingError
    from voxpop.sources.door import parse_date

    try:
        found = parse_date(raw.strip(), option)
    except Refused as refused:
        raise SettingError(f"{refused.reason}: 2020-01-31 or 2020-01-31T09:30Z are") from refused
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


@contextmanager
def _open(out: str) -> Iterator[BinaryIO]:
    if out == "-":
        yield sys.stdout.buffer
        return
    with Path(out).open("wb") as file:
        yield file


def _play(live: App, spool: Spool, span: tuple[datetime, datetime], sink: BinaryIO, silences: bool) -> Counter[str]:
    """Writes the alerts; how many there were of each rule."""
    from voxpop.replay import HISTORY, replay
    from voxpop.signals.meaning import FEED

    raised = Counter[str]()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task("loading the model", total=spool.count(span[0] - HISTORY, span[1]))

        def progress(done: int, clock: datetime) -> None:
            bar.update(task, completed=done, description=f"{clock:%Y-%m-%d}, {raised.total()} alerts")

        for alert in replay(live, spool, *span, progress=progress):
            raised[alert.rule] += 1
            if silences or alert.rule != FEED:
                sink.write(msgspec.json.encode(alert) + b"\n")
                sink.flush()
    return raised


def _summarise(raised: Counter[str], refused: int, silences: bool) -> None:
    from voxpop.signals.meaning import FEED

    kinds = ", ".join(f"{count} {rule}" for rule, count in sorted(raised.items()) if silences or rule != FEED)
    parts = [f"alerts: {kinds or 'none'}"]
    if not silences and raised[FEED]:
        parts.append(f"{raised[FEED]} times a source fell silent (--silences tells which)")
    if refused:
        parts.append(f"{refused:,} records refused")
    errors.print("; ".join(parts), highlight=False)


def _url(live: App) -> str:
    return live.settings.database_url

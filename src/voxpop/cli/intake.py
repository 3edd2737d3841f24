"""``ingest``, ``sources``, ``watchlist`` and ``dlq``: what comes in, and what was refused."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec.structs import replace
from rich.markup import escape

from voxpop.cli import Json, app, channel_of, console, emit, errors, folded, told
from voxpop.cli.reading import Channel, LayoutFile, Name, reading

if TYPE_CHECKING:
    from voxpop.app import App
    from voxpop.records import DeadLetter, Item

_SHOWN = 10
"""Most warnings of one kind."""

sources_app = typer.Typer(help="Feeds that `voxpop run` and `voxpop jobs feeds` poll.", no_args_is_help=True)
watchlist_app = typer.Typer(help="The companies that are watched.", no_args_is_help=True)
dlq_app = typer.Typer(help="Dead letters: records that were refused, with the reason.", no_args_is_help=True)
app.add_typer(sources_app, name="sources")
app.add_typer(watchlist_app, name="watchlist")
app.add_typer(dlq_app, name="dlq")


@app.command(epilog="Example: voxpop ingest posts.jsonl.gz    or: voxpop ingest https://example.org/feed.xml")
def ingest(
    source: Annotated[str, typer.Argument(help="JSONL or CSV file (gzip or not), - for stdin, or the URL of a feed.")],
    name: Name = "",
    channel: Channel = "news",
    layout: LayoutFile = None,
    as_json: Json = False,
) -> None:
    """Bring items into the log. What is refused goes to the dead letters; exit code 2 if anything was."""
    from voxpop.app import App
    from voxpop.intake import take

    with told(), App() as live:
        if source.startswith(("http://", "https://")):
            taken = take(_of_feed(live, source, name, channel), live.log, live.engine)
        else:
            file = sys.stdin.buffer if source == "-" else Path(source)
            defaults = {"source": name or Path(source).name.partition(".")[0] or "stdin", "channel": channel}
            with reading(file, defaults, layout, doing=f"ingest {source}", quiet=as_json) as records:
                taken = take(records, live.log, live.engine)
        if as_json:
            emit(taken._asdict())
        else:
            note = ": `voxpop dlq list` shows them" if taken.refused else ""
            console.print(f"{taken.items:,} items in, {taken.refused:,} refused{note}")
        if taken.refused:
            raise typer.Exit(2)


def _of_feed(live: App, url: str, name: str, channel: str) -> list[Item | DeadLetter]:
    """What a feed says now, and what the door refused of it."""
    from voxpop.sources import feeds
    from voxpop.store.feeds import name_for

    now = datetime.now(UTC)
    with live.engine.connect() as connection:  # nobody looks at it here, so it is not what the feed calls itself
        source = name or name_for(connection, url, [feeds.host(url)])
    feed = feeds.Feed(url=url, name=source, channel=channel_of(channel))
    polled = feeds.poll(feed, feeds.FeedState(), live.fetcher, received_at=now, now=now)
    return [*polled.items, *polled.refused]


@sources_app.command("add", epilog="Example: voxpop sources add https://example.org/feed.xml --name example")
def sources_add(
    url: Annotated[str, typer.Argument(help="RSS or Atom address.")],
    name: Annotated[str, typer.Option(help="Name of the source; default: what the feed calls itself.")] = "",
    channel: Annotated[str, typer.Option(help="news or social.")] = "news",
    full_text: Annotated[bool, typer.Option(help="Fetch each article where the feed has a summary only.")] = False,
) -> None:
    """Keep a feed; `voxpop run` polls it from then on. One that no poll could read is refused at once."""
    from voxpop.app import App
    from voxpop.sources.feeds import Feed, host
    from voxpop.store import feeds

    with told(), App() as live:
        feed = Feed(url=url, channel=channel_of(channel), full_text=full_text)
        own = _own_name(live, url)
        with live.engine.begin() as connection:
            called = name or feeds.name_for(connection, url, [own, host(url)])
            feed = replace(feed, name=called)
            feeds.add(connection, called, msgspec.to_builtins(feed))
        console.print(f"{called} is kept; try it: voxpop sources test {quote(called)}", markup=False, soft_wrap=True)


def _own_name(live: App, url: str) -> str:
    """What the feed calls itself; its host where it does not answer at present."""
    from voxpop.errors import SourceUnavailable
    from voxpop.sources import feeds

    now = datetime.now(UTC)
    try:
        return feeds.poll(feeds.Feed(url=url), feeds.FeedState(), live.fetcher, received_at=now, now=now).source
    except SourceUnavailable as failure:
        errors.print(f"voxpop: {failure}; it is kept, and polled until it answers", markup=False, soft_wrap=True)
        return feeds.host(url)


@sources_app.command("list", epilog="Example: voxpop sources list --json")
def sources_list(as_json: Json = False) -> None:
    """Show the feeds, when each was polled and what went wrong."""
    from voxpop.app import App
    from voxpop.store import feeds

    with told(), App() as live:
        with live.engine.connect() as connection:
            kept = feeds.kept(connection)
        if as_json:
            emit([k._asdict() for k in kept])
            return
        table = folded("name", "url", "channel", "polled", "error")
        for k in kept:
            polled = k.polled_at.isoformat(timespec="minutes") if k.polled_at else "never"
            table.add_row(escape(k.name), escape(k.detail["url"]), k.detail["channel"], polled, escape(k.error or ""))
        console.print(table if kept else "No feeds yet. Add one: voxpop sources add URL")


@sources_app.command("test", epilog="Example: voxpop sources test example")
def sources_test(name: Annotated[str, typer.Argument(help="Name of a kept feed, or the URL of any.")]) -> None:
    """Poll a feed once and show what would come in; nothing is stored."""
    from voxpop.app import App
    from voxpop.errors import SettingError
    from voxpop.sources import feeds
    from voxpop.store import feeds as stored

    with told(), App() as live:
        if name.startswith(("http://", "https://")):
            feed = feeds.Feed(url=name)
        else:
            with live.engine.connect() as connection:
                found = [k for k in stored.kept(connection) if k.name == name]
            if not found:
                raise SettingError(f"no feed is called {name!r}: `voxpop sources list` shows them")
            feed = msgspec.convert(found[0].detail, feeds.Feed)
        now = datetime.now(UTC)
        polled = feeds.poll(feed, feeds.FeedState(), live.fetcher, received_at=now, now=now)
        for item in polled.items:
            console.print(f"[dim]{item.published_at:%Y-%m-%d %H:%M}[/dim] {escape(item.title or item.text[:100])}")
        for dead in polled.refused:
            console.print(f"[red]refused[/red] {escape(dead.reason)}")
        summary = f"{polled.source}: {len(polled.items)} items, {len(polled.refused)} refused"
        console.print(summary, markup=False, highlight=False)


@sources_app.command("remove", epilog="Example: voxpop sources remove example")
def sources_remove(name: Annotated[str, typer.Argument(help="Name of a kept feed.")]) -> None:
    """Stop polling a feed; what it brought stays."""
    from voxpop.app import App
    from voxpop.errors import SettingError
    from voxpop.store import feeds

    with told(), App() as live, live.engine.begin() as connection:
        if not feeds.remove(connection, name):
            raise SettingError(f"no feed is called {name!r}: `voxpop sources list` shows them")


@watchlist_app.command("load", epilog="Example: voxpop watchlist load companies.csv")
def watchlist_load(
    path: Annotated[Path, typer.Argument(help="CSV; columns as in the README.")],
    empty: Annotated[
        bool, typer.Option("--empty", help="Take a CSV that names nobody: nobody is watched then.")
    ] = False,
) -> None:
    """Make a CSV the watchlist. Stored documents are linked anew by `voxpop run`."""
    from voxpop.app import App
    from voxpop.text import watchlist

    with told(), App() as live:
        entities = watchlist.load(path, empty=empty)
        done = live.watch(entities)
        moved = f"{done.added:,} added, {done.changed:,} changed, {done.removed:,} removed"
        console.print(f"{done.watched:,} {'entity is' if done.watched == 1 else 'entities are'} watched: {moved}")
        ambiguous = watchlist.shared(entities)
        for name, ids in ambiguous[:_SHOWN]:
            note = f"{name!r} is a name of {' and of '.join(ids)}: a text that uses it alone may mean either"
            errors.print(note, style="yellow", markup=False, highlight=False, soft_wrap=True)
        if len(ambiguous) > _SHOWN:
            errors.print(f"and {len(ambiguous) - _SHOWN:,} more such names", style="yellow", highlight=False)


@watchlist_app.command("list", epilog="Example: voxpop watchlist list --json")
def watchlist_list(as_json: Json = False) -> None:
    """Show who is watched."""
    from voxpop.app import App
    from voxpop.store import facts, watchlist
    from voxpop.text.watchlist import shipped

    with told(), App() as live:
        with live.engine.connect() as connection:
            entities, chosen = watchlist.load(connection), facts.get(connection, "watchlist") is not None
        if as_json:
            emit(entities)
            return
        table = folded("id", "name", "tickers", "sector", "country")
        for e in entities:
            table.add_row(e.id, escape(e.name), " ".join(e.tickers), escape(e.sector or ""), escape(e.country or ""))
        if entities:
            console.print(table)
        elif chosen:
            console.print("Nobody is watched: voxpop watchlist load FILE.csv")
        else:
            begins = f"`voxpop run` begins with the {len(shipped())} companies that come with it"
            others = "unless you load others first: voxpop watchlist load FILE.csv"
            console.print(f"Nobody is watched yet: {begins}, {others}", soft_wrap=True, highlight=False)


@dlq_app.command("list", epilog="Example: voxpop dlq list --stage ingest")
def dlq_list(
    stage: Annotated[str, typer.Option(help="Only this stage.")] = "",
    limit: Annotated[int, typer.Option(help="Most rows.")] = 50,
    as_json: Json = False,
) -> None:
    """Show refused records, newest first, with personal data masked."""
    from voxpop.app import App
    from voxpop.store import deadletters
    from voxpop.text.mask import mask

    with told(), App() as live:
        with live.engine.connect() as connection:
            total, rows = deadletters.listed(connection, stage or None, limit)
        if as_json:
            shown = [
                {"id": r.id, "stage": r.stage, "reason": mask(r.reason), "origin": r.origin, "position": r.position}
                for r in rows
            ]
            emit({"total": total, "dead_letters": shown})
            return
        table = folded("id", "stage", "where", "reason", title=f"{total:,} dead letters", title_justify="left")
        for r in rows:
            where = r.origin if r.position is None else f"{r.origin}:{r.position}"
            table.add_row(r.id[:12], r.stage, escape(where), escape(mask(r.reason.strip().splitlines()[-1])[:160]))
        console.print(table if total else "No dead letters.")


@dlq_app.command("show", epilog="Example: voxpop dlq show 3f2a90c1")
def dlq_show(key: Annotated[str, typer.Argument(help="Id of a dead letter, or its beginning.")]) -> None:
    """Show one refused record whole, with personal data masked."""
    from voxpop.app import App
    from voxpop.store import deadletters
    from voxpop.text.mask import mask

    with told(), App() as live:
        with live.engine.connect() as connection:
            row = deadletters.one(connection, key)
        where = f"{row.origin}:{row.position}"
        console.print(f"id       {row.id}\nstage    {row.stage}\norigin   {where}", highlight=False, markup=False)
        console.print(f"received {row.received_at.isoformat(timespec='seconds')}", highlight=False)
        console.print(f"reason   {mask(row.reason)}", highlight=False, markup=False)
        console.print(mask(row.payload.decode("utf-8", "replace")), highlight=False, markup=False)


@dlq_app.command("replay", epilog="Example: voxpop dlq replay --all    after the cause was mended")
def dlq_replay(
    keys: Annotated[list[str] | None, typer.Argument(help="Ids, or their beginnings.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: Json = False,
) -> None:
    """Send refused records through their stage once more; those refused again stay."""
    from voxpop.app import App
    from voxpop.readmit import readmit

    with told(), App() as live:
        if not keys and not every:
            raise typer.BadParameter("name the dead letters, or --all")
        done = readmit(live, None if every else keys or [])
        if as_json:
            emit(done._asdict())
        else:
            console.print(f"{done.replayed:,} went through, {done.refused:,} were refused again")


@dlq_app.command("erase", epilog="Example: voxpop dlq erase 3f2a90c1")
def dlq_erase(
    keys: Annotated[list[str] | None, typer.Argument(help="Ids, or their beginnings.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Delete refused records for good."""
    from voxpop.app import App
    from voxpop.store import deadletters

    with told(), App() as live:
        if not keys and not every:
            raise typer.BadParameter("name the dead letters, or --all")
        with live.engine.begin() as connection:
            ids = None if every else [deadletters.one(connection, key).id for key in keys or []]
            console.print(f"{deadletters.remove(connection, ids):,} erased")

"""``run`` and ``analyze``: the stream, and a text at a time."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from voxpop.cli import Json, app, console, emit, errors, told
from voxpop.errors import Refused

if TYPE_CHECKING:
    from voxpop.app import App
    from voxpop.models import Reader
    from voxpop.reading import Body
    from voxpop.records import Mention
    from voxpop.text.entities import Linker

_LINES = 256


@app.command(epilog="Example: voxpop run    or, to read what is there and end: voxpop run --until-idle")
def run(
    until_idle: Annotated[bool, typer.Option(help="End when everything is read and judged.")] = False,
    serve: Annotated[bool, typer.Option(help="Serve the dashboard meanwhile.")] = True,
    as_json: Json = False,
) -> None:
    """Everything on one machine: feeds, consumers, analyst, jobs and dashboard, until Ctrl-C."""
    from voxpop.app import App
    from voxpop.runner import run as run_all

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with told(), App() as live:
        live.ensure_watchlist()
        with _shown(live, quiet=as_json or not errors.is_terminal) as progress:
            figures = run_all(
                live,
                stop,
                until_idle=until_idle,
                serve=serve and not until_idle,
                progress=progress,
                announce=lambda url: errors.print(f"Dashboard: {url}    Ctrl-C ends."),
            )
        if as_json:
            emit(figures._asdict())
        else:
            console.print(
                f"{figures.documents:,} documents read in {figures.seconds:.1f} s"
                f" ({figures.documents_per_second:.0f} a second), {figures.refused:,} refused"
            )


@contextmanager
def _shown(live: App, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Says at a terminal what is read, and, by the function that it yields, how far; ``quiet``: nothing."""
    if quiet:
        yield None
        return
    from voxpop.store import counts, feeds, watchlist

    with live.engine.connect() as connection:
        kept, watched = len(feeds.kept(connection)), len(watchlist.load(connection))
        before = counts.alerts(connection)
    feeds_now = f"{kept:,}" if kept else "none yet (voxpop sources add URL)"
    errors.print(f"Companies watched: {watched:,}. Feeds polled: {feeds_now}.", highlight=False, soft_wrap=True)
    done = "{task.fields[read]:,} documents read, {task.fields[left]:,} records waiting, {task.fields[alerts]:,} alerts"
    with Progress(SpinnerColumn(), TextColumn(done), TimeElapsedColumn(), console=errors) as bar:
        task = bar.add_task("run", read=0, left=0, alerts=0)

        def progress(read: int, left: int) -> None:
            with live.engine.connect() as connection:
                bar.update(task, read=read, left=left, alerts=max(0, counts.alerts(connection) - before))

        yield progress


@app.command(epilog="Example: echo 'Apple shares fell as Tesla soared' | voxpop analyze")
def analyze(
    source: Annotated[str, typer.Argument(help="File with a text a line; - for stdin.")] = "-",
    profile: Annotated[str, typer.Option(help="Model profile.")] = "",
    watchlist: Annotated[Path | None, typer.Option(help="CSV of entities; default: the shipped one.")] = None,
) -> None:
    """A text a line in, one JSON object a line out. Needs no database."""
    from voxpop import models
    from voxpop.errors import SettingError
    from voxpop.settings import Settings
    from voxpop.text import watchlist as lists
    from voxpop.text.entities import Linker

    with told():
        settings = Settings.load()
        linker = Linker(lists.load(watchlist) if watchlist else lists.shipped())
        if source != "-" and not Path(source).is_file():
            raise SettingError(f"there is no file {source}")
        reader = models.load(profile or settings.profile, threads=settings.threads, batch_tokens=settings.batch_tokens)
        with Path(source).open("rb") if source != "-" else sys.stdin.buffer as stream:
            for lines in _batches(stream):
                for result in _analysed(lines, linker, reader):
                    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
                sys.stdout.buffer.flush()


def _batches(stream: BinaryIO) -> Iterator[list[str]]:
    """Lines in groups: at once where they are there, one by one where a person types.

    Raises:
        Refused: a line is not UTF-8; those before it were given.
    """
    size, number = 1 if stream.isatty() else _LINES, 0
    while lines := list(islice(stream, size)):
        decoded: list[str] = []
        for line in lines:
            number += 1
            try:
                decoded.append(line.decode("utf-8").rstrip("\r\n"))
            except UnicodeDecodeError as error:
                if decoded:
                    yield decoded
                raise Refused(f"line {number} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
        yield decoded


def _analysed(lines: list[str], linker: Linker, reader: Reader) -> Iterator[dict[str, Any]]:
    from voxpop.reading import body_of, top_topics
    from voxpop.text.clean import clean
    from voxpop.text.language import detect

    now = datetime.now(UTC)
    texts = [clean("", line).text for line in lines]
    langs = [detect(text) for text in texts]
    mentions = [
        linker.link(text, title_end=0, published_at=now, lang=lang) for text, lang in zip(texts, langs, strict=True)
    ]
    readable = [i for i, lang in enumerate(langs) if lang in reader.languages and texts[i]]
    bodies = {i: body_of(texts[i], mentions[i]) for i in readable}
    topics = dict(zip(readable, reader.topics([body.text for body in bodies.values()]), strict=True))
    verdicts = _verdicts(bodies, reader)
    for i, text in enumerate(texts):
        of_one = verdicts.get(i)
        best = top_topics(reader.topic_labels, topics[i]) if of_one else []
        yield {
            "text": text,
            "lang": langs[i],
            "mentions": [_mention(mention, of_one) for mention in mentions[i]],
            "sentiment": of_one[""] if of_one else None,
            "topics": [{"label": topic.label, "score": topic.score} for topic in best],
            "model": reader.version,
        }


def _verdicts(bodies: Mapping[int, Body], reader: Reader) -> dict[int, dict[str, dict[str, Any]]]:
    """Of each text the sentiment towards every entity that it mentions, and, under "", of the whole."""
    from voxpop.models import Target
    from voxpop.reading import targets_of
    from voxpop.records import SENTIMENTS

    asked = {i: {"": Target(body.text, ())} | targets_of(body.text, body.mentions) for i, body in bodies.items()}
    answers = iter(reader.sentiment([target for of_one in asked.values() for target in of_one.values()]))
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for i, of_one in asked.items():
        found[i] = {}
        for entity in of_one:
            chances = next(answers)
            probabilities = dict(zip(SENTIMENTS, map(float, chances), strict=True))
            found[i][entity] = {"label": SENTIMENTS[int(chances.argmax())], "probabilities": probabilities}
    return found


def _mention(mention: Mention, sentiment: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "entity": mention.entity,
        "start": mention.start,
        "end": mention.end,
        "relevance": mention.relevance,
        "sentiment": sentiment[mention.entity] if sentiment else None,
    }

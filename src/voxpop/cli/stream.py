"""``run`` and ``analyze``: the stream, and a text at a time."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from voxpop.cli import Json, app, console, emit, errors, told

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
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[read]:,} documents read, {task.fields[left]:,} records waiting"),
            TimeElapsedColumn(),
            console=errors,
            disable=as_json or not errors.is_terminal,
        )
        with bar:
            task = bar.add_task("run", read=0, left=0)
            figures = run_all(
                live,
                stop,
                until_idle=until_idle,
                serve=serve and not until_idle,
                progress=lambda read, left: bar.update(task, read=read, left=left),
                announce=lambda url: errors.print(f"Dashboard: {url}    Ctrl-C ends."),
            )
        if as_json:
            emit(figures._asdict())
        else:
            console.print(
                f"{figures.documents:,} documents read in {figures.seconds:.1f} s"
                f" ({figures.documents_per_second:.0f} a second), {figures.refused:,} refused"
            )


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
    """Lines in groups: at once where they are there, one by one where a person types."""
    size = 1 if stream.isatty() else _LINES
    while lines := list(islice(stream, size)):
        yield [line.decode("utf-8", "replace").rstrip("\r\n") for line in lines]


def _analysed(lines: list[str], linker: Any, reader: Any) -> Iterator[dict[str, Any]]:
    from voxpop.models import Target
    from voxpop.reading import body_of, targets_of, top_topics
    from voxpop.records import SENTIMENTS
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
    asked = {i: {"": Target(body.text, ())} | targets_of(body.text, body.mentions) for i, body in bodies.items()}
    flat = [target for of_one in asked.values() for target in of_one.values()]
    answers = iter(reader.sentiment(flat))
    verdicts = {
        i: {
            entity: {
                "label": SENTIMENTS[int(p.argmax())],
                "probabilities": dict(zip(SENTIMENTS, map(float, p), strict=True)),
            }
            for entity, p in zip(of_one, answers, strict=False)
        }
        for i, of_one in asked.items()
    }
    for i, text in enumerate(texts):
        of_one = verdicts.get(i)
        yield {
            "text": text,
            "lang": langs[i],
            "mentions": [
                {
                    "entity": m.entity,
                    "start": m.start,
                    "end": m.end,
                    "relevance": m.relevance,
                    "sentiment": of_one[m.entity] if of_one else None,
                }
                for m in mentions[i]
            ],
            "sentiment": of_one[""] if of_one else None,
            "topics": [{"label": t.label, "score": t.score} for t in top_topics(reader.topic_labels, topics[i])]
            if of_one
            else [],
            "model": reader.version,
        }

"""The sample stream: fourteen days of invented news and posts about invented companies, with its truth.

The texts lie in ``data/sample`` as their authors wrote them, a JSON object a line with day, time, source and a tag;
here they become the items of a stream. Three things are multiplied, as readers do with real ones: some texts are passed
on by a reader or two, one harmless story is reposted over a day to the number that such stories reach, and one
frightened post within an hour.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import count, cycle, islice
from typing import Any, NamedTuple

import msgspec

from voxpop.records import digest

FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
REPOSTS = 400
ALARMED = 90
"""Readers who pass the frightened post on."""
_BROKEN = {
    100: '{"id": "cut", "source": "Sector Watch", "channel": "news", "published_at": "2026-03-04T10:0',
    500: '{"id": "zone", "source": "chirper", "channel": "social", "published_at": "2026-03-08 10:00", "text": "hm"}',
    900: '{"id": "9", "source": "chirper", "channel": "social", "published_at": "2026-03-10T10:00:00Z", "text": ""}',
}
_FOLDER = files("voxpop.data") / "sample"


class Incident(NamedTuple):
    """Something that really happens in the sample."""

    tag: str
    title: str
    entity: str
    begins: datetime
    """When the first item about it was published."""
    ends: datetime


def lines() -> list[dict[str, Any]]:
    """The sample as written, in order of time, each with ``published_at``, and the reposts multiplied."""
    written = [msgspec.json.decode(line) for shard in _shards() for line in shard.splitlines() if line.strip()]
    for line in written:
        line["published_at"] = _time(line)
    reposts = [line for line in written if line["tag"] == "trap_reposts"]
    passed_on = [echo for line in written if not line["tag"].startswith("trap") for echo in _echoes(line)]
    alarmed = [echo for line in written if "seen" in line for echo in _alarmed(line)]
    return sorted([*written, *passed_on, *alarmed, *_more_reposts(reposts)], key=lambda line: line["published_at"])


def items() -> Iterator[dict[str, Any]]:
    """The stream as JSON objects fit for ``voxpop ingest``; an item comes again where its source saw it reach more."""
    numbers: dict[str, count[int]] = {}
    found: list[tuple[datetime, dict[str, Any]]] = []
    for line in lines():
        number, at = next(numbers.setdefault(line["source"], count(1))), line["published_at"]
        item = {
            "id": f"{number:05d}",
            **{name: line[name] for name in ("source", "channel", "title", "text", "author", "reach")},
            "published_at": at.isoformat(),
        }
        found.append((at, item))
        for minutes, reach in line.get("seen", ()):
            later = at + timedelta(minutes=minutes)
            found.append((later, {**item, "reach": reach, "revised_at": later.isoformat()}))
    return (item for _, item in sorted(found, key=lambda one: one[0]))


def stream() -> Iterator[str]:
    """The stream as a file has it, a line an item; three lines are broken, as some always are."""
    for number, item in enumerate(items()):
        if number in _BROKEN:
            yield _BROKEN[number] + "\n"
        yield msgspec.json.encode(item).decode() + "\n"


def incidents() -> list[Incident]:
    """What is planted, by the time at which it begins."""
    begins: dict[str, datetime] = {}
    for line in lines():
        begins.setdefault(line["tag"], line["published_at"])
    truth = tomllib.loads(_text("truth.toml"))["incidents"]
    found = [
        Incident(tag, of["title"], of["entity"], begins[tag], FIRST_DAY + timedelta(days=of["last_day"]))
        for tag, of in truth.items()
    ]
    return sorted(found, key=lambda incident: incident.begins)


def in_chinese(line: dict[str, Any]) -> bool:
    """Whether a line of the sample is written in Chinese."""
    return any("\u4e00" <= character <= "\u9fff" for character in line["text"])


def watchlist_path() -> Any:
    """The CSV of the sample's companies."""
    return _FOLDER / "watchlist.csv"


def _shards() -> list[str]:
    """The files of the sample's authors, by name."""
    return [
        file.read_text("utf-8")
        for file in sorted(_FOLDER.iterdir(), key=lambda f: f.name)
        if file.name.endswith(".jsonl")
    ]


def _text(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def _time(line: dict[str, Any]) -> datetime:
    hour, minute = line["time"].split(":")
    return FIRST_DAY + timedelta(days=line["day"] - 1, hours=int(hour), minutes=int(minute))


def _echoes(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same text passed on by none, one or two readers, within three hours."""
    draw = int(digest(line["text"], size=4), 16)
    for number in range((0, 0, 1, 1, 2)[draw % 5]):
        by = line["author"] or line["source"].replace(" ", "")
        text = f"{line['title']} {line['text']}".strip()
        yield {
            **{name: value for name, value in line.items() if name != "seen"},
            "channel": "social",
            "source": "微言" if in_chinese(line) else "chirper",
            "title": "",
            "author": f"reader_{(draw >> 8) % 900 + 100 * number:03d}",
            "reach": 15 + (draw >> 4) % 180,
            "text": f"转发//@{by}：{text}" if in_chinese(line) else f"RT @{by}: {text}",
            "published_at": line["published_at"] + timedelta(minutes=5 + (draw >> (8 * number + 3)) % 175),
        }


def _alarmed(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same post passed on by one person after another, most of them with few readers."""
    for number in range(1, ALARMED + 1):
        minutes = 62 * (number / ALARMED) ** 0.6
        yield {
            **{name: value for name, value in line.items() if name != "seen"},
            "author": f"worried_{number:03d}",
            "reach": 2400 + 37 * number if number % 18 == 0 else 25 + 7 * number % 160,
            "text": f"RT @{line['author']}: {line['text']}",
            "published_at": line["published_at"] + timedelta(minutes=minutes),
        }


def _more_reposts(written: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same retellings again by other people, a post every three minutes from the last written one on."""
    if not written:
        return
    last = max(line["published_at"] for line in written)
    for number, line in enumerate(islice(cycle(written[1:]), REPOSTS - len(written)), 1):
        author = f"reader_{number:03d}"
        text = line["text"] if number % 3 else f"RT @{line['author']}: {line['text']}"
        yield {
            **line,
            "channel": "social",
            "source": "chirper",
            "title": "",
            "author": author,
            "reach": 20 + number % 97,
            "text": text,
            "published_at": last + timedelta(minutes=3 * number),
        }

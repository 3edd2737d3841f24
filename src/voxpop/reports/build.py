"""Builds a report from what was known at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from voxpop import alerting
from voxpop.errors import SettingError
from voxpop.reports import stories
from voxpop.reports.content import (
    Answered,
    Chart,
    Faded,
    First,
    Kind,
    Novelty,
    Quote,
    Report,
    Silent,
    Standing,
    Turned,
)
from voxpop.reports.expected import MEMORY, Levels
from voxpop.reports.stories import Story
from voxpop.reports.windows import SPANS, start_of
from voxpop.signals import lifecycle, routing
from voxpop.signals.lifecycle import Life, Move
from voxpop.signals.windows import HOUR, silences
from voxpop.store import known, meaning, trends
from voxpop.store.known import Cited, Raised, Told, Watched
from voxpop.store.moves import Row

QUIET = timedelta(hours=24)
"""An alert is over so long after its signal was last over the cut."""
_HISTORY = timedelta(days=28)
"""A topic that was not told of for so long is new."""
_LONG_KNOWN = timedelta(days=7)
_MOST = {"quotes": 4, "first": 8, "stories": 5, "fallen": 5, "standings": 12}
_QUOTE_CHARACTERS = 220
_FALLEN_FROM = 5
"""Negative stories that an entity must have had for a fall to be worth telling; they must have halved."""


class Asked(NamedTuple):
    """What a report is wanted of."""

    kind: Kind
    watchlist: str
    end: datetime
    as_of: datetime
    zone: str
    model: str

    @property
    def start(self) -> datetime:
        return start_of(self.kind, self.zone, self.end)


class Seen(NamedTuple):
    """What the parts of a report are made of."""

    connection: Connection
    asked: Asked
    watched: dict[str, Watched]
    raised: list[Raised]
    lives: dict[str, Life | None]
    stories: list[Story]
    """Of the window and of the one before."""
    levels: Levels
    silent: list[Silent]


def watchlists(connection: Connection) -> list[str]:
    """What a report can be of: all, own, and each sector."""
    watched = known.watched(connection)
    own = ["own"] if any(one.own for one in watched) else []
    return ["all", *own, *sorted({one.sector for one in watched if one.sector})]


def _members(connection: Connection, name: str) -> list[Watched]:
    watched = known.watched(connection)
    if name == "all":
        return watched
    chosen = [one for one in watched if (one.own if name == "own" else one.sector == name)]
    if not chosen:
        raise SettingError(f"no watchlist is called {name!r}: {', '.join(watchlists(connection))} are")
    return chosen


def build(connection: Connection, asked: Asked, story_window: timedelta) -> Report:
    """The report that is asked for.

    Raises:
        SettingError: no watchlist of that name.
    """
    seen = _seen(connection, asked, story_window)
    first, more = _first(seen)
    before = asked.start - (asked.end - asked.start)
    return Report(
        **{name: getattr(asked, name) for name in ("kind", "watchlist", "start", "end", "as_of", "zone", "model")},
        watched=len(seen.watched),
        now=stories.figures(seen.stories, asked.start, asked.end),
        before=stories.figures(seen.stories, before, asked.start),
        turned=_turned(seen),
        open_unanswered=sum(_unanswered(seen, one) for one in seen.raised),
        first=first,
        more_first=more,
        faded=[*_over(seen), *_fallen(seen)],
        answered=_answered(seen),
        silent=seen.silent,
        standings=_standings(seen),
        known_from=_known_from(connection, asked),
    )


def _seen(connection: Connection, asked: Asked, story_window: timedelta) -> Seen:
    watched = {one.entity: one for one in _members(connection, asked.watchlist)}
    since = asked.start - (asked.end - asked.start) - story_window
    told = known.told(connection, asked.model, watched, since, asked.end, asked.as_of)
    answered = known.answered(connection, asked.as_of - SPANS[asked.kind], asked.as_of)
    raised = known.raised(connection, asked.start - QUIET, asked.end, asked.as_of, answered)
    raised = [one for one in raised if one.alert.entity in watched]
    lives = known.lives(connection, [one.alert.id for one in raised], asked.as_of)
    points = trends.latest(connection, asked.model, as_of=asked.as_of, since=asked.end - MEMORY)
    return Seen(
        connection=connection,
        asked=asked,
        watched=watched,
        raised=raised,
        lives={one.alert.id: _life(lives.get(one.alert.id, [])) for one in raised},
        stories=stories.read(connection, told, story_window),
        levels=Levels([p for p in points if p.start < asked.end], asked.end),
        silent=_silent(connection, asked),
    )


def _life(rows: Iterable[Row]) -> Life | None:
    return lifecycle.fold([msgspec.convert(row._asdict(), Move) for row in rows])


def _over(seen: Seen) -> list[Faded]:
    """Alerts that fired before the window and whose signal ended in it."""
    start, end = seen.asked.start, seen.asked.end
    found = []
    for one in seen.raised:
        if one.alert.fired_at < start <= one.last_at + QUIET < end:
            quote = _quote_of(seen, one)
            found.append(Faded(seen.watched[one.alert.entity].name, one.alert, one.alert.negative_stories, 0, quote))
    return found


def _quote_of(seen: Seen, one: Raised) -> Quote | None:
    """The first document that the alert cites."""
    cited = known.cited(seen.connection, one.evidence[:1])
    return next((_quote(c) for c in cited.values()), None)


def _quote(cited: Cited) -> Quote:
    return Quote(cited.document, cited.source, cited.at, cited.url, _short(cited.headline))


def _short(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= _QUOTE_CHARACTERS else words[: _QUOTE_CHARACTERS - 1].rstrip() + "…"


def _turned(seen: Seen) -> list[Turned]:
    """The alerts that fired in the window, the gravest first."""
    found = [_turn(seen, one) for one in seen.raised if seen.asked.start <= one.alert.fired_at < seen.asked.end]
    return sorted(found, key=lambda t: (-routing.SEVERITIES.index(t.severity), t.alert.fired_at, t.alert.id))


def _turn(seen: Seen, one: Raised) -> Turned:
    alert, asked, life = one.alert, seen.asked, seen.lives[one.alert.id]
    name = seen.watched[alert.entity].name
    evidence, cited = alerting.evidence_at(seen.connection, alert, name, one.evidence, asked.as_of)
    worst = meaning.theme(seen.connection, alert, one.evidence, asked.as_of).severity
    quotes = [_evidence(c) for c in cited[: _MOST["quotes"]]]
    return Turned(
        alert=alert,
        name=name,
        evidence=evidence,
        severity=routing.severity_of(alert.score, alert.cut, worst),
        phase=life.phase if life else "pending",
        over=one.last_at + QUIET < asked.end,
        quotes=quotes,
        chart=_chart(seen, alert.entity),
    )


def _evidence(cited: meaning.Cited) -> Quote:
    """The headline, word for word, and how it claims what it claims where the claim stands in it."""
    words = _short(cited.headline)
    claims = cited.claim is not None and cited.claim in words and cited.factuality != "asserted"
    how = cited.factuality or "" if claims else ""
    return Quote(cited.document, cited.source, cited.published_at, cited.url, words, how, cited.corrected)


def _chart(seen: Seen, entity: str) -> Chart | None:
    marks = [one.alert.fired_at for one in seen.raised if one.alert.entity == entity]
    width, bins = (HOUR, 48) if seen.asked.kind == "morning" else (timedelta(days=1), 14)
    return seen.levels.chart(entity, seen.asked.end, width, bins, marks)


def _unanswered(seen: Seen, one: Raised) -> bool:
    life = seen.lives[one.alert.id]
    return (
        one.state == "firing"
        and one.alert.fired_at < seen.asked.end
        and (life is None or life.phase not in ("acknowledged", "resolved"))
    )


def _answered(seen: Seen) -> list[Answered]:
    """What people made of alerts, by time; in our own time, since nobody answers in that of a replayed stream."""
    since, found = seen.asked.as_of - SPANS[seen.asked.kind], []
    lives = known.lives(seen.connection, [one.alert.id for one in seen.raised], seen.asked.as_of)
    for one in seen.raised:
        name = seen.watched[one.alert.entity].name
        moved = [row for row in lives.get(one.alert.id, []) if _by_person(row) and row.at > since]
        found += [Answered(name, one.alert, row.kind, row.who, row.at, _quote_of(seen, one)) for row in moved]
    return sorted(found, key=lambda a: (a.at, a.alert.id))


def _by_person(row: Row) -> bool:
    return row.who != lifecycle.SYSTEM and row.kind in ("acknowledged", "resolved")


def _silent(connection: Connection, asked: Asked) -> list[Silent]:
    """Sources that gave no data within the window, the longest first."""
    heard = known.heard(connection, asked.end - MEMORY, asked.end, asked.as_of)
    found = []
    for source, times in heard.items():
        a_day = len(times) / max(1.0, (times[-1] - times[0]) / timedelta(days=1))
        for start, end in silences(times, asked.end):
            if end > asked.start:
                quote = _last_of(connection, source, start, asked.as_of)
                found.append(Silent(source, start, None if end == asked.end else end, a_day, quote))
    return sorted(found, key=lambda s: (s.since, s.source))


def _known_from(connection: Connection, asked: Asked) -> datetime | None:
    """From when on documents of the window are known; None: no document of it is."""
    first, earlier = known.begins(connection, asked.start, asked.end, asked.as_of)
    return asked.start if first is not None and earlier else first


def _last_of(connection: Connection, source: str, at: datetime, as_of: datetime) -> Quote | None:
    last = known.last_of(connection, source, at, as_of)
    return None if last is None else next(map(_quote, known.cited(connection, [last]).values()))


def _fallen(seen: Seen) -> list[Faded]:
    """Entities of which far fewer negative stories were told than in the window before.

    Sources that fell silent count in neither, so that missing data is not taken for calm.
    """
    start, end = seen.asked.start, seen.asked.end
    silent = {one.source for one in seen.silent}
    counts: dict[str, list[Told]] = {}
    now: dict[str, int] = {}
    for story in seen.stories:
        if story.label == "negative" and story.told[0].source not in silent:
            if start - (end - start) <= story.at < start:
                counts.setdefault(story.entity, []).append(story.told[0])
            elif story.at >= start:
                now[story.entity] = now.get(story.entity, 0) + 1
    turned = {one.alert.entity for one in seen.raised if one.alert.fired_at >= start}
    fallen = [
        (len(before) - now.get(entity, 0), entity)
        for entity, before in counts.items()
        if len(before) >= _FALLEN_FROM and 2 * now.get(entity, 0) <= len(before) and entity not in turned
    ]
    found = []
    for _, entity in sorted(fallen, key=lambda f: (-f[0], f[1]))[: _MOST["fallen"]]:
        last = counts[entity][-1]
        quote = _quote(known.cited(seen.connection, [(last.document, last.revision)])[last.document])
        found.append(Faded(seen.watched[entity].name, None, len(counts[entity]), now.get(entity, 0), quote))
    return found


def _first(seen: Seen) -> tuple[list[First], int]:
    """What was seen first within the window: entities, topics of an entity, and the stories that were told most."""
    entities, topics = _new_entities(seen), _new_topics(seen)
    kept = [*entities, *topics][: _MOST["first"]]
    return [*kept, *_new_stories(seen)], len(entities) + len(topics) - len(kept)


def _within(seen: Seen) -> list[Story]:
    """The stories that were first told in the window."""
    return [story for story in seen.stories if seen.asked.start <= story.at < seen.asked.end]


def _novelty(seen: Seen, kind: Novelty, of: Sequence[Story], topic: str = "") -> First:
    opener = of[0].told[0]
    cited = known.cited(seen.connection, [(opener.document, opener.revision)])[opener.document]
    documents = {one.document: one.reach for story in of for one in story.told}
    name = seen.watched[of[0].entity].name
    return First(kind, name, topic, len(documents), sum(documents.values()), _quote(cited))


def _new_entities(seen: Seen) -> list[First]:
    named = known.first_named(seen.connection, seen.watched, seen.asked.as_of)
    if not named or min(named.values()) >= seen.asked.start:
        return []  # the stream itself begins in this window
    new: dict[str, list[Story]] = {}
    for story in _within(seen):
        if named[story.entity] >= seen.asked.start:
            new.setdefault(story.entity, []).append(story)
    return [_novelty(seen, "entity", of) for of in new.values()]


def _new_topics(seen: Seen) -> list[First]:
    """Topics that at least two stories brought to an entity that has long been known."""
    asked = seen.asked
    named = known.first_named(seen.connection, seen.watched, asked.as_of)
    before = known.topics(seen.connection, asked.model, seen.watched, asked.start - _HISTORY, asked.start, asked.as_of)
    new: dict[tuple[str, str], list[Story]] = {}
    for story in _within(seen):
        key = (story.entity, story.told[0].topic)
        if key[1] and key not in before and named[story.entity] <= asked.start - _LONG_KNOWN:
            new.setdefault(key, []).append(story)
    found = [_novelty(seen, "topic", of, topic) for (_, topic), of in new.items() if len(of) > 1]
    return sorted(found, key=lambda one: (-one.documents, one.name, one.topic))


def _new_stories(seen: Seen) -> list[First]:
    """The stories that were told most, by two at least; one about several entities is told once."""
    best: dict[str, Story] = {}
    for story in _within(seen):
        if len(story.told) > 1:
            best.setdefault(story.name, story)
    ranked = sorted(best.values(), key=lambda s: (-len(s.told), -s.reach, s.name))
    return [_novelty(seen, "story", [story]) for story in ranked[: _MOST["stories"]]]


def _standings(seen: Seen) -> list[Standing]:
    """The entities with the most adverse stories, then with the most stories."""
    asked = seen.asked
    before = asked.start - (asked.end - asked.start)
    by_entity: dict[str, list[Story]] = {}
    for story in seen.stories:
        by_entity.setdefault(story.entity, []).append(story)
    found = []
    for entity, of in by_entity.items():
        now, earlier = stories.figures(of, asked.start, asked.end), stories.figures(of, before, asked.start)
        raised = sum(asked.start <= r.alert.fired_at < asked.end for r in seen.raised if r.alert.entity == entity)
        if now.documents or earlier.documents:
            expected = seen.levels.expected(entity, asked.start, asked.end)
            found.append(Standing(seen.watched[entity].name, now, earlier, expected, raised))
    found.sort(key=lambda s: (-s.alerts, -(s.now.negative + s.now.unread), -s.now.stories, s.name))
    return found[: _MOST["standings"]]

"""A store after a bad week of one company: a surge, a feed that fell silent, hostile words, and a newcomer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import Engine

from tests.store.samples import MODEL, START, document, reading, write
from voxpop import jobs
from voxpop.app import App
from voxpop.jobs import Surroundings
from voxpop.records import Claim, Entity, Mention, Reading, Topic
from voxpop.settings import Settings
from voxpop.store import models

HOSTILE = '<script>document.title = "owned"</script> Acmetron & #eval("1") *bold* "quoted"'
END = START + timedelta(days=14)
"""Where the window ends."""


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def claimed(of: Reading, words: str) -> Reading:
    """The reading, in which the document asserts these words of it."""
    start = of.document.text.index(words)
    said = Claim(
        entity="acme", question="what", start=start, end=start + len(words), score=0.9, entailment=0.9,
        factuality="reported",
    )  # fmt: skip
    return msgspec.structs.replace(of, claims=(said,))


def about(of: Reading, topic: str) -> Reading:
    return msgspec.structs.replace(of, topics=(Topic(label=topic, score=0.9),))


def fill(engine: Engine) -> None:
    """Two weeks up to ``END``; the surge is on the last day but one."""
    calm = [
        reading(document(f"a{hour}", hour, f"Acmetron at {hour}"), "negative" if hour % 48 == 0 else "neutral")
        for hour in range(0, 14 * 24, 4)
    ]
    falling = [
        reading(document(f"c{n}", 160 + 2 * n, f"Calmer loses {n}", entities=("calm",), source="chirper"), "negative")
        for n in range(8)
    ]
    heard = [
        reading(document(f"o{n}", 3 * n, f"post {n} of calm", entities=("calm",), source="chirper")) for n in range(112)
    ]
    silent = [
        reading(document(f"g{n}", 5 * n, f"gazette {n}", entities=("calm",), source="Gazette")) for n in range(57)
    ]
    bad = [
        reading(document(f"s{n}", 315 + n / 4, f"acmetron bad news {n}", url=f"https://wire.example/{n}"), "negative")
        for n in range(12)
    ]
    bad[0] = about(claimed(bad[0], "bad news 0"), "Legal / Regulation")
    bad[1] = about(bad[1], "Legal / Regulation")
    told = [reading(document(f"r{n}", 316, "acmetron bad news 0", author="@echo"), "negative") for n in range(3)]
    span = Mention(entity="bolt", start=3, end=7, relevance="subject", confidence=0.9)
    chinese = reading(document("zh", 320, "今天，博特工业停产。", lang="zh", mentions=(span,)), None)
    hostile = document("x", 319, HOSTILE, url="javascript:alert(1)", author="<i>me</i>")
    write(engine, [*calm, *falling, *heard, *silent, *bad, *told, chinese, reading(hostile, "negative")])


def judge(around: Surroundings) -> None:
    """What the scheduler would do."""
    for job in (jobs.refresh_trends, jobs.calibrate, jobs.raise_alerts, jobs.raise_by_rules):
        job(around, datetime.now(UTC))


@pytest.fixture
def around(engine: Engine, settings: Settings) -> Iterator[Surroundings]:
    """The store after all that, judged."""
    with App(settings) as app:
        app.watch(
            [
                Entity(id="acme", name="Acmetron", sector="machines", own=True),
                Entity(id="bolt", name="博特工业", sector="machines"),
                Entity(id="calm", name="Calmer & Sons", sector="food"),
            ]
        )
        fill(engine)
        with engine.begin() as connection:
            models.activate(connection, MODEL, "test")
        found = app.surroundings(MODEL)
        judge(found)
        yield found

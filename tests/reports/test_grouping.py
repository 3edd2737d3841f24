"""Documents joined to stories by what was known then: as the store joins them."""

from __future__ import annotations

import random
from datetime import timedelta

from sqlalchemy import Engine, text

from tests.store.samples import MODEL, START, WINDOW, document, reading, write
from voxpop.reports import stories
from voxpop.reports.grouping import Piece, grouped
from voxpop.store import known


def piece(name: str, hours: float, fingerprint: int) -> Piece:
    return Piece(name, START + timedelta(hours=hours), fingerprint)


def test_far_apart_they_are_two_stories_unless_others_lie_between() -> None:
    ends = [piece("a", 0, 1), piece("c", 100, 1)]
    assert set(grouped(ends, [], lambda a, b: False, WINDOW).values()) == {"a", "c"}
    between = piece("b", 50, 2)
    assert set(grouped([*ends, between], [(1, 2)], lambda a, b: True, WINDOW).values()) == {"a"}
    assert set(grouped([*ends, between], [(1, 2)], lambda a, b: False, WINDOW).values()) == {"a", "b", "c"}


def test_it_joins_what_the_store_joins(engine: Engine) -> None:
    draw = random.Random(7)
    told = [
        reading(document(f"d{n}", draw.uniform(0, 600), f"acme tells story {draw.randrange(25)} again and again"))
        for n in range(200)
    ]
    write(engine, told)
    end = START + timedelta(days=30)
    with engine.connect() as connection:
        rows = known.told(connection, MODEL, ["acme"], START, end, end.replace(year=9000))
        found = {one.document: story.name for story in stories.read(connection, rows, WINDOW) for one in story.told}
        stored = dict(connection.execute(text("SELECT document_id, story_id FROM story_members")).tuples().all())
    assert found == stored
    assert len(set(stored.values())) > 25, "the window parts some"

"""The stories of a company's page: which come first, which are left out and said to be, and what each amounts to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tests.store.samples import MODEL, START, document, reading, write
from voxpop.store import queries
from voxpop.store.queries import Order, Place, Ranked


def ranked(engine: Engine, by: Order = "latest", behind: Place | None = None) -> Ranked:
    with engine.connect() as connection:
        return queries.ranked(connection, "acme", MODEL, by, behind)


def told(engine: Engine, stories: int, each: int = 1) -> None:
    """So many stories, an hour apart, each told ``each`` times within a minute."""
    write(
        engine,
        [
            reading(document(f"{n}/{m}", n + m / 600, f"Acme {n}", reach=n % 7 + 1, replies=0), "neutral")
            for n in range(stories)
            for m in range(each)
        ],
    )


def test_a_few_stories_are_all_there_is(engine: Engine) -> None:
    told(engine, 3)
    found = ranked(engine)
    assert [story.first for story in found.stories] == [START + timedelta(hours=n) for n in (2, 1, 0)]
    assert found.since is None


def test_of_many_stories_the_latest_come_first_and_no_other_is_looked_for(engine: Engine) -> None:
    told(engine, 40)
    found = ranked(engine)
    assert [story.first for story in found.stories] == [START + timedelta(hours=n) for n in range(39, 9, -1)]
    assert found.since is None, "what is older is no later story"


def test_all_stories_are_reached_page_by_page_each_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_FIRST_LOOK", 4)
    monkeypatch.setattr(queries, "MOST_MENTIONS", 8)
    monkeypatch.setattr(queries, "MOST_STORIES", 3)
    told(engine, 20)
    retold = [reading(document(f"late {n}", 17 + n / 10, f"Acme {n}", replies=0)) for n in (0, 1)]  # of older stories
    same_time = [reading(document(f"same {n}", 10, f"{name} at once")) for n, name in enumerate(("Acme", "Bolt"))]
    write(engine, [*retold, *same_time])
    with engine.connect() as connection:
        every = set(connection.execute(text("SELECT story_id FROM story_members")).scalars())
    seen: list[tuple[float, str]] = []
    behind = None
    for _ in range(20):
        found = ranked(engine, "latest", behind)
        seen += [(-one.last.timestamp(), one.story) for one in found.stories]
        if not found.more:
            break
        behind = Place(found.stories[-1].last, found.stories[-1].story)
    assert seen == sorted(seen)
    assert len(seen) == len({story for _, story in seen}) == len(every) == 22


def test_a_story_that_everybody_retells_hides_the_others_only_as_far_as_is_said(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_FIRST_LOOK", 10)
    monkeypatch.setattr(queries, "MOST_MENTIONS", 50)
    told(engine, 5, each=20)
    found = ranked(engine)
    assert [story.documents for story in found.stories] == [20, 20, 20], "all of the third, though ten were looked at"
    assert found.since == START + timedelta(hours=2, minutes=1)
    assert ranked(engine, "reach").since == found.since
    monkeypatch.setattr(queries, "MOST_MENTIONS", 1000)
    assert (len(ranked(engine).stories), ranked(engine).since) == (5, None)


def test_the_most_carried_and_the_most_negative_are_found_by_what_all_their_documents_amount_to(engine: Engine) -> None:
    texts = {"a": ("negative", 3), "b": ("positive", 9), "c": (None, 5)}
    write(
        engine,
        [
            reading(document(f"{name}{n}", n, f"Acme {name}", reach=reach, replies=0), label)
            for name, (label, reach) in texts.items()
            for n in range(2)
        ],
    )
    assert [story.reach for story in ranked(engine, "reach").stories] == [18, 10, 6]
    assert [story.negative for story in ranked(engine, "negative").stories] == [0.75, 0.0, None]


def test_only_the_first_documents_of_a_story_are_read(engine: Engine) -> None:
    told(engine, 1, each=12)
    (story,) = ranked(engine).stories
    assert (story.documents, len(story.tellers), story.reach) == (12, queries.MOST_TELLERS, 12)
    times = [teller.published_at for teller in story.tellers]
    assert times == [START + timedelta(seconds=6 * n) for n in range(queries.MOST_TELLERS)]


def test_a_document_that_no_longer_names_the_company_tells_nothing_of_it(engine: Engine) -> None:
    write(engine, [reading(document("a", 0, "Acme, once"), "negative"), reading(document("b", 1, "Acme"), "neutral")])
    write(engine, [reading(document("a", 0, "Another, now", entities=("other",), sequence=1), "negative")])
    assert [story.first for story in ranked(engine).stories] == [START + timedelta(hours=1)]
    with engine.connect() as connection:
        gone = connection.execute(text("SELECT document_id FROM documents WHERE text = 'Another, now'")).scalar_one()
        assert queries.stories_of(connection, "acme", MODEL, [gone]) == []

"""What was read is stored once, the same whatever order it came in."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import Engine, text

from tests.store.samples import MODEL, START, document, reading, rows, write
from voxpop.records import DeadLetter, Reading, TrendPoint
from voxpop.store import trends, writer


def points(engine: Engine) -> list[TrendPoint]:
    with engine.begin() as connection:
        while trends.refresh(connection, MODEL):
            pass
        return trends.latest(connection, MODEL)


def stream() -> list[Reading]:
    """Reposts, corrections, late arrivals, several entities, unread ones."""
    order = random.Random(5)
    bodies = [f"news number {n} about acme" for n in range(12)]
    readings = []
    for n in range(150):
        entities = order.choice([("acme",), ("acme", "bolt"), ("bolt",), ()])
        body = order.choice(bodies)
        of = document(f"d{n:03d}", n / 3, body, entities=entities, reach=n, sequence=2 * n)
        readings.append(reading(of, order.choice(["negative", "neutral", "positive", None])))
        if n % 10 == 0:
            changed = document(f"d{n:03d}", n / 3, body + " corrected", entities=entities, sequence=2 * n + 1)
            readings.append(reading(changed, "negative"))
    return readings


def test_the_rows_do_not_depend_on_order_batches_or_repeats(engine: Engine) -> None:
    order, found = random.Random(1), []
    for size in (500, 40, 7):
        readings = stream()
        order.shuffle(readings)
        readings += order.sample(readings, 20)
        for start in range(0, len(readings), size):
            write(engine, readings[start : start + size])
        points(engine)
        with engine.begin() as connection:
            found.append(rows(connection))
            for table in found[-1].keys() - {"audit"}:  # which is only added to
                connection.execute(text(f"TRUNCATE {table}"))
    assert found[0]["documents"]
    assert found[0]["trend_points"]
    for other in found[1:]:
        for table, expected in found[0].items():
            assert other[table] == expected, table


def test_reposts_are_one_story_with_all_their_reach(engine: Engine) -> None:
    write(engine, [reading(document(f"r{n}", n / 100, "one harmless story"), "negative") for n in range(500)])
    found = points(engine)
    assert sum(p.stories for p in found) == 1
    assert sum(p.negative_stories for p in found) == 1
    assert sum(p.mentions for p in found) == 500
    assert sum(p.reach for p in found) == 500


def test_a_correction_is_counted_once_the_latest_is_used_and_both_are_kept(engine: Engine) -> None:
    first = document("a", 0, "acme is bankrupt", sequence=1)
    second = document("a", 0, "acme is not bankrupt", sequence=2)
    for batch in ([reading(second, "positive")], [reading(first, "negative")]):
        write(engine, batch)
    found = points(engine)
    assert [(p.stories, p.negative_stories) for p in found] == [(1, 0)]
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT text, latest FROM documents ORDER BY sequence")).all()
    assert [tuple(row) for row in kept] == [("acme is bankrupt", False), ("acme is not bankrupt", True)]


def test_reach_seen_again_later_is_an_engagement_and_nothing_is_overwritten(engine: Engine) -> None:
    for reach in (10, 300, 300, 40):
        write(engine, [reading(document("a", 0, "news", reach=reach))])
    with engine.connect() as connection:
        seen = list(connection.execute(text("SELECT reach FROM engagements ORDER BY reach")).scalars())
    assert seen == [10, 40, 300]
    assert [p.reach for p in points(engine)] == [300]


def test_a_story_is_judged_by_the_mean_of_its_documents_and_counted_in_its_first_hour(engine: Engine) -> None:
    write(engine, [reading(document("a", 0.5, "s"), "negative"), reading(document("b", 3.5, "s"), "positive")])
    found = {p.start: p for p in points(engine)}
    first, later = found[START], found[START.replace(hour=3)]
    assert (first.stories, first.negative_stories, first.sentiment) == (1, 0, 0.0)
    assert (later.stories, later.mentions) == (0, 1)


def test_an_earlier_telling_that_arrives_late_moves_the_story_to_its_hour(engine: Engine) -> None:
    write(engine, [reading(document("late", 5, "s"), "negative")])
    assert [(p.start.hour, p.stories) for p in points(engine)] == [(5, 1)]
    write(engine, [reading(document("early", 2, "s"), "negative")])
    assert [(p.start.hour, p.stories) for p in points(engine)] == [(2, 1), (5, 0)]


def test_unread_documents_count_for_volume_and_have_no_sentiment(engine: Engine) -> None:
    write(engine, [reading(document("a", 0, "一"), None), reading(document("b", 0, "二"), None)])
    (point,) = points(engine)
    assert (point.stories, point.unread_stories, point.negative_stories, point.sentiment) == (2, 2, 0, None)


def test_a_mention_in_passing_counts_nowhere(engine: Engine) -> None:
    write(engine, [reading(document("a", 0, "x", relevance="passing"), "negative")])
    assert points(engine) == []


def test_a_second_computation_of_equal_content_writes_nothing(engine: Engine) -> None:
    write(engine, [reading(document("a", 0, "x"))])
    before = points(engine)
    write(engine, [reading(document("a", 0, "x"))])
    assert points(engine) == before
    with engine.connect() as connection:
        assert connection.execute(text("SELECT max(revision) FROM trend_points")).scalar_one() == 1


def test_trends_as_of_a_time_do_not_see_what_came_later(engine: Engine) -> None:
    write(engine, [reading(document("a", 0, "x"), "negative")])
    points(engine)
    with engine.connect() as connection:
        then = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    write(engine, [reading(document("b", 0, "y"), "negative")])
    points(engine)
    with engine.connect() as connection:
        assert [p.stories for p in trends.latest(connection, MODEL, as_of=then)] == [1]
        assert [p.stories for p in trends.latest(connection, MODEL)] == [2]


def test_mentions_are_those_of_the_latest_linking(engine: Engine) -> None:
    write(engine, [reading(document("a", 0, "x", entities=("acme",)))])
    write(engine, [reading(document("a", 0, "x", entities=("bolt",)))])
    assert [(p.entity, p.stories) for p in points(engine) if p.stories] == [("bolt", 1)]


def test_the_same_refused_record_is_one_dead_letter(engine: Engine) -> None:
    letter = DeadLetter(stage="ingest", reason="bad", payload=b"\x00{", origin="f", position=3)
    for _ in range(2):
        with engine.begin() as connection:
            writer.write_dead_letters(connection, [letter, letter])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM dead_letters")).scalar_one() == 1


@pytest.mark.parametrize("body", ["tab\tnew\nline", r"back\slash \N \.", "😀 quote'\"", "", "一" * 5000])
def test_any_text_survives_the_bulk_copy(engine: Engine, body: str) -> None:
    write(engine, [reading(document("a", 0, body, author=body[:10] or None))])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT text FROM documents")).scalar_one() == body

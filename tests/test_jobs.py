"""The scheduled work: alerts that a surge raises, links that a new watchlist makes, raw records that expire."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from tests.sources.loopback import serving
from tests.store.samples import MODEL, START, document, reading, write
from voxpop import alarms, jobs
from voxpop.backlog import waiting
from voxpop.errors import StoreError
from voxpop.jobs import Surroundings
from voxpop.log.base import Log, Message, open_log
from voxpop.records import TOPICS, DeadLetter, Document, Entity, decode
from voxpop.settings import Settings
from voxpop.sources.fetch import Fetcher
from voxpop.store import alerts, deliveries, feeds, writer
from voxpop.store.deliveries import Delivery
from voxpop.text.entities import Linker

NOW = datetime(2026, 4, 1, tzinfo=UTC)
BOLT = Entity(id="bolt", name="Boltworks Holdings", tickers=("BLTW",))


@pytest.fixture
def log(engine: Engine, database_url: str) -> Iterator[Log]:
    log = open_log(database_url)
    for topic in TOPICS.values():
        log.create(topic, 2)
    yield log
    log.close()


@pytest.fixture
def around(engine: Engine, log: Log, settings: Settings) -> Surroundings:
    linker = Linker([BOLT])
    return Surroundings(settings=settings, engine=engine, log=log, model=MODEL, linker=lambda: linker, fetcher=Fetcher)


def fortnight(engine: Engine, *, surge: bool) -> None:
    """Two weeks of two companies with a bad story every other day; then twelve in three hours of one of them."""
    readings = []
    for hour in range(0, 14 * 24 + 12, 3):
        for entity in ("acme", "calm"):
            label = "negative" if hour % 48 == 0 else "neutral"
            readings.append(
                reading(document(f"{entity}{hour}", hour, f"{entity} at {hour}", entities=(entity,)), label)
            )
    if surge:
        for n in range(12):
            readings.append(reading(document(f"s{n}", 250.5 + n / 4, f"bad news {n} of acme"), "negative"))
    write(engine, readings)


def judge(around: Surroundings) -> int:
    jobs.refresh_trends(around, NOW)
    jobs.calibrate(around, NOW)
    return jobs.raise_alerts(around, NOW)


def test_a_surge_alarms_once_with_the_documents_that_caused_it(engine: Engine, around: Surroundings) -> None:
    fortnight(engine, surge=True)
    assert judge(around) == 1
    with engine.connect() as connection:
        (alert,) = alerts.stored(connection)
        bodies = connection.execute(
            text("SELECT text FROM documents WHERE document_id = ANY(:ids)"), {"ids": list(alert.evidence)}
        ).scalars()
        assert {body for body in bodies if "bad news" in body} >= {f"bad news {n} of acme" for n in range(12)}
    assert alert.entity == "acme"
    assert timedelta(hours=250) < alert.fired_at - START <= timedelta(hours=253)
    assert alert.score >= alert.cut
    assert judge(around) == 0, "a second look raises nothing new"


def test_history_that_comes_between_two_runs_of_the_cuts_job_alarms_once_it_is_read(
    engine: Engine, around: Surroundings
) -> None:
    assert judge(around) == 0, "nothing is known yet, and the job that sets cuts has had its hour"
    fortnight(engine, surge=True)
    jobs.refresh_trends(around, NOW)
    around.log.publish(TOPICS["news"], [Message(b"k", b"v")])
    assert jobs.raise_alerts(around, NOW) == 0, "some of the history waits to be read"
    with engine.begin() as connection:
        assert alerts.cuts(connection, "surge", MODEL) == []
        for number, end in around.log.ends(TOPICS["news"]).items():
            connection.execute(
                text(
                    "INSERT INTO positions SELECT 'prepare-news', topic_id, :n, topic, :end, 1, 'me' FROM log_topics"
                    " WHERE topic = :topic"
                ),
                {"n": number, "end": end, "topic": TOPICS["news"]},
            )
    assert waiting(around) == 0
    assert jobs.raise_alerts(around, NOW) == 1
    with engine.connect() as connection:
        cuts = alerts.cuts(connection, "surge", MODEL)
    assert jobs.calibrate(around, NOW) == 0, "all that were due are set"
    with engine.connect() as connection:
        assert alerts.cuts(connection, "surge", MODEL) == cuts


def test_a_calm_fortnight_alarms_nobody(engine: Engine, around: Surroundings) -> None:
    fortnight(engine, surge=False)
    assert judge(around) == 0


def test_nothing_alarms_before_a_week_is_known(engine: Engine, around: Surroundings) -> None:
    write(
        engine,
        [reading(document("base", 0, "first", entities=("calm",)))]
        + [reading(document(f"s{n}", 100 + n / 4, f"bad news {n}"), "negative") for n in range(12)],
    )
    assert judge(around) == 0


def test_the_alert_keeps_its_id_when_late_news_moves_its_start(engine: Engine, around: Surroundings) -> None:
    fortnight(engine, surge=True)
    judge(around)
    with engine.connect() as connection:
        (before,) = alerts.stored(connection)
    write(engine, [reading(document(f"l{n}", 249.2 + n / 10, f"earlier bad news {n}"), "negative") for n in range(6)])
    assert judge(around) == 0
    with engine.connect() as connection:
        (after,) = alerts.stored(connection)
    assert after.id == before.id
    assert after.stories > before.stories


def test_the_alert_fires_at_the_minute_of_the_story_that_crossed_the_cut(engine: Engine, around: Surroundings) -> None:
    fortnight(engine, surge=True)
    judge(around)
    with engine.connect() as connection:
        (alert,) = alerts.stored(connection)
        before = connection.execute(
            text("SELECT count(*) FROM documents WHERE text LIKE 'bad news%' AND published_at <= :at"),
            {"at": alert.fired_at},
        ).scalar_one()
    assert alert.fired_at.second == 0
    assert alert.fired_at - START in [timedelta(hours=250.5 + n / 4) for n in range(12)]
    assert before >= 2, "with a bad story of the same hours three, the least that counts"
    assert alert.window_start == alert.fired_at - timedelta(hours=1) or alert.hours > 1


def test_history_told_in_two_halves_raises_the_same_alert(engine: Engine, around: Surroundings) -> None:
    fortnight(engine, surge=False)
    judge(around)
    write(engine, [reading(document(f"s{n}", 250.5 + n / 4, f"bad news {n} of acme"), "negative") for n in range(6)])
    assert judge(around) == 1
    with engine.connect() as connection:
        (early,) = alerts.stored(connection)
    write(
        engine, [reading(document(f"s{n}", 250.5 + n / 4, f"bad news {n} of acme"), "negative") for n in range(6, 12)]
    )
    assert judge(around) == 0
    with engine.connect() as connection:
        (late,) = alerts.stored(connection)
    assert (late.id, late.fired_at, late.cut) == (early.id, early.fired_at, early.cut)
    assert late.stories > early.stories


def test_a_flood_by_one_author_alarms_nobody(engine: Engine, around: Surroundings) -> None:
    fortnight(engine, surge=False)
    flood = [
        document(f"f{n}", 250.5 + n / 8, f"bad news {n} of acme", channel="social", source="chirper", author="bot")
        for n in range(24)
    ]
    write(engine, [reading(of, "negative") for of in flood])
    assert judge(around) == 0


def spread_out(engine: Engine, *, growth: int) -> None:
    """A fortnight, and one bad story whose source saw it reach more and more people within half an hour."""
    fortnight(engine, surge=False)
    at = START + timedelta(hours=300)
    sights = [
        document("one", 300, "will the bank pay", reach=reach, revised_at=at + timedelta(minutes=minutes))
        for minutes, reach in ((0, 1), (10, 40 * growth), (25, 100 * growth))
    ]
    write(engine, [reading(of, "negative") for of in sights])


def test_one_bad_story_that_runs_away_alarms_with_its_reach(engine: Engine, around: Surroundings) -> None:
    spread_out(engine, growth=400)
    assert judge(around) == 1
    with engine.connect() as connection:
        (alert,) = alerts.stored(connection)
        seen = connection.execute(text("SELECT count(*) FROM engagements WHERE reach > 1")).scalar_one()
    assert seen == 2, "figures that come in one batch are all kept"
    assert (alert.rule, alert.entity, alert.stories, len(alert.evidence)) == ("spread", "acme", 1, 1)
    assert alert.reach == 39_999 > alert.expected
    assert alert.fired_at == START + timedelta(hours=300, minutes=10)
    assert judge(around) == 0


def test_a_story_that_reaches_a_few_more_does_not(engine: Engine, around: Surroundings) -> None:
    spread_out(engine, growth=1)
    assert judge(around) == 0


def test_a_budget_sets_every_cut_and_says_what_they_spend(engine: Engine, around: Surroundings) -> None:
    fortnight(engine, surge=True)
    jobs.refresh_trends(around, NOW)
    surge, spread, simmer = alarms.spend(engine, MODEL, 5.0)
    assert (surge.rule, spread.rule, simmer.rule) == ("surge", "spread", "simmer")
    assert surge.budget_per_day + spread.budget_per_day + simmer.budget_per_day == pytest.approx(5.0)
    assert surge.in_sample <= surge.budget_per_day
    with engine.connect() as connection:
        assert [cut for _, cut in alerts.cuts(connection, "surge", MODEL)] == [surge.cut]
    again, *_ = alarms.spend(engine, MODEL, 0.1)
    assert again.cut > surge.cut
    with engine.connect() as connection:
        assert [cut for _, cut in alerts.cuts(connection, "surge", MODEL)] == [again.cut], "the later word counts"


def test_a_budget_needs_history(engine: Engine, around: Surroundings) -> None:
    write(engine, [reading(document("a", 0, "first"))])
    with pytest.raises(StoreError, match=r"needs 14 days .+ 0\.0 are known; the first cut is set by itself once 7 are"):
        alarms.spend(engine, MODEL, 5.0)


def test_a_feed_that_answers_rubbish_is_noted_and_those_after_it_are_polled(
    engine: Engine, around: Surroundings
) -> None:
    good = (
        b'<rss version="2.0"><channel><title>T</title><item><guid>1</guid><title>Acme halts</title>'
        b"<pubDate>Sun, 01 Mar 2026 08:00:00 GMT</pubDate></item></channel></rss>"
    )
    fetcher = Fetcher(allow_private=True)
    around = replace(around, fetcher=lambda: fetcher)
    with serving() as site:
        with engine.begin() as connection:
            feeds.add(connection, "0", {"url": 7})
            for name, body in (("a", b""), ("b", b"<html>Moved</html>"), ("c", good)):
                feeds.add(connection, name, {"url": site.serve(f"/{name}", body)})
        assert jobs.poll_feeds(around, NOW) == 1
        with engine.connect() as connection:
            kept = {feed.name: feed for feed in feeds.kept(connection)}
        assert [kept[name].polled_at for name in "0abc"] == [NOW] * 4
        assert "Expected `str`" in (kept["0"].error or "")
        assert "answered with nothing" in (kept["a"].error or "")
        assert "not an RSS" in (kept["b"].error or "")
        assert kept["c"].error is None
        asked = len(site.asked)
        jobs.poll_feeds(around, NOW + timedelta(seconds=15))
        assert len(site.asked) == asked, "one that fails waits as long as the others"


def test_nothing_stored_is_no_work(around: Surroundings) -> None:
    assert judge(around) == 0
    assert jobs.relink(around, NOW) == 0


def test_a_company_added_later_is_linked_in_what_is_stored(engine: Engine, around: Surroundings) -> None:
    body = "Shares of Boltworks Holdings fell on Monday"
    write(engine, [reading(document("a", 0, body, entities=(), linked_with="older"))])
    write(engine, [reading(document("b", 1, "Nothing of interest happened", entities=(), linked_with="older"))])
    assert jobs.relink(around, NOW) == 1
    consumer = around.log.subscribe("test", [TOPICS["document"]])
    consumer.poll(1, 0)
    for partition in consumer.assignment():
        consumer.seek(partition, 0)
    (record,) = consumer.poll(10, 5)
    consumer.close()
    again = decode(Document, record.value)
    assert [(m.entity, again.text[m.start : m.end]) for m in again.mentions] == [("bolt", "Boltworks Holdings")]
    assert again.bands
    assert jobs.relink(around, NOW) == 0


def test_raw_records_expire_once_every_group_has_read_them(engine: Engine, around: Surroundings) -> None:
    around.log.publish(TOPICS["news"], [Message(b"k", b"v")])
    with engine.begin() as connection:
        writer.write_dead_letters(connection, [DeadLetter(stage="s", reason="r", payload=b"p")])
        for table in ("log_records", "dead_letters"):
            connection.execute(text(f"UPDATE {table} SET received_at = received_at - interval '1 year'"))
        connection.execute(
            text(
                "INSERT INTO positions SELECT 'g', topic_id, n, topic, 0, 1, 'me' FROM log_topics,"
                " generate_series(0, 1) n"
            )
        )
    today = datetime.now(UTC)
    assert jobs.expire(around, today) == 1, "the record is not read yet, the dead letter goes"
    with engine.begin() as connection:
        connection.execute(text("UPDATE positions SET next_offset = 1"))
    assert jobs.expire(around, today) == 1


def test_of_the_attempts_at_a_message_the_last_ones_are_kept(engine: Engine, around: Surroundings) -> None:
    with engine.begin() as connection:
        for key, tries in (("dead", 25), ("fine", 1)):
            message = Delivery(key, "desk", "group", "firing", [], "subject", "body", "warning", {})
            deliveries.queue(connection, message, NOW)
            for _ in range(tries):
                deliveries.attempted(connection, key, NOW, sent=key == "fine", said="no answer")
    assert [jobs.expire(around, NOW) for _ in range(2)] == [5, 0]
    with engine.begin() as connection:
        deliveries.attempted(connection, "dead", NOW, sent=False, said="no answer")
        kept = connection.execute(text("SELECT key, number FROM delivery_log ORDER BY key, number")).all()
    assert [tuple(row) for row in kept] == [*(("dead", n) for n in range(6, 27)), ("fine", 1)]

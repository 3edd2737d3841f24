"""What a report says, by what was known at its time, of a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from tests.reports.conftest import END, at, judge
from tests.store.samples import MODEL, document, reading, write
from voxpop import alerting
from voxpop.alertsfile import Rules
from voxpop.errors import SettingError
from voxpop.jobs import Surroundings
from voxpop.reports import jobs
from voxpop.reports.build import Asked
from voxpop.reports.content import Kind, Report
from voxpop.store.access import at_the_shell


def report(
    around: Surroundings,
    kind: Kind = "morning",
    watchlist: str = "all",
    end: datetime = END,
    as_of: datetime | None = None,
) -> Report:
    asked = Asked(kind, watchlist, end, as_of or datetime.now(UTC), "UTC", MODEL)
    return jobs.read(around.engine, asked, around.settings)


def test_a_morning_says_what_turned_with_words_source_and_document(around: Surroundings) -> None:
    (turned,) = report(around).turned
    assert (turned.name, turned.alert.rule, turned.severity, turned.phase) == (
        "Acmetron",
        "surge",
        "critical",
        "pending",
    )
    first = turned.quotes[0]
    assert (first.words, first.how, first.source, first.url) == (
        "acmetron bad news 0",
        "reported",
        "wire",
        "https://wire.example/0",
    )
    assert first.document in turned.alert.evidence
    assert first.at == at(315)
    assert not turned.over
    assert turned.chart is not None
    assert len(turned.chart.starts) == 48
    assert sum(turned.chart.negative) == 13 + 1
    assert turned.chart.marks == [turned.alert.fired_at]
    assert all(e is not None and e < 1 for e in turned.chart.expected)


def test_it_says_what_is_new(around: Surroundings) -> None:
    found = [(one.kind, one.name, one.topic) for one in report(around).first]
    assert found == [
        ("entity", "博特工业", ""),
        ("topic", "Acmetron", "Legal / Regulation"),
        ("story", "Acmetron", ""),
    ]
    told = report(around).first[2]
    assert (told.documents, told.quote.words) == (4, "acmetron bad news 0")


def test_a_feed_that_fell_silent_is_no_data_and_no_calm(around: Surroundings) -> None:
    (silent,) = report(around).silent
    assert (silent.source, silent.until) == ("Gazette", None)
    assert silent.since == at(280)
    assert silent.quote is not None
    assert silent.quote.words == "gazette 56"


def test_a_week_says_what_faded(around: Surroundings) -> None:
    raised = report(around, "weekly", end=at(240)).turned
    assert [one.name for one in raised] == ["Calmer & Sons"]
    found = {(one.name, one.alert is None): one for one in report(around, "weekly", end=END + timedelta(hours=8)).faded}
    assert set(found) == {("Calmer & Sons", False), ("Calmer & Sons", True)}
    fell = found["Calmer & Sons", True]
    assert (fell.before, fell.now) == (8, 0)
    assert fell.quote is not None
    assert fell.quote.words == "Calmer loses 7"


def test_negative_stories_that_a_silent_source_would_have_told_are_no_fall(
    around: Surroundings, engine: Engine
) -> None:
    ends = END + timedelta(days=3)
    write(engine, [reading(document("late", 14 * 24 + 71, "a word on calm", entities=("calm",)))])
    later = report(around, "weekly", end=ends)
    assert "chirper" in {one.source for one in later.silent}
    assert [one for one in later.faded if one.alert is None] == []


def test_it_says_who_answered_and_counts_what_nobody_took_on(around: Surroundings) -> None:
    before = report(around)
    assert (before.answered, before.open_unanswered) == ([], 1)
    alert, now = before.turned[0].alert.id, datetime.now(UTC)
    with around.engine.begin() as connection:
        alerting.plan(connection, Rules(), now - timedelta(minutes=2))
        alerting.plan(connection, Rules(), now - timedelta(minutes=1))
        alerting.by_person(connection, Rules(), alert, "acknowledged", at_the_shell("jane"), now)
    after = report(around)
    assert [(one.name, one.kind, one.who, one.at) for one in after.answered] == [
        ("Acmetron", "acknowledged", "jane", now)
    ]
    assert after.answered[0].quote is not None
    assert after.open_unanswered == 0
    assert after.turned[0].phase == "acknowledged"


def test_each_watchlist_has_its_own_report(around: Surroundings) -> None:
    assert report(around, watchlist="all").watched == 3
    assert [one.name for one in report(around, watchlist="own").turned] == ["Acmetron"]
    food = report(around, watchlist="food")
    assert (food.watched, food.turned) == (1, [])
    with pytest.raises(SettingError, match=r"no watchlist is called 'moon': all, own, food, machines are"):
        report(around, watchlist="moon")


def test_figures_count_stories_once(around: Surroundings) -> None:
    now = report(around).now
    assert (now.documents, now.stories, now.negative, now.unread) == (31, 28, 13, 1)


def test_what_came_later_changes_no_report_of_before(around: Surroundings, engine: Engine) -> None:
    as_of = datetime.now(UTC)
    reports = {kind: report(around, kind, as_of=as_of) for kind in ("morning", "weekly")}
    corrected = document("s0", 315, "acmetron had no bad news at all", sequence=1, revised_at=at(330))
    late = [reading(document(f"l{n}", 314 + n / 7, f"acmetron late bad news {n}"), "negative") for n in range(9)]
    earlier = reading(document("e", 300, "acmetron bad news 1", reach=5000), "negative")  # tells an old story first
    seen_again = reading(document("s2", 315.5, "acmetron bad news 2", reach=9000), "negative")
    write(engine, [reading(corrected, "positive"), *late, earlier, seen_again])
    judge(around)
    now = datetime.now(UTC)
    with engine.begin() as connection:
        for minutes in (0, 1):
            alerting.plan(connection, Rules(), now + timedelta(minutes=minutes))
        alert = reports["morning"].turned[0].alert.id
        alerting.by_person(connection, Rules(), alert, "acknowledged", at_the_shell("jane"), now + timedelta(minutes=2))
        revisions = connection.execute(
            text("SELECT count(*) FROM alert_revisions WHERE alert_id = :id"), {"id": alert}
        ).scalar_one()
    assert revisions == 2
    for kind, before in reports.items():
        assert report(around, kind, as_of=as_of) == before  # type: ignore[arg-type]
    after = report(around, as_of=now + timedelta(minutes=3))
    assert after != reports["morning"]
    assert max(one.alert.negative_stories for one in after.turned) > 13
    assert [one.who for one in after.answered] == ["jane"]


def test_nothing_known_is_an_empty_report(around: Surroundings) -> None:
    found = report(around, as_of=END)  # long before anything was stored
    assert (found.now.documents, found.turned, found.silent, found.happened) == (0, [], [], False)


def test_an_ordinary_day_is_nothing_that_happened(around: Surroundings) -> None:
    assert not report(around, end=at(150)).happened
    assert report(around).happened

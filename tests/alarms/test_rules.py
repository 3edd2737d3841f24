"""Rules beside surges: one story of what is always serious alarms, and a feed that fell silent is no calm."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from sqlalchemy import Engine

from tests.store.samples import MODEL, START, document, reading, write
from voxpop import alerting
from voxpop.alarms import rules
from voxpop.records import Alert, Document, Opinion, Reading, Risk
from voxpop.signals.windows import LONG
from voxpop.store import alerts, counts, trends


def reports(of: Reading, score: float = 0.97, severity: int = 3) -> Reading:
    risk = Risk(entity="acme", event="debt_default", severity=severity, sentence="acme has defaulted", score=score)
    return msgspec.structs.replace(of, risks=(risk,))


def raised(engine: Engine, rule: str, standing: tuple[str, ...] = ()) -> list[Alert]:
    with engine.begin() as connection:
        rules.raise_alerts(connection, MODEL, standing)
        rules.raise_silences(connection, MODEL)
        return [alert for alert in alerts.stored(connection) if alert.rule == rule]


def test_one_story_of_a_default_alarms_and_later_ones_of_the_day_join_it(engine: Engine) -> None:
    write(engine, [reports(reading(document("a", 1, "acme misses a coupon"), "negative"))])
    (first,) = raised(engine, "risk")
    write(engine, [reports(reading(document("b", 9, "bonds of acme fall after default"), "negative"))])
    write(engine, [reports(reading(document("c", 0.5, "acme has not paid"), "negative"))])
    (again,) = raised(engine, "risk")
    assert again.id == first.id
    assert (first.stories, again.stories) == (1, 3)
    with engine.connect() as connection:
        said = alerting.line_of(connection, again, "Acmetron")
    assert said.startswith("Acmetron (debt default, Earnings): “acme has not paid” (wire); 3 stories in 9 hours")


@pytest.mark.parametrize(("score", "severity"), [(0.9, 3), (0.97, 2)])
def test_what_is_unsure_or_less_serious_does_not(engine: Engine, score: float, severity: int) -> None:
    write(engine, [reports(reading(document("a", 1, "acme misses a coupon"), "negative"), score, severity)])
    assert raised(engine, "risk") == []


def test_a_day_apart_they_are_two_alerts_and_the_earlier_is_over(engine: Engine) -> None:
    for name, hours in (("a", 1), ("b", 60)):
        write(engine, [reports(reading(document(name, hours, f"acme misses coupon {name}"), "negative"))])
    assert len(raised(engine, "risk")) == 2
    with engine.connect() as connection:
        states = connection.exec_driver_sql("SELECT state FROM alerts ORDER BY fired_at").scalars().all()
    assert states == ["resolved", "firing"]


def test_a_feed_that_fell_silent_is_told_to_operators_as_no_data(engine: Engine) -> None:
    heard = [reading(document(f"w{n}", n, f"news {n} of acme")) for n in range(30)]
    others = [reading(document(f"o{n}", 3 * n, f"post {n} of acme", source="chirper")) for n in range(40)]
    write(engine, [*heard, *others])
    (alert,) = raised(engine, "feed")
    assert (alert.entity, alert.stories) == ("wire", 0)
    with engine.connect() as connection:
        said = alerting.line_of(connection, alert, alert.entity)
    assert said == "wire: no data for 88 hours, in which 91 documents are usual; this is not calm"


def test_the_long_gaps_are_those_between_all_publications(engine: Engine) -> None:
    hours = {"wire": (0, 1, 1, 20, 40, 41, 100), "chirper": (5,), "late": (50, 90)}
    write(
        engine,
        [
            reading(document(f"{source}{n}", hour, f"{source} {n} of acme", source=source))
            for source, times in hours.items()
            for n, hour in enumerate(times)
        ],
    )
    with engine.connect() as connection:
        found = {one.source: one for one in counts.gaps(connection, START, LONG)}
        heard = counts.heard(connection, START)
    assert found.keys() == heard.keys() == hours.keys()
    for source, times in heard.items():
        pairs = [(n, *pair) for n, pair in enumerate(pairwise(times)) if pair[1] - pair[0] > LONG]
        one = found[source]
        assert (one.first, one.last, one.documents, one.gaps) == (times[0], times[-1], len(times), pairs)
    assert len(found["wire"].gaps) == 3


def test_an_alert_whose_evidence_was_corrected_says_so(engine: Engine) -> None:
    told = document("a", 1, "acme misses a coupon")
    write(engine, [reports(reading(told, "negative")), reports(reading(document("b", 2, "acme default"), "negative"))])
    raised(engine, "risk")
    later = msgspec.structs.replace(told, mentions=(), text="Nothing was missed", revision="other", sequence=1)
    write(engine, [reading(later, "neutral")])
    (alert,) = raised(engine, "risk")
    assert told.id in alert.evidence, "what was cited stays cited"
    with engine.connect() as connection:
        said = alerting.line_of(connection, alert, "Acmetron")
    assert "“acme default” (wire)" in said, "what was corrected is not quoted"
    assert said.endswith("1 cited document was corrected since, 1 of them no longer about Acmetron")


def notice(of: Document, negative: float) -> Reading:
    """The document, read as negative with this probability."""
    opinion = Opinion(entity="acme", label="negative", negative=negative, neutral=1 - negative, positive=0.0)
    return msgspec.structs.replace(reading(of, "negative"), opinions=(opinion,))


def test_one_negative_story_of_a_source_of_standing_is_enough(engine: Engine) -> None:
    write(engine, [notice(document("a", 1, "acme is censured", source="Exchange"), 0.85)])
    write(engine, [notice(document("b", 1, "acme is unloved", source="chirper"), 0.99)])
    write(engine, [notice(document("c", 40, "acme may be fined", source="Exchange"), 0.7)])
    write(engine, [reading(document("d", 41, "acme is praised", source="Exchange"), "positive")])
    assert raised(engine, "standing") == [], "nobody said that it has standing"
    (alert,) = raised(engine, "standing", ("Exchange", "Regulator"))
    assert (alert.entity, alert.fired_at, alert.stories) == ("acme", START + timedelta(hours=1), 1)
    with engine.connect() as connection:
        said = alerting.line_of(connection, alert, "Acmetron")
    assert "“acme is censured” (Exchange); 1 story in one hour, told by a source whose word counts, from" in said
    assert raised(engine, "standing", ("Exchange",)) == [alert], "a second look raises nothing new"


def sliding(engine: Engine, days: int) -> None:
    """Ten stories a day of acme and of calm, one of them negative; from day 30 on six of acme's are."""
    told = []
    for day in range(days):
        for n in range(10):
            for entity in ("acme", "calm"):
                bad = n < (6 if entity == "acme" and day >= 30 else 1)
                name = f"{entity}{day}-{n}"
                body = f"{entity} story {n} of day {day}"
                of = document(name, 24 * day + 2 * n, body, entities=(entity,))
                told.append(reading(of, "negative" if bad else "neutral"))
    write(engine, told)
    with engine.begin() as connection:
        while trends.refresh(connection, MODEL):
            pass


def test_opinion_that_gets_worse_over_days_is_one_alert_with_what_is_usual(engine: Engine) -> None:
    sliding(engine, 36)
    (alert,) = raised(engine, "slide")
    assert (alert.entity, alert.window_start) == ("acme", START + timedelta(days=30))
    assert alert.window_start + timedelta(days=3) <= alert.fired_at <= START + timedelta(days=35)
    assert alert.negative_stories / alert.stories == 0.6
    assert len(alert.evidence) == 20
    with engine.connect() as connection:
        said = alerting.line_of(connection, alert, "Acmetron")
    days = alert.hours // 24
    usual = f"{alert.expected:.0f} are usual"
    assert f"{6 * days} of {10 * days} stories in {days} days read as negative where {usual}" in said
    assert raised(engine, "slide") == [alert]


def test_a_slide_that_goes_on_keeps_its_alert(engine: Engine) -> None:
    sliding(engine, 36)
    (first,) = raised(engine, "slide")
    sliding(engine, 38)
    (again,) = raised(engine, "slide")
    assert again.id == first.id
    assert again.hours == first.hours + 48


def test_an_alert_of_long_ago_is_neither_raised_again_nor_lost(engine: Engine) -> None:
    write(engine, [reports(reading(document("a", 1, "acme misses a coupon"), "negative"))])
    write(engine, [reports(reading(document("b", 20, "acme misses another"), "negative"))])
    (first,) = raised(engine, "risk")
    write(engine, [reading(document("z", 24 * 70, "acme is well"), "neutral")])
    for _ in range(2):
        assert raised(engine, "risk") == [first]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT state FROM alerts").scalar_one() == "resolved"
    write(engine, [reading(document("y", 24 * 140, "acme is very well"), "neutral")])
    assert raised(engine, "risk") == [first]


def test_a_source_that_speaks_again_after_months_is_no_longer_silent(engine: Engine) -> None:
    heard = [reading(document(f"w{n}", n, f"news {n} of acme")) for n in range(30)]
    for day in (40, 120):
        write(engine, [*heard, reading(document(f"o{day}", 24 * day, f"post {day} of acme", source="chirper"))])
        assert [alert.entity for alert in raised(engine, "feed")] == ["wire"]
    write(engine, [reading(document("back", 24 * 130, "wire is back", source="wire"))])
    raised(engine, "feed")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT state FROM alerts WHERE rule = 'feed'").scalars().all() == [
            "resolved"
        ]

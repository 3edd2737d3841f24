"""Rules beside surges: one story of what is always serious alarms, and a feed that fell silent is no calm."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import Engine

from tests.store.samples import MODEL, document, reading, write
from voxpop import alerting, rules
from voxpop.records import Alert, Reading, Risk
from voxpop.store import alerts


def reports(of: Reading, score: float = 0.97, severity: int = 3) -> Reading:
    risk = Risk(entity="acme", event="debt_default", severity=severity, sentence="acme has defaulted", score=score)
    return msgspec.structs.replace(of, risks=(risk,))


def raised(engine: Engine, rule: str) -> list[Alert]:
    with engine.begin() as connection:
        rules.raise_alerts(connection, MODEL)
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

"""The rule of drift: operators hear when the stream, or what is read in it, is no longer what it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import Engine, text

from tests.store.samples import MODEL, START, document, reading, write
from voxpop import alerting
from voxpop.alarms import drifts
from voxpop.records import Alert, Opinion, Reading
from voxpop.store import alerts, trends
from voxpop.store import drifts as stored

DAY = timedelta(days=1)
A_DAY = 20
LABELS = ("negative", *["neutral"] * 7, *["positive"] * 2)


def usual(day: int, n: int) -> Reading:
    return reading(document(f"{day}/{n}", 24 * day + n, f"story {n} of day {day}"), LABELS[n % 10])


def darker(day: int, n: int) -> Reading:
    """In the fifth week most is negative."""
    return reading(usual(day, n).document, "negative" if 28 <= day < 35 and n % 2 else LABELS[n % 10])


def doubtful(day: int, n: int) -> Reading:
    if day < 28 or n % 2:
        return usual(day, n)
    unsure = Opinion(entity="acme", label="unsure", negative=0.4, neutral=0.4, positive=0.2)
    return msgspec.structs.replace(usual(day, n), opinions=(unsure,))


def unlinked(day: int, n: int) -> Reading:
    entities = ("acme",) if day < 28 else ()
    return reading(document(f"{day}/{n}", 24 * day + n, f"story {n} of day {day}", entities=entities))


def in_chinese(day: int, n: int) -> Reading:
    lang = "zh" if day >= 28 and n % 2 else "en"
    return reading(document(f"{day}/{n}", 24 * day + n, f"story {n} of day {day}", lang=lang), LABELS[n % 10])


def corrected(day: int, n: int) -> Reading:
    at = START + (day + 1) * DAY
    body = f"corrected story {n} of day {day}"
    return reading(document(f"{day}/{n}", 24 * day + n, body, revised_at=at, sequence=1), LABELS[n % 10])


def tell(engine: Engine, days: int, of: Callable[[int, int], Reading]) -> None:
    """``days`` of the stream, of which the last has not ended."""
    write(engine, [of(day, n) for day in range(days) for n in range(A_DAY)])
    with engine.begin() as connection:
        while trends.refresh(connection, MODEL):
            pass


def judged(engine: Engine, day: float) -> list[Alert]:
    """The alerts as they stand after a look at the ``day``."""
    with engine.begin() as connection:
        drifts.raise_alerts(connection, MODEL, START + day * DAY)
        return alerts.stored(connection)


def found(engine: Engine) -> list[stored.Drift]:
    with engine.connect() as connection:
        return stored.since(connection, MODEL, START)


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT state FROM alerts ORDER BY fired_at, alert_id")).scalars())


def test_a_stream_that_stays_as_it_was_leaves_rows_and_alarms_nobody(engine: Engine) -> None:
    tell(engine, 36, usual)
    assert judged(engine, 35.5) == []
    assert [row.measure for row in found(engine)] == sorted(drifts.MEASURES.values())
    assert {row.until for row in found(engine)} == {START + 35 * DAY}, "the day that goes on is not judged"
    assert all(row.score < 0.01 for row in found(engine))
    labels = next(row for row in found(engine) if row.measure == "sentiment labels")
    assert labels.recent == {"negative": 14, "neutral": 98, "positive": 28}
    assert labels.usual == {"negative": 56, "neutral": 392, "positive": 112}


def test_labels_that_drift_are_told_to_operators_until_they_are_usual_again(engine: Engine) -> None:
    tell(engine, 46, darker)
    (alert,) = judged(engine, 35)
    assert (alert.rule, alert.entity, alert.fired_at) == ("drift", "sentiment labels", START + 35 * DAY)
    assert alert.score >= alert.cut == 0.25
    with engine.connect() as connection:
        said = alerting.line_of(connection, alert, alert.entity)
    assert said.startswith("sentiment labels: the week is not like the four before (population stability index 1.")
    assert said.endswith("large from 0.25 on): negative 60% where 10% was usual, neutral 30% where 70% was usual,"
                         " positive 10% where 20% was usual")  # fmt: skip
    assert [a.id for a in judged(engine, 36)] == [alert.id]
    assert states(engine) == ["firing"]
    assert [a.id for a in judged(engine, 45)] == [alert.id]
    assert states(engine) == ["resolved"]


@pytest.mark.parametrize(
    ("of", "measure"),
    [(doubtful, "unsure labels"), (in_chinese, "languages"), (unlinked, "links to companies")],
)
def test_so_are_doubt_languages_and_links(engine: Engine, of: Callable[[int, int], Reading], measure: str) -> None:
    tell(engine, 36, of)
    assert measure in [alert.entity for alert in judged(engine, 35)]


def test_a_later_look_at_an_earlier_day_fills_in_its_rows_and_moves_no_alert(engine: Engine) -> None:
    tell(engine, 40, darker)
    (late,) = judged(engine, 36)
    (both,) = judged(engine, 35)
    assert both.id == late.id
    assert [row.until for row in found(engine) if row.measure == "languages"] == [START + 35 * DAY, START + 36 * DAY]
    before = found(engine)
    judged(engine, 35)
    assert found(engine) == before


def test_a_day_that_late_news_clears_takes_its_alert_back(engine: Engine) -> None:
    tell(engine, 36, darker)
    judged(engine, 35)
    tell(engine, 36, corrected)
    judged(engine, 35)
    assert states(engine) == ["resolved"]


@pytest.mark.parametrize("days", [0, 21])
def test_a_stream_of_which_little_is_known_is_not_judged(engine: Engine, days: int) -> None:
    tell(engine, days, darker)
    assert judged(engine, 60) == []
    assert found(engine) == []

"""The line of an alert holds what its evidence holds, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from voxpop.records import Alert
from voxpop.signals.meaning import Evidence, line

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
ALERT = Alert(
    id="a1",
    entity="acme",
    rule="surge",
    fired_at=AT,
    window_start=AT,
    score=7,
    cut=5,
    hours=3,
    stories=12,
    expected=0.4,
    negative_stories=11,
    unread_stories=0,
    model="m",
)
EVIDENCE = Evidence(
    name="Acmetron",
    topic="Debt",
    event="debt default",
    quote="missed  a\ncoupon",
    factuality="reported",
    source="wire",
    url=None,
    documents=40,
    sources=3,
    reach=1500,
    negative=11,
    read=12,
    usual_negative=0.09,
    corrected=0,
    withdrawn=0,
)


def test_it_says_who_what_how_much_and_what_is_usual() -> None:
    assert line(ALERT, EVIDENCE) == (
        "Acmetron (debt default, Debt): “missed a coupon” (wire, reported); 12 stories in 3 hours where 0.4 are usual,"
        " from 3 sources, reach 1,500; 11 of 12 stories since then read as negative where 9% is usual"
    )


@pytest.mark.parametrize(
    ("changes", "said", "unsaid"),
    [
        ({"quote": ""}, "Acmetron (debt default, Debt): 12 stories", "“"),
        ({"event": "", "topic": ""}, "Acmetron: “missed", "Debt"),
        ({"factuality": "asserted"}, "(wire); ", "asserted"),
        ({"usual_negative": None}, "read as negative", "is usual"),
        ({"read": 0, "negative": 0}, "reach 1,500", "negative"),
        ({"sources": 1}, "from 1 source,", "1 sources"),
        ({"corrected": 2, "withdrawn": 0}, "2 cited documents were corrected since", "no longer"),
        ({"corrected": 1, "withdrawn": 1}, "1 cited document was corrected since, 1 of them no longer about", "were"),
    ],
)
def test_what_is_not_known_is_not_said(changes: dict[str, Any], said: str, unsaid: str) -> None:
    found = line(ALERT, EVIDENCE._replace(**changes))
    assert said in found
    assert unsaid not in found


def test_what_could_not_be_read_is_counted() -> None:
    alert = msgspec.structs.replace(ALERT, unread_stories=4)
    assert line(alert, EVIDENCE).endswith("4 in a language that is not read yet")


def test_a_long_quote_is_cut_at_a_word() -> None:
    quoted = line(ALERT, EVIDENCE._replace(quote="word " * 100))
    assert "word…” (wire" in quoted
    assert len(quoted) < 400

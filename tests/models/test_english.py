"""What the shipped English networks make of texts that training never saw."""

from __future__ import annotations

import json
from pathlib import Path

from voxpop import models
from voxpop.records import SENTIMENTS
from voxpop.training.datasets import find_spans

GOLD = Path(__file__).parents[1] / "gold" / "events_en.jsonl"


def test_what_reports_a_risk_event_is_bad_for_the_company() -> None:
    rows = [row for line in GOLD.read_text("utf-8").splitlines() if (row := json.loads(line))["events"]]
    targets = [(row["text"], find_spans(row["text"], row["entity"])) for row in rows]
    found = models.load("english").sentiment(targets).argmax(axis=1)
    assert sum(SENTIMENTS[i] == "negative" for i in found) / len(rows) > 0.75

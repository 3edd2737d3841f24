"""The sample stream is what the demonstration says it is."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import msgspec

from voxpop import sample
from voxpop.signals.windows import silences
from voxpop.text import watchlist

LINES = sample.lines()


def test_two_weeks_in_two_languages_news_and_social() -> None:
    assert len(LINES) >= 1500
    assert (LINES[-1]["published_at"] - LINES[0]["published_at"]).days == 13
    assert {line["channel"] for line in LINES} == {"news", "social"}
    assert sum(map(sample.in_chinese, LINES)) > 250


def test_every_incident_is_planted_after_the_week_in_which_the_cut_is_set() -> None:
    planted = sample.incidents()
    assert len(planted) == 7
    assert all(i.begins >= sample.FIRST_DAY + timedelta(days=7) for i in planted)
    assert {i.entity for i in planted} <= {e.id for e in watchlist.load(sample.watchlist_path())}
    chinese = [i for i in planted if all(sample.in_chinese(line) for line in LINES if line["tag"] == i.tag)]
    assert len(chinese) == 2


def test_the_traps_are_there() -> None:
    tags = Counter(line["tag"] for line in LINES)
    assert tags["trap_reposts"] == sample.REPOSTS
    assert tags["trap_goodnews"] >= 40
    assert tags["trap_furious"] == 1
    assert tags["trap_versus"] >= 6
    wire = [line["published_at"] for line in LINES if line["source"] == "Harbour Wire"]
    day = sample.FIRST_DAY + timedelta(days=10)
    assert any(
        start <= day and end >= day + timedelta(days=1) for start, end in silences(wire, LINES[-1]["published_at"])
    )


def test_one_post_of_a_single_story_spreads_within_the_hour() -> None:
    told = [line for line in LINES if line["tag"] == "whisper"]
    assert len({line["text"].removeprefix(f"RT @{told[0]['author']}: ") for line in told}) == 1
    assert len({line["author"] for line in told}) > sample.ALARMED
    figures = [item for item in sample.items() if item["text"] == told[0]["text"]]
    assert [item["reach"] for item in figures] == sorted(item["reach"] for item in figures)
    assert len({item["id"] for item in figures}) == 1
    assert len(figures) == 5


def test_the_texts_are_not_one_template() -> None:
    written = {line["text"] for line in LINES if not line["author"] or not line["author"].startswith("reader_")}
    openings = Counter(" ".join(text.split()[:3]) for text in written if text < "\u3000")
    assert openings.most_common(1)[0][1] <= 8


def test_ids_are_unique_and_three_lines_are_broken() -> None:
    ids = [(item["source"], item["id"]) for item in sample.items() if "revised_at" not in item]
    assert len(ids) == len(set(ids))
    broken = 0
    for line in sample.stream():
        try:
            assert "text" in msgspec.json.decode(line)
        except msgspec.DecodeError:
            broken += 1
    assert broken == 1

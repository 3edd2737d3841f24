"""What the benchmark measures on, how it takes turns, and that it runs."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxpop.bench import policies
from voxpop.bench.chart import bars
from voxpop.bench.texts import NEWS_SPREAD, NEWS_TOKENS, TWEET_SPREAD, TWEET_TOKENS, Writer, lengths, read
from voxpop.bench.timing import Timed, at_least, at_most, interleaved
from voxpop.errors import Refused
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.encoding import TextEncoder


@pytest.mark.parametrize(("mean", "spread"), [(NEWS_TOKENS, NEWS_SPREAD), (TWEET_TOKENS, TWEET_SPREAD)])
def test_lengths_have_the_mean_and_the_cap_and_repeat(mean: int, spread: float) -> None:
    found = lengths(2048, mean, spread)
    assert abs(np.mean(found) - mean) < 1
    assert 3 <= min(found) < mean < max(found) <= 512
    assert lengths(2048, mean, spread) == found != lengths(2048, mean, spread, seed=2)


def test_texts_have_exactly_the_lengths_asked_for() -> None:
    wanted = lengths(40, NEWS_TOKENS, NEWS_SPREAD)
    texts = Writer().texts(wanted)
    coded = TextEncoder(find_encoder(BUNDLED).tokenizer).heads(texts, 512)
    assert [len(one.ids) for one in coded] == wanted
    assert len(set(texts)) == len(texts)


def test_padding_of_one_width_a_batch_is_what_was_aimed_at() -> None:
    news, posts = lengths(2048, NEWS_TOKENS, NEWS_SPREAD), lengths(2048, TWEET_TOKENS, TWEET_SPREAD)
    assert policies.padding(news) <= 1.05
    assert policies.padding(posts) <= 1.15
    assert policies.padding([8, 16, 24]) == 1.0
    assert policies.padding([3, 5], policies.arriving) == 10 / 8


@given(st.lists(st.integers(3, 256), min_size=1, max_size=150))
def test_every_policy_runs_each_text_once_and_cuts_none(of_texts: list[int]) -> None:
    for name, plan in policies.POLICIES.items():
        batches = list(plan(of_texts))
        assert sorted(i for batch in batches for i in batch.indices) == list(range(len(of_texts))), name
        assert all(of_texts[i] <= batch.width for batch in batches for i in batch.indices), name
    for batch in policies.budgeted(of_texts):
        assert batch.width * len(batch.indices) <= policies.BUDGET


def test_contenders_take_turns_in_alternating_order() -> None:
    called: list[str] = []
    contenders = {name: (lambda name=name: called.append(name)) for name in "abc"}
    timed = interleaved(contenders, 3, lambda _: None, lambda name: called.append(f"before {name}"))
    assert [name for name in called if len(name) == 1] == [*"abc", *"cba", *"abc"]
    assert called[::2] == [f"before {name}" for name in called[1::2]]
    assert {len(of_one) for of_one in timed.seconds.values()} == {3}


def test_a_ratio_is_the_median_of_the_turns() -> None:
    timed = Timed({"slow": [2.0, 90.0, 6.0], "fast": [1.0, 3.0, 1.0]})
    assert timed.ratio("slow", "fast") == 6.0
    assert timed.median("slow") == 6.0
    assert at_least("x", 6.0, 6).met
    assert not at_most("x", 6.1, 6).met


def test_the_chart_is_svg_with_a_bar_for_each_name() -> None:
    root = ET.fromstring(bars("A & B", {"one <": 10.0, "two": 40.0}, "/s", "two"))
    widths = [float(bar.attrib["width"]) for bar in root.findall("{*}rect")[1:]]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    assert [text.text for text in root.findall("{*}text")] == ["A & B", "one <", "10 /s", "two", "40 /s"]


def test_texts_of_a_file(tmp_path: Path) -> None:
    plain, lines, broken = tmp_path / "a.txt", tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    plain.write_text("one\n\ntwo\n", "utf-8")
    lines.write_text('{"text": "one"}\n{"text": "two"}\n', "utf-8")
    broken.write_text('{"body": "one"}\n', "utf-8")
    assert read(plain) == read(lines) == ["one", "two"]
    for path in (broken, tmp_path / "none.txt"):
        with pytest.raises(Refused, match="has no texts to measure on"):
            read(path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_runs_and_says_what_it_measured(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from voxpop.cli import app, bench, system  # noqa: F401 - they register themselves, and one alone would be no group

    (tmp_path / "texts.txt").write_text("Calder fell\nNordhafen rose on profit\nthe board met\n", "utf-8")
    chart = tmp_path / "chart.svg"
    options = ["--quick", "--json", "--no-store", "--file", str(tmp_path / "texts.txt"), "--chart", str(chart)]
    done = CliRunner().invoke(app, ["bench", *options])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["texts"] == 3
    assert set(found["policies"]) == set(policies.POLICIES)
    assert all(rate > 0 for rate in found["policies"].values())
    values = {row["name"]: row["value"] for row in found["rows"]}
    assert all(value is None or value > 0 for value in values.values())
    assert len(values) == len(found["rows"]) >= 10
    assert "equal labels 100.00%" in json.dumps(found["rows"])
    assert ET.parse(chart).getroot().tag.endswith("svg")

"""Weighing evidence of risk events: the fit, and which documents it may see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.scripted import Script, reader_of
from voxpop import cli
from voxpop.cli import judge as _commands  # noqa: F401 - which registers itself
from voxpop.errors import SettingError
from voxpop.knowledge.events import RiskEvent, shipped
from voxpop.models.profile import RiskWeights
from voxpop.training.datasets import Row, read_rows
from voxpop.training.recipe import DATA
from voxpop.training.risks import fit, held_out, logistic

EVENTS = {
    "fine": RiskEvent(en="{entity} has paid a fine."),
    "merger": RiskEvent(en="{entity} has merged."),
    "strike": RiskEvent(en="{entity} is on strike."),
}


def test_logistic_regression_finds_the_weights_that_made_the_labels() -> None:
    random = np.random.default_rng(7)
    evidence = random.normal(size=(20_000, 2)) * [1.0, 5.0] + [0.0, 3.0]
    odds = evidence @ [2.0, -0.5] + 1.0
    weights, bias = logistic(evidence, random.random(len(odds)) < 1 / (1 + np.exp(-odds)))
    assert weights == pytest.approx([2.0, -0.5], abs=0.1)
    assert bias == pytest.approx(1.0, abs=0.1)


def test_evidence_that_tells_gets_the_weight() -> None:
    rows = [
        {"text": f"Acme case {n}: {'a fine of' if n % 2 else 'no word of'} {n} dollars", "entity": "Acme"}
        | {"events": ["fine"] if n % 2 else []}
        for n in range(80)
    ]
    script = Script(entailed=lambda p, h: (0.9 if "a fine" in p and "fine" in h else 0.1, 0.1, 0.0))
    found = fit(rows, reader_of(script), EVENTS, "en")
    assert found.weights.entailed + found.weights.entailed_by_sentences > 0.5
    assert found.figures["f1"] > 0.95
    assert found.figures["documents"] == 80
    assert RiskWeights().least == 0.5


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(SettingError, match="no document"):
        fit([{"text": "Acme rests.", "entity": "Acme", "events": []}], reader_of(Script()), EVENTS, "en")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no document that is labelled"),
        ('{"text": "Acme rests.", "entity": "Acme"}', "Row 1 lacks"),
        ('{"text": "Acme rests.", "entity": "Acme", "events": ["rest"]}', "names 'rest'"),
    ],
)
def test_a_file_without_labels_is_refused_and_no_other_documents_are_taken_instead(
    tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / "mine.jsonl").write_text(line, "utf-8")
    done = CliRunner().invoke(cli.app, ["events", "weigh", str(tmp_path / "mine.jsonl")], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert said in done.output


def test_a_language_that_the_profile_does_not_read_is_said() -> None:
    done = CliRunner().invoke(cli.app, ["events", "weigh", "--lang", "zh", "--profile", "english"])
    assert done.exit_code == 1
    assert "does not read zh" in done.output


def test_what_inference_was_trained_on_is_not_learned_from() -> None:
    english, chinese = held_out("en"), held_out("zh")
    assert {event for row in (*english, *chinese) for event in row["events"]} <= shipped().keys()
    trained = [row["text"] for name in ("events_en", "events_more_en") for row in _own(name)]
    assert 80 < len({row["text"] for row in english} & set(trained)) < 0.2 * len(trained)
    own = len(_own("finance_zh")) + len(_own("events_everyday_zh"))
    assert 400 < len(chinese) < 0.2 * own


def test_the_labels_of_documents_with_claims_are_known_events_about_a_name_in_the_text() -> None:
    texts = {row["text"] for row in _own("claims_en")}
    for row in _own("events_claims_en"):
        assert row["text"] in texts
        assert row["entity"] in row["text"]
        assert set(row["events"]) <= shipped().keys()


def _own(name: str) -> list[Row]:
    return list(read_rows(DATA / "training" / f"{name}.jsonl"))

"""When a conclusion follows, when it does not, and why."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.scripted import Entailed, Script, reader_of
from voxpop import cli
from voxpop.cli import judge as _commands  # noqa: F401 - which registers itself
from voxpop.errors import ModelError, SettingError
from voxpop.inference import Inferred, infer

PREMISE = "Acme missed the coupon that was due on Monday."
HYPOTHESIS = "The grace period ended without a payment."
CONCLUSION = "Acme has failed to repay a debt."


def judged(alone: tuple[float, float, float], both: tuple[float, float, float]) -> Inferred:
    """What is inferred where these are the probabilities given the premise, and given premise and hypothesis."""

    def entailed(premise: str, hypothesis: str) -> tuple[float, float, float]:
        assert hypothesis == CONCLUSION
        return {PREMISE: alone, f"{PREMISE} {HYPOTHESIS}": both}[premise]

    return infer(PREMISE, HYPOTHESIS, CONCLUSION, reader_of(Script(entailed=entailed)))


def test_it_follows_where_the_premise_entails_it_and_the_hypothesis_bears_it_out() -> None:
    found = judged((0.75, 0.125, 0.125), (0.875, 0.125, 0.0))
    assert found.conclusion == CONCLUSION
    assert (found.premise, found.both, found.contradiction) == (0.75, 0.875, 0.125)
    assert "the premise entails it (0.75)" in found.reason
    assert found.model == "scripted@1"


def test_a_premise_that_rules_it_out_comes_before_all_else() -> None:
    found = judged((0.25, 0.25, 0.5), (0.875, 0.125, 0.0))
    assert found.conclusion is False
    assert found.reason == "the premise contradicts the conclusion (0.50)"


def test_a_premise_that_leaves_it_open_is_not_enough() -> None:
    found = judged((0.375, 0.5, 0.125), (0.875, 0.125, 0.0))
    assert found.conclusion is False
    assert found.reason == "the premise does not entail the conclusion (0.38 of at least 0.5)"


@pytest.mark.parametrize("both", [0.75, 0.752, 0.5, 0.1])
def test_a_hypothesis_that_does_not_help_is_refused(both: float) -> None:
    found = judged((0.75, 0.25, 0.0), (both, 1 - both, 0.0))
    assert found.conclusion is False
    assert "the hypothesis does not make the conclusion more likely" in found.reason


def test_what_is_certain_need_not_become_more_likely() -> None:
    assert judged((0.999, 0.001, 0.0), (0.998, 0.002, 0.0)).conclusion == CONCLUSION
    assert judged((0.999, 0.001, 0.0), (0.9, 0.1, 0.0)).conclusion is False


def certain(premise: str, hypothesis: str) -> tuple[float, float, float]:
    return (1.0, 0.0, 0.0)


SURE: Entailed = certain


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("blank", ["", " \n\t"])
def test_an_empty_text_is_refused_by_its_name(at: int, blank: str) -> None:
    texts = [PREMISE, HYPOTHESIS, CONCLUSION]
    texts[at] = blank
    with pytest.raises(SettingError) as refused:
        infer(texts[0], texts[1], texts[2], reader_of(Script(entailed=SURE)))
    assert str(refused.value) == f"The {('premise', 'hypothesis', 'conclusion')[at]} is empty"


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(("text", "lang"), [("博特工业未能偿还债务。", "zh"), ("Компания не выплатила долг", "other")])
def test_a_text_that_the_profile_does_not_read_is_refused_in_one_sentence(at: int, text: str, lang: str) -> None:
    texts = [PREMISE, HYPOTHESIS, CONCLUSION]
    texts[at] = text
    script = Script(entailed=SURE)
    with pytest.raises(SettingError) as refused:
        infer(texts[0], texts[1], texts[2], reader_of(script))
    message = str(refused.value)
    assert message.startswith(f"The {('premise', 'hypothesis', 'conclusion')[at]} cannot be judged")
    assert f"({lang})" in message
    assert "scripted" in message
    assert "reads en" in message
    assert "\n" not in message
    assert script.pairs == []


def test_a_profile_that_reads_chinese_judges_it() -> None:
    reader = reader_of(Script(entailed=SURE), languages=("en", "zh"))
    assert infer("博特工业未能偿还债务。", "今天停产。", "公司违约。", reader).conclusion == "公司违约。"


def test_short_plain_texts_are_taken_for_what_they_are_said_to_be() -> None:
    assert infer("Umsatz 5 %", "ACME Q3", "ACME GmbH", reader_of(Script(entailed=SURE))).conclusion == "ACME GmbH"


def test_a_profile_without_inference_says_so() -> None:
    with pytest.raises(ModelError, match="nli"):
        infer(PREMISE, HYPOTHESIS, CONCLUSION, reader_of(Script(), said=False))


def test_the_example_of_the_readme_and_of_the_help_follows() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    (line,) = re.findall(r"^voxpop (infer .*)$", readme, re.M)
    words = shlex.split(line)
    helped = re.sub(r"\s+", " ", CliRunner().invoke(cli.app, ["infer", "--help"], env={"COLUMNS": "200"}).stdout)
    assert line in helped
    done = CliRunner().invoke(cli.app, words, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == words[words.index("-c") + 1]

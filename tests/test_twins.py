"""Conclusions from a premise and a hypothesis by the shipped weights: a play, and its twins of the finance world."""

from __future__ import annotations

from typing import Any

import pytest

from voxpop import models
from voxpop.errors import SettingError
from voxpop.inference import infer
from voxpop.models.reader import Reader

CASES = [
    (
        "Shakespeare was not a writer. He never wrote a play.",
        "Hamlet is by Shakespeare.",
        "Shakespeare wrote Hamlet.",
        False,
    ),
    (
        "Norvik Bank never issued a bond.",
        "The bond of 2027 is said to be Norvik's.",
        "Norvik Bank issued the bond of 2027.",
        False,
    ),
    (
        "Calder Energy did not pay the interest on its bonds that was due on Monday.",
        "Calder Energy has told its creditors that it cannot pay.",
        "Calder Energy has failed to pay a debt.",
        True,
    ),
    (
        "The regulator made Osten Bank pay 40 million for weak controls.",
        "It is the largest fine in the history of Osten Bank.",
        "Osten Bank has been fined.",
        True,
    ),
    ("Osten Bank opened a branch in Lyon.", "Its app was down.", "Osten Bank has been fined.", False),
    (
        "Tamsin Motors asked the owners of 40,000 cars to bring them back because the brakes can fail.",
        "Tamsin Motors recalls the cars.",
        "Tamsin Motors is recalling cars.",
        True,
    ),
    (
        "Tamsin Motors denied that it will recall any cars.",
        "Drivers complained about the brakes.",
        "Tamsin Motors has recalled cars.",
        False,
    ),
    ("Brakka may cut jobs next year.", "Orders are falling.", "Brakka has cut jobs.", False),
    (
        "The chief executive of Hallow stepped down on Monday.",
        "The chief executive has left the company.",
        "The chief executive of Hallow has left.",
        True,
    ),
    (
        "Customers of Lindqvist Bank queued all night for their savings.",
        "Customers are taking their money out of Lindqvist Bank.",
        "Customers are withdrawing money from Lindqvist Bank.",
        True,
    ),
    ("Verano bought Castell for two billion.", "Castell was for sale.", "Castell bought Verano.", False),
]


MISSED = {
    "恒远地产未能按期兑付到期债券的本息。",
    "监管部门对青禾证券处以五百万元罚款。",
    "北辰汽车宣布召回两万辆存在制动缺陷的汽车。",
    "Calder Energy did not pay the interest on its bonds that was due on Monday.",
    "Brakka may cut jobs next year.",
    "The chief executive of Hallow stepped down on Monday.",
}
"""Premises of what the shipped weights get wrong: they are unsure of what follows, and take what may be for what is."""


def marked(case: tuple[str, str, str, bool]) -> Any:
    """The case, expected to fail where it is known to."""
    marks = [pytest.mark.xfail(strict=True, reason="the shipped weights get it wrong")] if case[0] in MISSED else []
    return pytest.param(*case, marks=marks)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return models.load("english")


@pytest.mark.parametrize(("premise", "hypothesis", "conclusion", "follows"), [marked(case) for case in CASES])
def test_it_follows_or_it_does_not(
    reader: Reader, premise: str, hypothesis: str, conclusion: str, follows: bool
) -> None:
    found = infer(premise, hypothesis, conclusion, reader)
    assert found.conclusion == (conclusion if follows else False), found.reason
    assert found.reason


CHINESE = [
    ("莎士比亚不是作家，他从未写过剧本。", "《哈姆雷特》是莎士比亚的作品。", "莎士比亚创作了《哈姆雷特》。", False),
    ("恒远地产未能按期兑付到期债券的本息。", "恒远地产的资金已经耗尽。", "恒远地产未能偿还债务。", True),
    ("恒远地产已按期兑付全部到期债券。", "恒远地产资金紧张。", "恒远地产未能偿还债务。", False),
    ("监管部门对青禾证券处以五百万元罚款。", "青禾证券违反了信息披露规定。", "青禾证券被罚款。", True),
    ("青禾证券表示，公司没有接受任何调查。", "有传闻称监管部门已进驻青禾证券。", "青禾证券正在接受调查。", False),
    ("北辰汽车宣布召回两万辆存在制动缺陷的汽车。", "制动缺陷可能导致事故。", "北辰汽车召回了产品。", True),
    ("蓝湾银行各网点营业正常，没有人排队取款。", "储户担心蓝湾银行的安全。", "储户正在挤兑蓝湾银行。", False),
    ("东岭矿业的工人已经停工三天。", "东岭矿业的工人要求加薪。", "东岭矿业的工人正在罢工。", True),
    ("维港集团以二十亿元收购了卡斯酒店。", "卡斯酒店此前正在出售。", "卡斯酒店收购了维港集团。", False),
    ("评级机构下调了松原城投的信用评级。", "松原城投的债务在增加。", "松原城投的评级被下调。", True),
    ("霍洛软件的总经理今日辞职。", "董事会正在物色新的总经理。", "霍洛软件的总经理离职。", True),
]


@pytest.fixture(scope="module")
def chinese() -> Reader:
    return models.load("chinese")


@pytest.mark.parametrize(("premise", "hypothesis", "conclusion", "follows"), [marked(case) for case in CHINESE])
def test_in_chinese_too_it_follows_or_it_does_not(
    chinese: Reader, premise: str, hypothesis: str, conclusion: str, follows: bool
) -> None:
    found = infer(premise, hypothesis, conclusion, chinese)
    assert found.conclusion == (conclusion if follows else False), found.reason


def test_a_language_that_cannot_be_judged_says_so(reader: Reader) -> None:
    with pytest.raises(SettingError, match=r"cannot be judged.*\(zh\).*it reads en"):
        infer(
            "莎士比亚不是作家，他从未写过剧本。",
            "《哈姆雷特》是莎士比亚的作品。",
            "莎士比亚创作了《哈姆雷特》。",
            reader,
        )

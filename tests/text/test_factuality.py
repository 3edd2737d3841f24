"""How a sentence claims something."""

from __future__ import annotations

import pytest

from voxpop.text.factuality import factuality, sentence_of


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        ("Acme was fined on Tuesday.", "was fined", "asserted"),
        ("Acme may be fined, lawyers said.", "be fined", "hedged"),
        ("Acme was fined, according to two papers.", "was fined", "reported"),
        ("Acme denied that it was fined.", "was fined", "denied"),
        ("A spokesman said reports of a fine are baseless.", "a fine", "denied"),
        ("Acme was fined. Bolt may be next.", "was fined", "asserted"),
        ("Bolt denies everything. Acme was fined.", "was fined", "asserted"),
        ("Acme could default, but denies it", "default", "denied"),
        ("青禾食品周二被罚款三百万元。", "被罚款三百万元", "asserted"),
        ("青禾食品或将被罚款。", "被罚款", "hedged"),
        ("北辰汽车拟收购一家电池厂。", "收购一家电池厂", "hedged"),
        ("市场传闻北辰汽车要卖厂。", "要卖厂", "hedged"),
        ("網傳北辰汽車要賣廠。", "要賣廠", "hedged"),
        ("据知情人士透露，北辰汽车已停产。", "已停产", "reported"),
        ("员工称公司三个月没发工资。", "三个月没发工资", "reported"),
        ("蓝湾地产否认债务违约。", "债务违约", "denied"),
        ("蓝湾地产辟谣：并未裁员。", "裁员", "denied"),
        ("藍灣地產闢謠，稱消息不實。", "消息不實", "denied"),
        ("关于蓝湾地产爆雷的消息不实。", "爆雷", "denied"),
        ("蓝湾地产否认违约。北辰汽车召回两万辆汽车。", "召回两万辆汽车", "asserted"),
        ("北辰汽车召回两万辆汽车，分析师认为影响有限。", "召回两万辆汽车", "asserted"),
        ("北辰汽车已停产，复工时间可能推迟。", "已停产", "asserted"),
    ],
)
def test_cues_of_the_sentence_around_the_claim(text: str, what: str, expected: str) -> None:
    start = text.index(what)
    assert factuality(text, start, start + len(what)) == expected


def test_sentences_end_at_marks_and_lines() -> None:
    text = "Title here\nFirst one. Second one! Third"
    start = text.index("Second")
    assert text[slice(*sentence_of(text, start, start + 6))].strip() == "Second one!"
    assert text[slice(*sentence_of(text, 0, 5))].strip() == "Title here"
    assert sentence_of(text, 0, len(text)) == (0, len(text))

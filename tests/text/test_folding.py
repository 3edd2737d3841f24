"""Folding: one character for one, simplified for traditional."""

from __future__ import annotations

import json

from voxpop.text.folding import chinese, dumped


def test_each_character_becomes_one_character_and_folding_twice_changes_nothing() -> None:
    table = chinese()
    assert len(table) > 3000
    every = "".join(map(chr, table))
    folded = every.translate(table)
    assert len(folded) == len(every)
    assert folded.translate(table) == folded


def test_traditional_text_reads_as_simplified_text_does() -> None:
    traditional, simplified = (
        "證監會對該銀行處以４６０萬元罰款，股價應聲下跌ＡＢ",
        "证监会对该银行处以460万元罚款，股价应声下跌AB",
    )
    assert traditional.translate(chinese()) == simplified
    assert simplified.translate(chinese()) == simplified


def test_a_folding_is_two_strings_of_one_length() -> None:
    stated = json.loads(dumped({0x4E7E: 0x5E72, 0xFF11: 0x31}))
    assert stated == {"from": "乾１", "to": "干1"}

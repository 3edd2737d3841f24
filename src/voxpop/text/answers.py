"""Whether words can answer a question at all, whatever a model finds."""

from __future__ import annotations

import re

from voxpop.records import Question

_LABELS = re.compile(r"(?:https?://|www\.)\S+|[$#@][A-Za-z_]\w*")
_WORD = re.compile(r"\w")
_TENS = r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
_CHINESE = r"[〇零一二三四五六七八九十百千万萬亿億两兩半几幾数數]"
_COUNTED = (
    rf"{_CHINESE}+[余餘多来來]?(?:[个個]?[点點月]|小[时時]|[分秒][钟鐘]|[元块塊圆圓角分美港欧歐日人名位家个個只隻股手吨噸台臺辆輛件批项項份笔筆次倍成折克斤米亩畝户戶套张張条條宗艘架间間天起级級档檔座栋棟款省毛板]"
    r"|基[点點]|公里|平方)"
)
"""A numeral with what it counts: 数据, 统一 and 一直 count nothing."""
_LARGE = r"[一二三四五六七八九十两兩几幾数數][余餘多来來]?[十百千万萬亿億]"
_NUMBER = re.compile(
    rf"\d|{_COUNTED}|(?-i:\b[ABC]{{1,3}}[+-]?(?!\w))|[百千万萬亿億][亿億万萬]|{_LARGE}|百分之{_CHINESE}|[近过過逾超大一]半|半[数數成价價年]|[翻][倍番了]|腰[斩斬]|全[部员員额額]|所有|多[数數]"
    rf"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|{_TENS}"
    r"|hundreds?|thousands?|millions?|billions?|trillions?|dozens?|half|halves|thirds?|quarters?|fifths?|tenths?|once|twice"
    r"|doubled?|tripled?|all|both|several|most|none)\b",
    re.IGNORECASE,
)


_TAIL = re.compile(r"(?:\s+(?:(?:https?://|www\.)\S+|[$#@][A-Za-z_]\w*|via))+\s*$")


def trimmed(words: str) -> str:
    """``words`` without the addresses, cashtags and handles that a post ends with.

    >>> trimmed("retains its dividend http://t.co/x $S $VZ")
    'retains its dividend'
    """
    return _TAIL.sub("", words) or words


def fits(question: Question, words: str) -> bool:
    """Whether ``words`` may answer ``question``: cashtags and addresses say nothing, and an amount has a number.

    >>> fits("amount", "$WAG $"), fits("amount", "two contractors")
    (False, True)
    """
    said = _LABELS.sub("", words)
    return bool((_NUMBER if question == "amount" else _WORD).search(said))

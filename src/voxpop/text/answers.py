"""Whether words can answer a question at all, whatever a model finds."""

from __future__ import annotations

import re

from voxpop.records import Question

_LABELS = re.compile(r"(?:https?://|www\.)\S+|[$#@][A-Za-z_]\w*")
_WORD = re.compile(r"\w")
_TENS = r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
_NUMBER = re.compile(
    r"\d|[一二三四五六七八九十百千万萬亿億两兩半几幾数數]"
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

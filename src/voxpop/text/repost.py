"""What a repost puts before the words that it passes on."""

from __future__ import annotations

import re

HEADERS = (
    r"RT\b[\s:]*(?:@\w+)?[\s:]*(?=\S)",
    r"(?:MT|HT|QT)\s+@\w+[\s:]*",
    r"(?://|回复)@[^\s:：]{1,30}\s*[:：]?",
    r"转发微博\s*[:：。，,!！]?\s*",
    r"(?:转发|轉發)\s*(?=//@)",
    r"(?:转发|轉發|转载|轉載|分享|转)\s*[:：]\s*",
)
"""Patterns of one header each, to be matched at the beginning, whatever the case."""

_HEADER = re.compile(r"\s*(?:" + "|".join(HEADERS) + r")\s*", re.IGNORECASE)


def header(text: str) -> int:
    """Characters before the words that ``text`` passes on (RT @x:, 转发微博//@某人：); 0 where there are none after it.

    >>> "RT @desk: shares fell"[header("RT @desk: shares fell"):]
    'shares fell'
    """
    end = 0
    while (found := _HEADER.match(text, end)) and found.end() > end:
        end = found.end()
    return end if any(c.isalnum() for c in text[end:]) else 0

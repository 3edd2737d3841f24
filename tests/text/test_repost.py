"""What a repost puts before the words that it passes on."""

from __future__ import annotations

import pytest

from voxpop.text.repost import header


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("RT @desk: Acme recalls heaters", "Acme recalls heaters"),
        ("rt @a_b RT @c: Acme recalls heaters", "Acme recalls heaters"),
        ("QT @desk Acme recalls heaters", "Acme recalls heaters"),
        ("转发//@小李：//@老王: 云岭地产辟谣", "云岭地产辟谣"),
        ("转发微博：云岭地产辟谣", "云岭地产辟谣"),
        ("回复@小李:云岭地产辟谣", "云岭地产辟谣"),
        ("转发：云岭地产辟谣", "云岭地产辟谣"),
    ],
)
def test_the_header_is_left_out(text: str, body: str) -> None:
    assert text[header(text) :] == body


@pytest.mark.parametrize(
    "text",
    ["", "RT", "RT @desk:", "Acme, RT @desk: recalls", "RTX cards recalled", "@acme: fix it", "转债大跌", "转发微博"],
)
def test_what_has_none_or_nothing_after_it_is_left_whole(text: str) -> None:
    assert header(text) == 0

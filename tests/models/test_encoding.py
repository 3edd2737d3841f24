"""Text to token ids."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import PreTokenizer

from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.encoding import CLS, MASK, SEP, TextEncoder, window


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(find_encoder(BUNDLED).tokenizer)


def test_every_mention_of_the_target_becomes_one_mask_and_other_names_stay(encoder: TextEncoder) -> None:
    text = "Nordhafen Werke sues Calder; Nordhafen Werke shares rise"
    (tokens,) = encoder.targets([(text, ((0, 15), (29, 44)))], 64)
    plain = encoder.heads(["sues Calder;", "shares rise"], 64)
    assert tokens.ids == [CLS, MASK, *plain[0].ids[1:-1], MASK, *plain[1].ids[1:-1], SEP]
    assert [tokens.ids[i] for i in tokens.target] == [MASK, MASK]


def test_offsets_count_code_points_beyond_the_basic_plane(encoder: TextEncoder) -> None:
    text = "🚀🚀 Calder up"
    (tokens,) = encoder.targets([(text, ((3, 9),))], 64)
    assert tokens.ids[tokens.target[0] + 1 :] == [*encoder.heads(["up"], 64)[0].ids[1:]]


def test_a_mask_typed_by_an_author_is_text(encoder: TextEncoder) -> None:
    assert MASK not in encoder.heads(["buy [MASK] now"], 64)[0].ids


def test_links_are_not_read(encoder: TextEncoder) -> None:
    with_link, without = encoder.heads(["Calder cut https://t.co/abc to sell", "Calder cut to sell"], 64)
    assert with_link == without


def test_a_target_inside_a_link_asks_about_the_whole_text(encoder: TextEncoder) -> None:
    text = "up https://calder.example/a"
    assert encoder.targets([(text, ((11, 17),))], 64) == encoder.heads([text], 64)


def test_long_texts_keep_their_head(encoder: TextEncoder) -> None:
    tokens = encoder.heads(["profit " * 10_000], 256)[0]
    assert len(tokens.ids) == 256
    assert (tokens.ids[0], tokens.ids[-1]) == (CLS, SEP)


def test_a_far_mention_is_in_the_window(encoder: TextEncoder) -> None:
    text = "profit " * 500 + "Calder falls" + " profit" * 500
    (tokens,) = encoder.targets([(text, ((3500, 3506),))], 128)
    assert len(tokens.ids) == 128
    assert [tokens.ids[i] for i in tokens.target] == [MASK]
    assert 50 < tokens.target[0] < 75


@pytest.mark.parametrize(
    ("length", "masks", "start"),
    [
        (100, [99], 0),  # all of it fits
        (500, [], 0),  # no mention: the head
        (500, [0], 0),
        (500, [499], 374),
        (500, [10, 300, 310], 237),  # two mentions beat one
        (500, [100, 400], 37),  # the earlier of equals
    ],
)
def test_window(length: int, masks: list[int], start: int) -> None:
    assert window(length, masks, 126) == start


class Counted:
    """Cuts at blanks, and counts the texts that it cuts."""

    def __init__(self) -> None:
        self.texts = 0

    def pre_tokenize(self, text: Any) -> None:
        """What the tokenizer calls."""
        self.texts += 1
        text.split(lambda _, part: part.split(" ", "removed"))


def test_topic_sentiment_questions_and_statements_of_a_text_share_one_tokenisation() -> None:
    tokenizer, counted = Tokenizer.from_file(str(find_encoder(BUNDLED).tokenizer)), Counted()
    tokenizer.pre_tokenizer = PreTokenizer.custom(counted)
    encoder = TextEncoder(tokenizer)
    text = "calder fell while nordhafen rose"
    topic = encoder.heads([text], 64)
    sentiment = encoder.targets([(text, ((0, 6),)), (text, ((18, 27),))], 64)
    assert counted.texts == 1
    encoder.passages([("who fell", text), ("who rose", text)], 64, 16)
    encoder.pairs([(text, "calder fell"), (text, "it rose")], 64)
    assert counted.texts == 1 + 2 + 2
    fresh = TextEncoder(find_encoder(BUNDLED).tokenizer)
    assert fresh.targets([(text, ((0, 6),)), (text, ((18, 27),))], 64) == sentiment
    assert fresh.heads([text], 64) == topic


def test_threads_share_a_tokenizer(encoder: TextEncoder) -> None:
    texts = [f"Calder fell by {n} percent " * (1 + n % 9) for n in range(200)]
    alone = TextEncoder(find_encoder(BUNDLED).tokenizer).heads(texts, 64)
    with ThreadPoolExecutor(8) as pool:
        turns = pool.map(lambda turn: encoder.heads(texts[turn::16], 64) == alone[turn::16], range(16))
        assert all(turns)

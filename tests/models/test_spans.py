"""Answers: the best spans by hand, the plain and slow way beside ours, and nothing that depends on company."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from tests.models.conftest import SCALE, with_dtype
from voxpop import models
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.classifier import bf16_rows_agree, load_span_reader, open_tensors
from voxpop.models.encoding import TextEncoder, window_starts
from voxpop.models.profile import INFERENCES, STRIDE, read_profile
from voxpop.models.running import Runner
from voxpop.models.spans import LONGEST, Answer, Decoding, SpanReader, best_spans
from voxpop.training.network import plain_encoder

QUESTION = "What did Calder do, or what happened to it?"
STORY = "Calder, the steel maker, said on Monday that its auditor had resigned and that lenders asked for cash. "
LONG = " ".join(f"In week {n} {STORY}" for n in range(1, 21))
TEXTS = [
    STORY,
    "Calder sues Nordhafen",
    "shares of Calder fell 12 % after its lenders asked for $5 million",
    "🚀🚀 Calder naïve café Umsätze 公司停产 up",
    "Read https://t.co/abc123 before Calder reports",
    "Calder",
    "x" * 300,
    LONG[:900],
    LONG,
]
ASKED = [(question, text) for text in TEXTS for question in (QUESTION, "When did or will it happen to Calder?")]


def span_reader(profile: Path, dtype: torch.dtype = torch.float32, budget: int = 4096) -> SpanReader:
    """What the profile answers questions with."""
    task = read_profile(str(profile)).tasks["qa"]
    files = find_encoder(BUNDLED)
    encoder = open_tensors(files.weights).tensors
    return load_span_reader(task, files, encoder, TextEncoder(files.tokenizer), dtype, Runner(budget))


@pytest.fixture(scope="module")
def exact(four_tasks: Path) -> SpanReader:
    return span_reader(four_tasks)


# --- the best spans --------------------------------------------------------------------------------------------------


def test_the_best_spans_by_hand() -> None:
    first = torch.tensor([[9.0, 1.0, 5.0, 0.0]])
    last = torch.tensor([[9.0, 4.0, 2.0, 6.0]])
    scores, places = best_spans(first, last, 4)
    # 2-3 scores 5 + 6, 1-3 and 2-2 score 7, 3-3 scores 6, the others less. The first token scores most and is none.
    assert scores.tolist() == [[11.0, 7.0, 7.0, 6.0]]
    assert places[0, 0].tolist() == [2, 3]
    assert sorted(places[0, 1:3].tolist()) == [[1, 3], [2, 2]]
    assert places[0, 3].tolist() == [3, 3]


def test_a_span_never_ends_before_it_begins_and_is_never_too_long() -> None:
    width = LONGEST + 8
    first, last = torch.zeros(1, width), torch.zeros(1, width)
    first[0, 40], last[0, 3] = 10.0, 10.0  # the wrong way round
    scores, places = best_spans(first, last, 1)
    assert scores.item() == 10.0
    first, last = torch.zeros(1, width), torch.zeros(1, width)
    first[0, 2], last[0, 2 + LONGEST] = 10.0, 10.0  # one token too long
    assert best_spans(first, last, 1)[0].item() == 10.0
    last[0, 2 + LONGEST], last[0, 1 + LONGEST] = 0.0, 10.0
    scores, places = best_spans(first, last, 1)
    assert (scores.item(), places[0, 0].tolist()) == (20.0, [2, 1 + LONGEST])


def test_a_span_stays_within_its_line() -> None:
    first, last = torch.tensor([[0.0, 9.0, 1.0, 5.0]]), torch.tensor([[0.0, 1.0, 4.0, 9.0]])
    assert best_spans(first, last, 1)[1].tolist() == [[[1, 3]]]
    scores, places = best_spans(first, last, 2, torch.tensor([[0, 0, 1, 1]]))
    assert (scores.tolist(), places.tolist()) == ([[14.0, 10.0]], [[[3, 3], [1, 1]]])


@pytest.mark.parametrize("before", ["", "word " * 400])
def test_no_answer_runs_from_the_headline_into_the_story(exact: SpanReader, before: str) -> None:
    text = f"{before}Calder recalls drums after leaks\nLenders of Calder asked for cash\n🚀 公司停产"
    for answer in exact.spans([(QUESTION, text), (QUESTION, STORY)], 50)[0]:
        assert "\n" not in text[answer.start : answer.end]


def test_where_no_answer_may_begin_every_score_is_minus_infinity_and_more_is_asked_than_there_is() -> None:
    first, last = torch.full((2, 3), -torch.inf), torch.full((2, 3), -torch.inf)
    first[:, 0] = last[:, 0] = 1.0
    scores, places = best_spans(first, last, 50)
    assert scores.shape == (2, 9)
    assert places.shape == (2, 9, 2)
    assert torch.isneginf(scores).all()


def test_a_margin_is_a_probability_by_its_curve() -> None:
    assert Decoding().probability(0.0) == 0.5
    assert Decoding(slope=2.0, offset=-1.0).probability(0.5) == 0.5
    assert Decoding(slope=2.0, offset=-1.0).probability(2.0) == pytest.approx(1 / (1 + np.exp(-3)))
    assert 0 <= Decoding().probability(-1e9) < 1e-20
    assert Decoding().probability(1e9) == 1.0


# --- the plain way ---------------------------------------------------------------------------------------------------


class Plain:
    """The encoder of transformers with the adapter multiplied out, one window at a time, every span in a loop."""

    def __init__(self, profile: Path) -> None:
        task = read_profile(str(profile)).tasks["qa"]
        files = find_encoder(BUNDLED)
        self._model: Any = plain_encoder(files).eval()
        adapter = load_file(task.adapter / "adapter.safetensors")
        for name, module in self._model.named_modules():
            if (key := f"base_model.model.{name}.lora_A.weight") in adapter:
                up = adapter[key.replace("lora_A", "lora_B")].float()
                module.weight.data += SCALE * up @ adapter[key].float()
        head = load_file(task.adapter / "head.safetensors")
        self._weight, self._bias = head["weight"].float(), head["bias"].float()
        self._tokenizer = Tokenizer.from_file(str(files.tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._room, self._stride = task.max_tokens, min(STRIDE, task.max_tokens // 4)

    @torch.inference_mode()
    def best(self, question: str, text: str) -> tuple[int, int, float]:
        """The best span in characters, and its score less the least of no answer."""
        asked = self._tokenizer.encode(question, add_special_tokens=False).ids
        coded = self._tokenizer.encode(text, add_special_tokens=False)
        offsets = coded.offsets  # made anew each time it is asked for
        size = self._room - len(asked) - 3
        nulls: list[float] = []
        found: list[tuple[float, int, int]] = []
        for begin in window_starts(len(coded.ids), size, self._stride):
            ids = [101, *asked, 102, *coded.ids[begin : begin + size], 102]
            second = len(asked) + 2
            kinds = [0] * second + [1] * (len(ids) - second)
            hidden = self._model(
                input_ids=torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                token_type_ids=torch.tensor([kinds]),
            ).last_hidden_state[0]
            firsts, lasts = (hidden @ self._weight.T + self._bias).T.tolist()
            nulls.append(firsts[0] + lasts[0])
            for i in range(second, len(ids) - 1):
                for j in range(i, min(i + LONGEST, len(ids) - 1)):
                    left, right = offsets[begin + i - second][0], offsets[begin + j - second][1]
                    found.append((firsts[i] + lasts[j], left, right))
        score, left, right = max(found)
        return left, right, score - min(nulls)


def test_the_span_is_that_of_a_plain_decoding_over_transformers(four_tasks: Path, exact: SpanReader) -> None:
    plain = Plain(four_tasks)
    asked = [(question, text) for question, text in ASKED if "http" not in text]
    ours = exact.spans(asked, 1)
    assert len({(answer.start, answer.end) for (answer,) in ours}) > len(asked) // 3
    for (question, text), (answer,) in zip(asked, ours, strict=True):
        left, right, margin = plain.best(question, text)
        assert (answer.start, answer.end) == (left, right), text[:60]
        assert answer.margin == pytest.approx(margin, abs=2e-4)


# --- company ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_batch_mates_order_and_budget_change_nothing(four_tasks: Path, dtype: torch.dtype) -> None:
    if dtype is torch.bfloat16 and not bf16_rows_agree():
        pytest.skip("with AMX bfloat16 adds up by how many rows there are, so nothing chooses it by itself")
    reader = span_reader(four_tasks, dtype)
    together = reader.spans(ASKED, 3)
    order = np.random.default_rng(3).permutation(len(ASKED)).tolist()
    assert reader.spans([ASKED[i] for i in order], 3) == [together[i] for i in order]
    assert [reader.spans([asked], 3)[0] for asked in ASKED] == together
    assert span_reader(four_tasks, dtype, budget=300).spans(ASKED, 3) == together
    crowd = [asked for asked in ASKED[:6] for _ in range(7)]
    assert reader.spans(crowd, 3)[::7] == together[:6]


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("🚀 profit café 公司 https://t.co/abc fell 😀!", ["🚀", "profit", "café", "公", "司", "fell", "😀", "!"]),
        ("İstanbul 👩 re\u0301sume über 停产", ["İstanbul", "👩", "re\u0301sume", "über", "停", "产"]),
        ("  a\n\n b\t\u200b c ", ["a", "b", "c"]),
    ],
)
def test_spans_begin_and_end_at_words_of_the_text_as_it_stands(exact: SpanReader, text: str, words: list[str]) -> None:
    (spans,) = exact.spans([(QUESTION, text)], 1000)
    starts = [text.index(word) for word in words]
    ends = [start + len(word) for start, word in zip(starts, words, strict=True)]
    runs = ((i, j) for i in range(len(words)) for j in range(i, len(words)))
    expected = {(starts[i], ends[j]) for i, j in runs if "\n" not in text[starts[i] : ends[j]]}
    assert {(answer.start, answer.end) for answer in spans} == expected


def test_a_link_changes_no_offset_behind_it(exact: SpanReader) -> None:
    link, gap = "https://t.co/abc123", " " * 19
    with_link, blank = (f"Calder {middle} 公司 fell" for middle in (link, gap))
    assert len(link) == len(gap)
    assert exact.spans([(QUESTION, with_link)], 9) == exact.spans([(QUESTION, blank)], 9)


def test_there_is_no_answer_at_or_below_the_threshold(exact: SpanReader) -> None:
    best = [spans[0] for spans in exact.spans(ASKED, 1)]
    stated, margins = exact.decoding, sorted(answer.margin for answer in best)
    assert stated == Decoding(threshold=0.25, slope=0.5, offset=-1.0)
    try:
        for threshold in (-1e9, margins[len(margins) // 2], 1e9):
            exact.decoding = stated._replace(threshold=threshold)
            expected = [answer if answer.margin > threshold else None for answer in best]
            assert exact.answers(ASKED) == expected
            assert None in expected or threshold < margins[0]
    finally:
        exact.decoding = stated
    assert all(answer.score == stated.probability(answer.margin) for answer in best)


def test_the_best_spans_come_best_first_and_none_twice(exact: SpanReader) -> None:
    for spans in exact.spans([(QUESTION, LONG), (QUESTION, STORY)], 30):
        margins = [answer.margin for answer in spans]
        assert margins == sorted(margins, reverse=True)
        assert len({(a.start, a.end) for a in spans}) == len(spans) == 30


def test_every_part_of_a_long_text_is_read(exact: SpanReader) -> None:
    passages = TextEncoder(find_encoder(BUNDLED).tokenizer).passages([(QUESTION, LONG)], 256, 64)[0]
    assert len(passages) > 2
    assert passages[-1].offsets[-1][1] == len(LONG.rstrip())
    (spans,) = exact.spans([(QUESTION, LONG)], 3000)
    ends = {answer.end for answer in spans}
    for passage in passages:
        assert any(passage.offsets[0][0] < end <= passage.offsets[-1][1] for end in ends)
    assert max(ends) > len(LONG) * 0.9
    assert min(answer.start for answer in spans) < len(LONG) * 0.1


def test_an_empty_text_has_no_answer(exact: SpanReader) -> None:
    asked = [(QUESTION, ""), (QUESTION, " \n"), (QUESTION, "https://t.co/a"), ("", ""), (QUESTION, STORY)]
    assert [len(spans) for spans in exact.spans(asked, 2)] == [0, 0, 0, 0, 2]
    assert exact.answers(asked)[:4] == [None] * 4
    assert exact.answers([]) == []


# --- the reader ------------------------------------------------------------------------------------------------------


def test_the_reader_answers_and_infers(four_tasks: Path, exact: SpanReader) -> None:
    reader = models.load(str(four_tasks))
    assert set(reader.tasks) == {"topic", "sentiment", "nli", "qa"}
    assert reader.answers(ASKED) == exact.answers(ASKED)
    assert any(isinstance(answer, Answer) for answer in reader.answers(ASKED))
    found = reader.infer([(STORY, "Calder's auditor has left."), (LONG, ""), ("", "")])
    assert found.shape == (3, len(INFERENCES))
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert reader.infer([]).shape == (0, 3)
    assert models.load(str(with_dtype(four_tasks, "bfloat16"))).version != reader.version

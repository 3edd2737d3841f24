"""Which words moved a label: shares that add up, and words that matter when they are taken away."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tests.models.headlines import HEADLINES
from voxpop import models
from voxpop.models import Target
from voxpop.models.bert import encode, inputs, pool
from voxpop.models.classifier import open_tensors
from voxpop.models.encoding import MASK
from voxpop.models.explain import Explainer, Explanation, Word
from voxpop.models.ngrams import NGRAMS
from voxpop.models.profile import HEAD, read_profile
from voxpop.models.reader import Reader
from voxpop.records import SENTIMENTS
from voxpop.training.export import save_tensors, write_profile

Spans = tuple[tuple[int, int], ...]


class Case(NamedTuple):
    """A headline, the mentions of its company, and why it has its label."""

    text: str
    spans: Spans
    found: Explanation


def mentions(text: str, name: str) -> Spans:
    starts = [i for i in range(len(text)) if text.startswith(name, i)]
    return tuple((start, start + len(name)) for start in starts)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer("english")


@pytest.fixture(scope="module")
def reader() -> Reader:
    return models.load("english")


@pytest.fixture(scope="module")
def cases(explainer: Explainer) -> list[Case]:
    found = []
    for text, name in HEADLINES:
        spans = mentions(text, name)
        found.append(Case(text, spans, explainer.sentiment(text, spans)))
    return found


@torch.inference_mode()
def change(explainer: Explainer, case: Case, label: int) -> float:
    """How far the log-probability moves from the text whose words are all [PAD] to the text, by plain evaluation."""
    network = explainer._loaded[str(read_profile("english").sentiment.adapter)]
    tokens, _ = network._encoder.traced(case.text, case.spans, 128)
    inner = [token if token == MASK else 0 for token in tokens.ids[1:-1]]
    results = []
    for ids in (tokens.ids, [tokens.ids[0], *inner, tokens.ids[-1]]):
        batch = inputs([tokens._replace(ids=ids)], len(ids))
        features = pool(encode(network._weights, batch), batch)
        logits = features @ network._head["weight"].T + network._head["bias"]
        results.append(float((logits / network._temperature).log_softmax(dim=1)[0, label]))
    return results[0] - results[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_shares_add_up_to_the_change_within_the_error_that_is_given(
    explainer: Explainer, cases: list[Case]
) -> None:
    for case in cases[:12]:
        moved = change(explainer, case, SENTIMENTS.index(case.found.label))
        total = sum(word.share for word in case.found.words)
        assert abs(total - moved) <= case.found.error + 1e-4, case.text
        assert case.found.error < 0.02 * max(1.0, abs(moved)), case.text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_words_are_those_of_the_text_and_the_hidden_mention_has_no_share(cases: list[Case]) -> None:
    for text, spans, found in cases:
        assert spans
        assert all(end <= a or start >= b for start, end, _ in found.words for a, b in spans)
        left = "".join(c for i, c in enumerate(text) if not any(a <= i < b for a, b in spans))
        assert "".join(text[word.start : word.end] for word in found.words) == "".join(left.split()), text
        whole = [text[word.start : word.end] for word in found.words if text[word.start].isalpha()]
        assert set(whole) <= set("".join(c if c.isalnum() else " " for c in left).split()), text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_label_is_that_of_the_reader(cases: list[Case], reader: Reader) -> None:
    probabilities = reader.sentiment([Target(text, spans) for text, spans, _ in cases])
    for case, row in zip(cases, probabilities, strict=True):
        assert case.found.probability == pytest.approx(row[SENTIMENTS.index(case.found.label)], abs=0.03)


# --- words taken away ------------------------------------------------------------------------------------------------

TAKEN = 3
DRAWS = 5


def without(case: Case, words: list[Word]) -> Target:
    """The headline without the words; its mentions stand where they stand then."""
    kept = [i for i in range(len(case.text)) if not any(word.start <= i < word.end for word in words)]
    at = {before: after for after, before in enumerate(kept)}
    spans = tuple((at[start], at[end - 1] + 1) for start, end in case.spans)
    return Target("".join(case.text[i] for i in kept), spans)


def drop(case: Case, words: list[Word], reader: Reader) -> float:
    """By how much the probability of its label falls without the words."""
    label = SENTIMENTS.index(case.found.label)
    before, after = reader.sentiment([Target(case.text, case.spans), without(case, words)])[:, label]
    return float(before - after)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_words_with_the_largest_shares_matter_more_than_others(cases: list[Case], reader: Reader) -> None:
    chance = random.Random(11)
    chosen, others = [], []
    for case in cases:
        words = [word for word in case.found.words if case.text[word.start : word.end].isalnum()]
        ranked = sorted(words, key=lambda word: -word.share)
        assert len(ranked) >= 2 * TAKEN, case.text
        chosen.append(drop(case, ranked[:TAKEN], reader))
        draws = [chance.sample(ranked[TAKEN:], TAKEN) for _ in range(DRAWS)]
        others.append(sum(drop(case, draw, reader) for draw in draws) / DRAWS)
    better = sum(a > b for a, b in zip(chosen, others, strict=True)) / len(cases)
    means = sum(chosen) / len(cases), sum(others) / len(cases)
    print(f"mean fall {means[0]:.3f}, of random words {means[1]:.3f}; larger in {better:.0%} of {len(cases)} texts")
    assert means[0] > means[1] + 0.1
    assert better >= 0.8


# --- edges -----------------------------------------------------------------------------------------------------------


def test_any_label_can_be_explained_and_praise_speaks_against_blame(explainer: Explainer) -> None:
    text = "Calder shares surge on record profit"
    praise, blame = (explainer.sentiment(text, ((0, 6),), label) for label in ("positive", "negative"))
    assert (praise.label, blame.label) == ("positive", "negative")
    assert praise.probability > 0.5 > blame.probability
    assert explainer.sentiment(text, ((0, 6),)) == praise
    assert sum(word.share for word in praise.words) > sum(word.share for word in blame.words)


@pytest.mark.parametrize("text", ["", "   ", "https://t.co/abc"])
def test_a_text_without_words_has_no_shares(explainer: Explainer, text: str) -> None:
    found = explainer.sentiment(text)
    assert found.words == []
    assert found.error == 0
    assert found.label in SENTIMENTS


def test_wordpieces_are_joined_and_punctuation_is_not(explainer: Explainer) -> None:
    text = "Norvane's refinancing, oversubscribed 3.5 times 🚀"
    words = [text[word.start : word.end] for word in explainer.sentiment(text, ((0, 7),)).words]
    assert words == ["'", "s", "refinancing", ",", "oversubscribed", "3", ".", "5", "times", "🚀"]


def test_two_mentions_are_both_hidden_and_a_long_text_is_explained_around_them(explainer: Explainer) -> None:
    text = "Nothing of note happened. " * 60 + "Calder fell, and Calder's lenders asked for cash."
    spans = mentions(text, "Calder")
    found = explainer.sentiment(text, spans)
    assert len(spans) == 2
    assert all(end <= a or start >= b for start, end, _ in found.words for a, b in spans)
    assert "lenders" in [text[word.start : word.end] for word in found.words]
    assert min(word.start for word in found.words) > 500


def with_ngrams(folder: Path) -> Path:
    """A profile of the Chinese adapters in which the head of sentiment has a linear part, of arbitrary numbers."""
    stated = read_profile("chinese")
    shutil.copytree(stated.sentiment.adapter, folder / "sentiment")
    head = open_tensors(folder / "sentiment" / HEAD)
    table = torch.randn((2**10, 3), generator=torch.Generator().manual_seed(5))
    save_tensors(folder / "sentiment" / HEAD, {**head.tensors, NGRAMS: table}, head.about)
    path, encoder = folder / "ngrams.toml", stated.sentiment.adapter.parent / "encoder-zh"
    write_profile(path, [folder / "sentiment", stated.topic.adapter], ["zh"], str(encoder))
    return path


@pytest.mark.slow
def test_what_n_grams_move_is_part_of_the_shares(tmp_path: Path) -> None:
    profile = str(with_ngrams(tmp_path))
    explainer = Explainer(profile)
    text, name = "沐川股份被立案调查，沐川股份股价跌停，持有人说再也不信了", "沐川股份"
    spans = mentions(text, name)
    found = explainer.sentiment(text, spans)
    network = explainer._loaded[str(read_profile(profile).sentiment.adapter)]
    assert network._ngrams is not None
    tokens, _ = network._encoder.traced(text, spans, 128)
    inner = [token if token == MASK else 0 for token in tokens.ids[1:-1]]
    of_gram, added = network._ngrams.by_gram(tokens.ids)
    alone = [all(tokens.ids[1 + i] == MASK for i in range(a, a + n)) for _, a, n in zip(*of_gram, strict=True)]
    results = []
    with torch.inference_mode():
        for ids, beside in (
            (tokens.ids, network._ngrams.logits([tokens])[0]),
            ([tokens.ids[0], *inner, tokens.ids[-1]], added[alone].sum(axis=0)),
        ):
            batch = inputs([tokens._replace(ids=ids)], len(ids))
            features = pool(encode(network._weights, batch), batch)
            logits = features @ network._head["weight"].T + network._head["bias"] + torch.from_numpy(beside)
            results.append((logits / network._temperature).log_softmax(dim=1)[0, SENTIMENTS.index(found.label)])
    change = float(results[0] - results[1])
    assert sum(word.share for word in found.words) == pytest.approx(change, abs=found.error + 0.01)
    assert found.label == "negative"

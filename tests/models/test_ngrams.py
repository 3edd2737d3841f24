"""The linear part of a head over n-grams: what it sees, that it learns by heart, and that explanations count it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.models.conftest import random_task
from voxpop.errors import ModelError
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.classifier import load_classifier, open_encoder, open_tensors
from voxpop.models.encoding import Tokens
from voxpop.models.ngrams import LONGEST, NGRAMS, Ngrams, features, grams
from voxpop.models.profile import HEAD
from voxpop.models.running import Runner
from voxpop.records import SENTIMENTS
from voxpop.training.export import save_tensors, task_profile
from voxpop.training.ngrams import fit_beside, matrix, regression, weighed

BUCKETS = 4096


def sequence(*tokens: int) -> Tokens:
    """A text of these tokens in its frame."""
    return Tokens([101, *tokens, 102], [])


def test_each_run_of_tokens_is_there_once_with_its_place() -> None:
    found = grams(sequence(7, 8, 9, 7).ids, BUCKETS)
    assert sorted(zip(found.first.tolist(), found.length.tolist(), strict=True)) == [
        (first, length) for first in range(4) for length in range(1, LONGEST + 1) if first + length <= 4
    ]
    assert found.buckets[0] == found.buckets[3]  # the same token
    assert len(set(found.buckets.tolist())) == len(found.buckets) - 1


@pytest.mark.parametrize("tokens", [(), (7,), (7, 8)])
def test_short_texts_have_few_or_none(tokens: tuple[int, ...]) -> None:
    filled, value = features(sequence(*tokens).ids, BUCKETS)
    assert len(filled) == {0: 0, 1: 1, 2: 3}[len(tokens)]
    assert value == pytest.approx(len(filled) ** -0.5 if tokens else 1.0)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    random = np.random.default_rng(3)
    part = Ngrams(random.standard_normal((BUCKETS, 3)).astype(np.float32))
    texts = [sequence(*random.integers(1000, 1100, size=n).tolist()) for n in (0, 1, 5, 40, 120)]
    alone = np.concatenate([part.logits([text]) for text in texts])
    assert np.array_equal(part.logits(texts[::-1])[::-1], alone)


def test_what_n_grams_add_is_the_sum_of_what_each_adds() -> None:
    random = np.random.default_rng(4)
    part = Ngrams(random.standard_normal((BUCKETS, 3)).astype(np.float32))
    text = sequence(*random.integers(1000, 1010, size=60).tolist())  # many repeats
    _, added = part.by_gram(text.ids)
    assert added.sum(axis=0) == pytest.approx(part.logits([text])[0], abs=1e-5)


def made(count: int, seed: int) -> tuple[list[Tokens], NDArray[np.int64]]:
    """Texts of twenty tokens, whose label follows from which of three pairs of tokens stands in them."""
    random = np.random.default_rng(seed)
    gold = random.integers(0, 3, size=count)
    texts = []
    for label in gold:
        tokens = random.integers(1000, 1200, size=20)
        tokens[5:7] = [2000, 2000 + label]
        texts.append(sequence(*tokens.tolist()))
    return texts, gold


def test_beside_a_network_that_knows_little_it_gives_the_label() -> None:
    training, validation, test = made(600, 1), made(200, 2), made(200, 3)
    random = np.random.default_rng(5)

    def network(gold: NDArray[np.int64]) -> NDArray[np.float32]:
        return (np.eye(3)[gold] + random.standard_normal((len(gold), 3))).astype(np.float32)

    table = fit_beside(network(validation[1]), training, validation, BUCKETS)
    before = network(test[1])
    after = before + Ngrams(table).logits(test[0])
    assert (before.argmax(axis=1) == test[1]).mean() < 0.8 < 0.97 < (after.argmax(axis=1) == test[1]).mean()


def test_what_says_nothing_weighs_nothing_beside_a_network() -> None:
    random = np.random.default_rng(6)
    gold = np.arange(300) % 3
    heard = np.where(random.random(300) < 0.1, (gold + 1) % 3, gold)  # a network that is wrong one time in ten
    _, (own, beside) = weighed(4 * np.eye(3)[heard], random.standard_normal((300, 3)), gold)
    assert beside < 0.2 * own


def test_the_regression_is_at_its_minimum() -> None:
    texts, gold = made(80, 7)
    vectors = matrix(texts, 512)
    table = regression(vectors, gold, 3, 0.1)
    found = np.exp(vectors @ table)
    away = vectors.T @ (found / found.sum(axis=1, keepdims=True) - np.eye(3)[gold]) + 0.1 * table
    assert np.abs(away).max() < 1e-2


def test_the_head_adds_them_to_the_networks_logits(tmp_path: Path) -> None:
    random_task(tmp_path / "plain", "sentiment", SENTIMENTS, 768, seed=8)
    shutil.copytree(tmp_path / "plain", tmp_path / "beside")
    head = open_tensors(tmp_path / "beside" / HEAD)
    table = torch.randn(BUCKETS, 3, generator=torch.Generator().manual_seed(9)).half()
    save_tensors(tmp_path / "beside" / HEAD, {**head.tensors, NGRAMS: table}, head.about)
    files = find_encoder(BUNDLED)
    texts = [sequence(*range(2000, 2000 + n)) for n in (0, 3, 17)]

    def logits(folder: Path) -> NDArray[np.float32]:
        _, stated = task_profile(folder)
        weights = open_encoder(files)
        found = load_classifier("sentiment", stated, files, weights, torch.float32, Runner(256)).predict(texts)
        return np.log(found)

    moved = logits(tmp_path / "beside") - logits(tmp_path / "plain") - Ngrams(table.float().numpy()).logits(texts)
    assert moved == pytest.approx(np.repeat(moved[:, :1], 3, axis=1), abs=1e-4)  # log-probabilities, up to a constant


def test_a_table_for_other_labels_is_refused(tmp_path: Path) -> None:
    random_task(tmp_path / "one", "sentiment", SENTIMENTS, 768, seed=8)
    head = open_tensors(tmp_path / "one" / HEAD)
    save_tensors(tmp_path / "one" / HEAD, {**head.tensors, NGRAMS: torch.zeros(BUCKETS, 2)}, head.about)
    files = find_encoder(BUNDLED)
    _, stated = task_profile(tmp_path / "one")
    with pytest.raises(ModelError, match="has not the 3 labels"):
        load_classifier("sentiment", stated, files, open_encoder(files), torch.float32, Runner(256))

"""Differences of words in two bits a number."""

from __future__ import annotations

import pytest
import torch

from voxpop.models.words import CODES, ENTRIES, added, packed


def test_what_is_kept_is_near_what_was_learned_and_other_words_stay_to_the_bit() -> None:
    torch.manual_seed(1)
    words, difference = torch.randn(50, 384), torch.zeros(50, 384)
    difference[::5] = torch.linspace(0.01, 1.0, 10).unsqueeze(1) * torch.randn(10, 384)
    kept = packed(difference)
    assert kept[ENTRIES].tolist() == list(range(0, 50, 5))
    assert kept[CODES].shape == (10, 96)
    result = added(words, kept)
    assert torch.equal(result[difference.eq(0).all(1)], words[difference.eq(0).all(1)])
    error = (result - words - difference)[::5].square().mean(1) / difference[::5].square().mean(1)
    assert error.max() < 0.16, "four levels of a normal distribution are off by 0.1175 of its variance"


def test_every_level_comes_back_where_it_was() -> None:
    pattern = torch.tensor([-1.510, -0.4528, 0.4528, 1.510, 1.510, 0.4528, -0.4528, -1.510])
    difference = torch.stack([pattern, torch.zeros(8)])
    found = added(torch.zeros(2, 8), packed(difference))
    assert torch.allclose(found / difference.square().mean(1).sqrt()[0], difference, atol=2e-3)


def test_nothing_learned_takes_no_room() -> None:
    kept = packed(torch.zeros(9, 8))
    assert len(kept[ENTRIES]) == 0
    assert torch.equal(added(torch.ones(9, 8), kept), torch.ones(9, 8))


@pytest.mark.parametrize("words", [torch.zeros(3, 8), torch.zeros(9, 4)])
def test_words_of_another_encoder_are_refused(words: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="not those of the encoder"):
        added(words, packed(torch.ones(9, 8)))

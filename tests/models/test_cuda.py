"""The packed way of NVIDIA cards, as far as a processor can run it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from voxpop import models
from voxpop.errors import ModelError
from voxpop.models.bert import encode, inputs, pool
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.classifier import Classifier, Embedder, choose_dtype, load_classifier, load_span_reader, open_tensors
from voxpop.models.cuda import Packed, encode_packed, lay, pool_packed
from voxpop.models.encoding import TextEncoder, Tokens
from voxpop.models.engine import Padded
from voxpop.models.profile import read_profile
from voxpop.models.running import Runner

FILES = find_encoder(BUNDLED)
WEIGHTS = open_tensors(FILES.weights).tensors
TEXTS = ["", "Calder fell", "the auditor of Nordhafen resigned over the weekend", "profit " * 90, "shares rose 3%"]


@pytest.fixture(scope="module")
def sequences() -> list[Tokens]:
    encoder = TextEncoder(FILES.tokenizer)
    asked = [(text, ((0, 6),) if i % 2 else ()) for i, text in enumerate(TEXTS)]
    return [*encoder.targets(asked, 64), *encoder.pairs([("Calder fell", "it fell"), (TEXTS[3], TEXTS[2])], 64)]


@torch.inference_mode()
def test_packed_sequences_have_the_states_and_features_of_padded_ones(sequences: list[Tokens]) -> None:
    laid = lay(sequences)
    packed = encode_packed(WEIGHTS, laid)
    features = pool_packed(packed, laid)
    bounds = laid.starts.tolist()
    assert laid.longest == max(len(sequence.ids) for sequence in sequences)
    assert bounds[-1] == len(laid.ids) == sum(len(sequence.ids) for sequence in sequences)
    padded = inputs(sequences, 64)
    hidden = encode(WEIGHTS, padded)
    for row, (start, end) in enumerate(pairwise(bounds)):
        torch.testing.assert_close(packed[start:end], hidden[row, : end - start], atol=2e-5, rtol=0)
    torch.testing.assert_close(features, pool(hidden, padded), atol=2e-5, rtol=0)


def test_packed_batches_keep_the_order_and_the_budget() -> None:
    lengths = [5, 60, 3, 3, 90, 200, 1]
    batches = list(Packed("cpu").plan(lengths, 100))
    assert [batch.indices for batch in batches] == [[0, 1, 2, 3], [4], [5], [6]]
    assert [batch.width for batch in batches] == [64, 96, 200, 8]
    assert [Packed("cpu").cost(batch, lengths) for batch in batches] == [71, 90, 200, 1]
    assert list(Packed("cpu").plan([], 100)) == []


def test_tasks_answer_alike_packed_and_padded() -> None:
    stated, encoder = read_profile("english"), TextEncoder(FILES.tokenizer)
    found: list[tuple[np.ndarray, ...]] = []
    spans = []
    assert stated.qa is not None
    for engine in (Padded(), Packed("cpu")):
        runner = Runner(200, threads=1, engine=engine)
        classifier: Classifier = load_classifier("topic", stated.topic, FILES, WEIGHTS, torch.float32, runner)
        heads = encoder.heads(TEXTS, 64)
        found.append((classifier.predict(heads), Embedder(WEIGHTS, runner).vectors(heads)))
        reader = load_span_reader(stated.qa, FILES, WEIGHTS, encoder, torch.float32, runner)
        spans.append(reader.spans([("Who resigned?", TEXTS[2]), ("What did Calder do?", TEXTS[1])], 2))
    for padded, packed in zip(*found, strict=True):
        assert np.abs(padded - packed).max() < 2e-5
    for padded_spans, packed_spans in zip(*spans, strict=True):
        assert [span[:2] for span in padded_spans] == [span[:2] for span in packed_spans]
        assert [span.margin for span in padded_spans] == pytest.approx([s.margin for s in packed_spans], abs=1e-3)


def test_weights_with_a_prefix_are_padded(sequences: list[Tokens]) -> None:
    chance = torch.Generator().manual_seed(1)
    prefix = {
        f"prefix.{layer}.{name}": torch.randn((12, 3, 32), generator=chance)
        for layer in range(6)
        for name in ("key", "value")
    }
    with torch.inference_mode():
        for weights in (WEIGHTS, WEIGHTS | prefix):
            ours, theirs = (engine.features(weights, sequences, 64) for engine in (Packed("cpu"), Padded()))
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)
            assert torch.equal(ours, theirs) == (weights is not WEIGHTS)


def test_devices_are_named_and_must_be_there() -> None:
    for name in ("gpu", "cuda:x", "cpu:1", "", "cuda:-1"):
        with pytest.raises(ModelError, match="No device is named"):
            models.load("english", device=name)
    with pytest.raises(ModelError, match="is not there: torch sees"):
        models.load("english", device="cuda:63")
    assert choose_dtype("auto", torch.device("cuda")) is torch.bfloat16
    assert choose_dtype("float32", torch.device("cuda")) is torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA card")
def test_a_card_gives_the_labels_of_the_processor() -> None:
    card, processor = (models.load("english", device=device) for device in ("cuda", "cpu"))
    for texts in (TEXTS, TEXTS[1:2], [f"{text} {n}" for n in range(60) for text in TEXTS]):
        ours, theirs = card.topics(texts), processor.topics(texts)
        assert np.abs(ours - theirs).max() < 0.01
        assert np.array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))

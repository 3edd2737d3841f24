"""Every method, optimiser and switch of the loop: killed and resumed to the same weights, exported, merged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.progress import Progress
from safetensors.torch import load_file

from voxpop.errors import SettingError
from voxpop.models.bert import WORDS, encode, inputs, merged
from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.encoding import TextEncoder
from voxpop.models.words import added
from voxpop.training.adversary import worst
from voxpop.training.board import Board
from voxpop.training.loop import Encoded, Loop, Options, schedule, steps_of
from voxpop.training.methods import AdaLoraNetwork, build_network
from voxpop.training.network import Network, WordsNetwork
from voxpop.training.objectives import LabelObjective
from voxpop.training.start import narrowed

FILES = find_encoder(BUNDLED)
TINY = Options(epochs=2, batch_tokens=64, save_steps=1, rank=2, alpha=4, threads=1, learning_rate=1e-3, prefix_tokens=3)
SWITCHES = {
    "plain": TINY,
    "adalora": replace(TINY, method="adalora"),
    "prefix": replace(TINY, method="prefix"),
    "adafactor": replace(TINY, optimizer="adafactor"),
    "two passes a step": replace(TINY, accumulate=2, precision="fp32"),
    "words": replace(TINY, words=1e-2),
    "adversarial": replace(TINY, fgm=0.5),
    "full, adversarial": replace(TINY, fgm=0.5, method="full", learning_rate=1e-4, epochs=1, save_steps=2),
}


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture(scope="module")
def data() -> Encoded:
    texts = [f"Calder {said} {i} times" for i in range(12) for said in ("rose", "fell")]
    return Encoded(TextEncoder(FILES.tokenizer).heads(texts, 32), torch.tensor([0, 1] * 12))


def make(data: Encoded, options: Options, path: Path) -> Loop:
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    network = build_network(FILES, 2, options, steps=options.epochs * steps_of(data, options))
    return Loop(network, LabelObjective(2), data, data, options, path / "state.safetensors", "key")


def run(loop: Loop, on_step: Callable[[int, float], None] | None = None) -> Network:
    with Progress(disable=True) as progress:
        best = loop.go(progress, on_step)
    loop.network.load_state_dict(best, strict=False)
    return loop.network.eval()


@pytest.mark.parametrize("options", SWITCHES.values(), ids=SWITCHES)
def test_killed_runs_go_on_to_the_same_weights_and_are_exported_whole(
    data: Encoded, options: Options, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = run(make(data, options, tmp_path / "whole"))
    loop = make(data, options, tmp_path)
    before = {name: p.detach().clone() for name, p in loop.network.trained().items()}

    def kill(step: int, loss: float) -> None:
        if step == 2:
            raise Killed

    with pytest.raises(Killed):
        run(loop, kill)
    steps: list[int] = []
    resumed = run(make(data, options, tmp_path), lambda step, loss: steps.append(step))
    assert steps == list(range(3, loop.steps + 1))
    for name, tensor in whole.trained().items():
        assert torch.equal(tensor, resumed.trained()[name]), name
    assert any(not torch.equal(tensor, before[name]) for name, tensor in whole.trained().items() if "head" not in name)
    _assert_merges(whole, options)


@torch.inference_mode()
def _assert_merges(network: Network, options: Options) -> None:
    """What ``models`` computes with the exported tensors is what the trained network computes."""
    batch = inputs(TextEncoder(FILES.tokenizer).heads(["Calder fell 3 times", "up"], 32), 16)
    exported = network.exported(options)
    found = merged(load_file(FILES.weights), network.adapter(), exported.alpha / exported.rank)
    if isinstance(network, WordsNetwork):  # of what words learned two bits a number are kept
        learned, kept = (table - load_file(FILES.weights)[WORDS] for table in (network.table, found[WORDS]))
        assert 0 < (learned - kept).norm() < 0.4 * learned.norm()
        network.table.copy_(found[WORDS])
    trained = network.encoder(
        input_ids=batch.ids, attention_mask=batch.real.long(), token_type_ids=batch.second.long()
    ).last_hidden_state
    plain = encode(load_file(FILES.weights), batch)
    assert (encode(found, batch) - trained)[batch.real].abs().max() < 2e-5
    assert (plain - trained)[batch.real].abs().max() > 1e-4


def test_adalora_keeps_the_mean_rank_that_was_asked_for(data: Encoded, tmp_path: Path) -> None:
    options = replace(TINY, method="adalora", epochs=3, learning_rate=1e-2)
    network = run(make(data, options, tmp_path))
    assert isinstance(network, AdaLoraNetwork)
    ranks = network.described()["ranks"]
    assert len(ranks) == 36
    assert sum(ranks.values()) <= 36 * 3
    assert {len(tensor) for name, tensor in network.adapter().items() if "lora_A" in name} == {max(ranks.values())}


def test_a_step_of_two_passes_has_the_loss_and_gradient_of_their_sequences(data: Encoded, tmp_path: Path) -> None:
    options = replace(TINY, batch_tokens=9999, precision="fp32")
    loop = make(data, options, tmp_path)
    for module in loop.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    ((whole,),) = loop._epoch()  # one width, so one batch
    gradients = []
    for parts in ([whole], [whole._replace(indices=whole.indices[:5]), whole._replace(indices=whole.indices[5:])]):
        loop.network.train()
        loop.optimizer.zero_grad()
        loss = sum(loop._differentiated(part, len(part.indices) / 24) for part in parts)
        gradients.append((loss, [p.grad.clone() for p in loop.network.trained().values() if p.grad is not None]))
    (one, first), (two, second) = gradients
    assert float(one) == pytest.approx(float(two), abs=1e-5)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(first, second, strict=True))
    assert steps_of(data, replace(TINY, accumulate=3)) == -(-steps_of(data, TINY) // 3)


def test_the_adversary_moves_each_sequence_by_its_size_to_a_higher_loss(data: Encoded, tmp_path: Path) -> None:
    gradient = torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert worst(gradient, 0.5).tolist() == [[[pytest.approx(0.3), 0], [0, pytest.approx(0.4)]], [[0, 0], [0, 0]]]
    loop = make(data, replace(TINY, fgm=1.0, precision="fp32"), tmp_path)
    assert loop.adversary is not None
    for module in loop.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    batch = loop._epoch()[0][0]
    loss = loop._loss(batch)
    loss.backward()  # type: ignore[no-untyped-call]
    with loop.adversary.attack():
        moved = loop._loss(batch)
    assert moved > loss
    assert loop._loss(batch) == loss


def test_curves_are_written_for_tensorboard_whose_package_is_named_when_it_is_missing(
    data: Encoded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(make(data, replace(TINY, epochs=1, tensorboard=True), tmp_path))
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,
    )

    events = EventAccumulator(str(tmp_path / "runs"))
    events.Reload()
    steps = steps_of(data, TINY)
    assert set(events.Tags()["scalars"]) == {"loss", "learning_rate", "validation/macro_f1", "validation/accuracy"}
    rates = [event.value for event in events.Scalars("learning_rate")]
    assert rates == pytest.approx([1e-3 * schedule(i / steps, TINY.warmup) for i in range(steps)])
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(SettingError, match=r"voxpop\[train\]"):
        Board(tmp_path)


def test_words_go_on_from_a_run_whose_words_were_trained_and_do_not_decay(data: Encoded, tmp_path: Path) -> None:
    options = replace(TINY, words=1e-2, weight_decay=0.5)
    first = run(make(data, options, tmp_path))
    assert isinstance(first, WordsNetwork)
    plain = load_file(FILES.weights)[WORDS]
    seen = torch.tensor(sorted({i for tokens in data.sequences for i in tokens.ids}))
    unseen = torch.ones(len(plain), dtype=torch.bool).index_fill(0, seen, False)
    table = first.adapter()
    assert set(table["words.entries"].tolist()) <= {0, *seen.tolist()}
    second = build_network(FILES, 2, options, steps=1)
    assert isinstance(second, WordsNetwork)
    second.warm(table, dict(first.head.named_parameters()))
    assert torch.equal(second.table[unseen], plain[unseen])
    assert torch.equal(second.table[seen], added(plain, table)[seen])
    with pytest.raises(ValueError, match="another method or rank"):
        build_network(FILES, 2, TINY, steps=1).warm(table, dict(first.head.named_parameters()))
    with pytest.raises(SettingError, match="leave out --words"):
        build_network(FILES, 2, replace(options, method="full"), steps=1)


def test_a_start_of_a_higher_rank_is_narrowed_to_what_is_nearest() -> None:
    up, down = torch.randn(5, 2), torch.randn(2, 7)
    wide = {"x.lora_A.weight": torch.cat([down, 1e-4 * torch.randn(2, 7)]), "x.lora_B.weight": torch.cat([up, up], 1)}
    narrow = narrowed(wide, 2)
    assert narrow["x.lora_A.weight"].shape == (2, 7)
    assert torch.allclose(narrow["x.lora_B.weight"] @ narrow["x.lora_A.weight"], up @ down, atol=1e-2)
    assert narrowed(wide, 4).keys() == wide.keys()
    assert all(narrowed(wide, 4)[name] is wide[name] for name in wide)

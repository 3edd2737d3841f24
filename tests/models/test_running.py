"""Batches that fit: memory that does not suffice halves them, and nothing else changes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

import pytest
import torch

from voxpop.models.batching import Batch
from voxpop.models.running import BatchFigures, Runner, out_of_memory

LENGTHS = [5, 17, 40, 41, 42, 60, 8, 100, 3, 3, 3, 90, 44, 39, 128]
CPU_MESSAGE = (
    "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"
)


def sizes(lengths: Sequence[int]) -> Callable[[Batch], list[int]]:
    return lambda batch: [lengths[i] for i in batch.indices]


def limited(most: int, error: Callable[[], Exception]) -> Callable[[Batch], list[int]]:
    """What computes batches of at most ``most`` padded tokens, and finds no memory for more."""

    def compute(batch: Batch) -> list[int]:
        if batch.width * len(batch.indices) > most:
            raise error()
        return [LENGTHS[i] for i in batch.indices]

    return compute


@pytest.mark.parametrize(
    "error", [lambda: torch.OutOfMemoryError("CUDA out of memory"), lambda: RuntimeError(CPU_MESSAGE), MemoryError]
)
def test_memory_that_does_not_suffice_halves_the_budget_and_work_goes_on(
    error: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    runner = Runner(4096, threads=1)
    found = dict(
        pair
        for batch, out in runner.run("topic", LENGTHS * 9, _many(140, error))
        for pair in zip(batch.indices, out, strict=True)
    )
    assert found == dict(enumerate(LENGTHS * 9))
    assert runner.budget <= 140 + 128
    assert "memory does not suffice" in caplog.text
    after = runner.budget
    batches = [batch for batch, _ in runner.run("topic", LENGTHS * 9, _many(140, error))]
    assert runner.budget <= after
    assert all(batch.width * len(batch.indices) <= 140 for batch in batches)


def _many(most: int, error: Callable[[], Exception]) -> Callable[[Batch], list[int]]:
    one = limited(most, error)
    return lambda batch: one(batch._replace(indices=[i % len(LENGTHS) for i in batch.indices]))


def test_a_sequence_that_does_not_fit_alone_is_an_error_and_so_is_any_other_fault() -> None:
    runner = Runner(4096, threads=2)
    with pytest.raises(MemoryError):
        list(runner.run("topic", LENGTHS, limited(100, MemoryError)))
    with pytest.raises(RuntimeError, match="shape"):
        list(runner.run("topic", LENGTHS, limited(100, lambda: RuntimeError("shape"))))
    assert sum(len(batch.indices) for batch, _ in runner.run("topic", LENGTHS, sizes(LENGTHS))) == len(LENGTHS)
    assert not out_of_memory(RuntimeError("shape"))


def test_threads_share_batches_and_each_computes_alone() -> None:
    before = torch.get_num_threads()
    together = threading.Barrier(3, timeout=60)

    def compute(batch: Batch) -> tuple[str, int]:
        together.wait()  # passes only if three batches are under way at once
        return threading.current_thread().name, torch.get_num_threads()

    found = [out for _, out in Runner(4096, threads=3).run("topic", [400, 400, 400], compute)]
    assert len({name for name, _ in found}) == 3
    assert {threads for _, threads in found} == {1}
    assert torch.get_num_threads() == before


def test_figures_are_told_of_each_batch() -> None:
    runner = Runner(64, threads=1)
    seen: list[BatchFigures] = []
    runner.observe = seen.append
    list(runner.run("nli", [9, 10, 11, 12, 13, 30], sizes([9, 10, 11, 12, 13, 30])))
    assert [one[:4] for one in seen] == [("nli", 1, 30, 32), ("nli", 4, 42, 64), ("nli", 1, 13, 16)]
    assert list(runner.run("nli", [], sizes([]))) == []


REAL = """
import resource, sys
import numpy as np
from voxpop import models

reader = models.load("english", threads=1, batch_tokens=1 << 20)
texts = [("profit fell " * 60) + str(n) for n in range(400)]
expected = reader.backend.topics(texts[:4])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 150_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = reader.backend.topics(texts[:160])
assert np.array_equal(found[:4], expected)
print(reader.backend.runner.budget)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_a_process_short_of_memory_reads_the_same_in_smaller_batches() -> None:
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, check=True, timeout=170)
    assert 0 < int(done.stdout) < 1 << 20

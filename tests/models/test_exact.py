"""The mode in which rows of a product do not depend on how many there are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from voxpop import exact


@pytest.mark.parametrize(("vendor", "asked"), [("GenuineIntel", "AUTO,STRICT"), ("AuthenticAMD", None)])
def test_it_is_asked_of_intels_processors_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str, asked: str | None
) -> None:
    about = tmp_path / "cpuinfo"
    about.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n", "ascii")
    monkeypatch.delenv("MKL_CBWR", raising=False)
    exact.ask(about)
    assert os.environ.get("MKL_CBWR") == asked


def test_what_the_environment_asks_for_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("vendor_id\t: GenuineIntel\n", "ascii")
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    exact.ask(tmp_path / "cpuinfo")
    assert os.environ["MKL_CBWR"] == "AVX2"
    exact.ask(tmp_path / "nothing")  # a machine that says nothing of itself is left alone


@pytest.mark.skipif(os.environ.get("MKL_CBWR") != "AUTO,STRICT", reason="not asked of this processor")
def test_rows_do_not_depend_on_how_many_there_are() -> None:
    generator = torch.Generator().manual_seed(1)
    weight, rows = torch.randn(384, 384, generator=generator), torch.randn(64, 384, generator=generator)
    whole = functional.linear(rows, weight)
    for count in (1, 2, 5, 8, 15, 16, 17, 33):
        assert torch.equal(functional.linear(rows[:count], weight), whole[:count]), count

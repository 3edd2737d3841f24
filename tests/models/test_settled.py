"""The number format of a machine, which is measured once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from voxpop.models.classifier import bf16_in_hardware, choose_dtype
from voxpop.models.settled import FILE, bf16_pays


def test_what_was_measured_first_stays(tmp_path: Path) -> None:
    for first in (True, False):
        home = tmp_path / str(first)
        home.mkdir()
        assert [bf16_pays(home, partial(bool, answer)) for answer in (first, not first, first, not first)] == [
            first
        ] * 4
        assert [file.name for file in home.iterdir()] == [FILE]


def test_another_machine_or_a_broken_note_is_measured_anew(tmp_path: Path) -> None:
    bf16_pays(tmp_path, lambda: True)
    note = tmp_path / FILE
    here = note.read_text("utf-8")
    for other in ("sparc torch 0.1\nbfloat16\n", here.replace("bfloat16", "float9"), ""):
        note.write_text(other, "utf-8")
        assert not bf16_pays(tmp_path, lambda: False)
        assert bf16_pays(tmp_path, lambda: True) is False


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    for home in (None, tmp_path / "missing"):
        assert [bf16_pays(home, partial(bool, answer)) for answer in (True, False)] == [True, False]
    assert not list(tmp_path.iterdir())


def test_the_format_of_a_model_is_the_one_that_is_kept(tmp_path: Path) -> None:
    for pays in (True, False):
        home = tmp_path / str(pays)
        home.mkdir()
        bf16_pays(home, partial(bool, pays))
        expected = torch.bfloat16 if pays and bf16_in_hardware() else torch.float32
        assert choose_dtype("auto", torch.device("cpu"), home=home) is expected

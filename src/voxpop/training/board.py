"""Curves of a training run for TensorBoard, whose package is asked for only here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from voxpop.errors import SettingError


class Board:
    """Writes to the folder ``path``; a run that goes on at ``step`` replaces what lies after it.

    Raises:
        SettingError: the package is missing.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise SettingError("--tensorboard needs a package more: pip install 'voxpop[train]'") from error
        self._writer = SummaryWriter(str(path), purge_step=step or None)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Figures by name, after ``step`` steps."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()

"""What is measured once on a machine and then stays, since it is part of the name of a model's version.

A process that measured otherwise than the one before it would be another model: what had been read would count as
unread, and every company as one of which nothing is known.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch

logger = logging.getLogger(__name__)

FILE = "number_format"
"""In the home folder: a line that says where it was measured, and a line with the number format."""


def bf16_pays(home: Path | None, measure: Callable[[], bool]) -> bool:
    """Whether bfloat16 is worth it here: as was first measured with this processor and torch, else measured now.

    Args:
        home: where the answer is kept; None, or a folder that is not there: it is not kept.
        measure: gives the answer.
    """
    where = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} torch {torch.__version__}"
    file = home / FILE if home is not None and home.is_dir() else None
    if file is None:
        return measure()
    if (kept := _read(file, where)) is None:
        _keep(file, where, "bfloat16" if measure() else "float32")
        kept = _read(file, where)
    return measure() if kept is None else kept == "bfloat16"


def _read(file: Path, where: str) -> str | None:
    """The number format that is kept of such a machine."""
    try:
        measured, _, kept = file.read_text("utf-8").strip().partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return kept if measured == where and kept in ("bfloat16", "float32") else None


def _keep(file: Path, where: str, kept: str) -> None:
    """Keeps it unless another process that measures at the same time was first."""
    own = file.with_name(f"{FILE}.{os.getpid()}")
    try:
        own.write_text(f"{where}\n{kept}\n", "utf-8")
        if file.exists() and _read(file, where) is None:
            own.replace(file)  # of another machine, or no answer
            return
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(own)
        own.unlink()
    except OSError as error:
        logger.warning("the number format of the model is not kept, and may be another the next time: %s", error)

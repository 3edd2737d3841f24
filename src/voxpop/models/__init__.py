"""Text in, topics and sentiment out. Importing this package is cheap; torch is imported by :func:`load`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from voxpop.models.targets import Target

if TYPE_CHECKING:
    from pathlib import Path

    from voxpop.models.reader import Reader

__all__ = ["Reader", "Target", "load"]

# oneDNN's kernels for AMX add up in an order that follows from how many rows there are, so that what is read in a text
# would depend, in the last bits, on the texts beside it. Those of AVX-512 do not, and multiply bfloat16 as well. oneDNN
# looks once, before its first product.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")


def load(
    profile: str, *, threads: int = 0, batch_tokens: int = 0, home: Path | None = None, device: str = "auto"
) -> Reader:
    """Loads the model profile of that name (or at that path); see :func:`voxpop.models.reader.load`.

    Raises:
        ModelError: a profile, checkpoint, encoder, adapter or head is missing, corrupt or not the one that was named;
            there is no such device.
    """
    from voxpop.models import reader

    return reader.load(profile, threads=threads, batch_tokens=batch_tokens, home=home, device=device)

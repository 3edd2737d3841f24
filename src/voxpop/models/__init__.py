"""Text in, topics and sentiment out. Importing this package is cheap; torch is imported by :func:`load`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxpop.models.targets import Target

if TYPE_CHECKING:
    from pathlib import Path

    from voxpop.models.reader import Reader

__all__ = ["Reader", "Target", "load"]


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

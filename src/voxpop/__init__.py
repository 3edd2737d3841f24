"""Voxpop: who says what about the companies you watch, and when opinion turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxpop import exact

if TYPE_CHECKING:
    from voxpop.pointintime import history

__all__ = ["history"]

exact.ask()  # before whatever imports torch


def __getattr__(name: str) -> Any:
    """Nobody pays for pandas and the database who only imports the package."""
    if name == "history":
        from voxpop.pointintime import history

        return history
    raise AttributeError(f"module 'voxpop' has no attribute {name!r}")

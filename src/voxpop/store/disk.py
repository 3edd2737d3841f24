"""What must still be there after the power failed."""

from __future__ import annotations

import os
from pathlib import Path


def sync(folder: Path) -> None:
    """Makes the names in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

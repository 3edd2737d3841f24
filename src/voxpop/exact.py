"""Products whose rows do not depend on how many rows there are, nor on where they lie in memory.

On Intel's processors their library (MKL, in torch) has other kernels for fewer than sixteen rows, whose last bits
differ, so that a text would read otherwise alone than among others. In its strict mode (oneMKL Developer Guide,
"Conditional Numerical Reproducibility") it has not, at the same speed. It is asked by the environment, before the first
product. On other makers' processors the kernels are the same for all rows, and the mode would take slow ones.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_MODE: Final = "MKL_CBWR"
_ABOUT: Final = Path("/proc/cpuinfo")


def ask(about: Path = _ABOUT) -> None:
    """Asks for the strict mode on Intel's processors, unless the environment already asks for another."""
    try:
        with about.open(encoding="ascii", errors="replace") as file:
            intel = "GenuineIntel" in file.read(1000)
    except OSError:
        return
    if intel:
        os.environ.setdefault(_MODE, "AUTO,STRICT")

"""Plotly as the pages load it, and what keeps it from writing style elements, which their policy forbids."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

_GUARD = re.compile(r'getElementById\("([0-9a-f]{64})"\)')


@cache
def bundle() -> Path:
    """The file of the installed package."""
    return Path(str(files("plotly") / "package_data" / "plotly.min.js"))


@cache
def style_ids() -> list[str]:
    """Ids of style elements that the bundle makes when it is loaded, for maps; it makes none where they are there."""
    return sorted(set(_GUARD.findall(bundle().read_text("utf-8"))))

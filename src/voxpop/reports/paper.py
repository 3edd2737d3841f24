"""A report as PDF, set by Typst, which pip installs whole; only a Chinese font is the machine's own."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from voxpop.errors import SettingError
from voxpop.reports.page import Drawn
from voxpop.reports.view import View

LATIN = ("Noto Sans", "Source Sans 3", "Liberation Sans", "Arial", "Helvetica Neue", "DejaVu Sans")
CHINESE = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC"),
    *("Microsoft YaHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "SimHei", "SimSun"),
    *("Noto Sans CJK JP", "Noto Sans CJK TC", "Noto Serif CJK SC", "Heiti SC", "STHeiti"),
)
_EMBEDDED = "Libertinus Serif"
"""What Typst brings for machines without any of these."""


def pdf(view: View, pictures: list[Drawn]) -> bytes:
    """The report as PDF; everything that documents say reaches Typst as data, never as markup.

    Raises:
        SettingError: Typst is not installed, or the report holds Chinese and the machine has no font for it.
    """
    try:
        import typst
    except ImportError as error:
        raise SettingError("a PDF needs Typst: pip install typst") from error
    data = msgspec.json.encode(view).decode()
    fonts = chosen(data, families())
    inputs = {"view": data, "fonts": msgspec.json.encode(fonts).decode()}
    inputs["pictures"] = msgspec.json.encode({one.name: list(one.png) for one in pictures}).decode()
    template = files("voxpop.reports").joinpath("templates/report.typ").read_bytes()
    return bytes(typst.compile(template, format="pdf", sys_inputs=inputs))


@cache
def families() -> frozenset[str]:
    """The font families of this machine."""
    import typst

    return frozenset(typst.Fonts().families())


def chosen(text: str, known: frozenset[str]) -> list[str]:
    """The fonts that the text is set in, of the ``known`` ones.

    Raises:
        SettingError: it holds Chinese, and none of them does.
    """
    chinese = [name for name in CHINESE if name in known]
    if not chinese and any("\u2e80" <= character <= "\u9fff" for character in text):
        raise SettingError(
            "this report holds Chinese, and no font for it is installed: install Noto Sans CJK SC"
            " (Debian and Ubuntu: fonts-noto-cjk)"
        )
    return [*[name for name in LATIN if name in known][:1], *chinese[:1], _EMBEDDED]

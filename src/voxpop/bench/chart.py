"""A bar chart as SVG, which any browser and any README shows."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

_WIDTH, _LEFT, _BAR, _GAP, _TOP = 760, 300, 26, 12, 58


def bars(title: str, values: Mapping[str, float], unit: str, best: str) -> str:
    """The SVG of horizontal bars, one a name, in the order given; ``best`` is the name of the one set off."""
    height = _TOP + len(values) * (_BAR + _GAP) + 8
    largest = max(values.values(), default=0.0) or 1.0
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        ' font-family="system-ui, sans-serif" font-size="14" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="30" font-size="17" font-weight="600" fill="#1f2937">{escape(title)}</text>',
    ]
    for row, (name, value) in enumerate(values.items()):
        top, middle = _TOP + row * (_BAR + _GAP), _TOP + row * (_BAR + _GAP) + _BAR / 2 + 5
        length = (_WIDTH - _LEFT - 130) * value / largest
        colour = "#0f766e" if name == best else "#94a3b8"
        lines += [
            f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end" fill="#1f2937">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>',
            f'<text x="{_LEFT + length + 8:.1f}" y="{middle}" fill="#1f2937">{value:,.0f} {escape(unit)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])

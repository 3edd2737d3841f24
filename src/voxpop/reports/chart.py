"""Draws an entity's stories as a PNG: mail clients show no SVG, and no script."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from voxpop.reports.content import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 624, 176
"""In CSS pixels; drawn at twice as many, so that it is sharp on dense screens."""
_COLOURS = {"negative": "#b3261e", "unread": "#d99a1c", "other": "#c3cbd5"}
_INK = "#5a6675"
_DPI = 200


def png(chart: Chart, zone: str) -> bytes:
    """The picture; its labels are figures and dates alone, so that it needs no font of any language."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 * WIDTH / _DPI, 2 * HEIGHT / _DPI), dpi=_DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    _bars(axes, chart)
    _ticks(axes, chart, zone)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _bars(axes: Axes, chart: Chart) -> None:
    places = list(range(len(chart.starts)))
    floor = [0] * len(places)
    for kind, colour in _COLOURS.items():
        counts = getattr(chart, kind)
        axes.bar(places, counts, width=0.85, bottom=floor, color=colour, linewidth=0)
        floor = [a + b for a, b in zip(floor, counts, strict=True)]
    top = max([*floor, *(e for e in chart.expected if e is not None), 1])
    known = [(n, e) for n, e in enumerate(chart.expected) if e is not None]
    if known:
        xs, ys = [x for n, _ in known for x in (n - 0.5, n + 0.5)], [e for _, e in known for _ in range(2)]
        axes.plot(xs, ys, color="#1b2430", linewidth=0.9, linestyle=(0, (3, 2)))
    width = _width(chart)
    for at in chart.marks:
        axes.plot([(at - chart.starts[0]) / width - 0.5], [top * 1.12], marker="v", markersize=4.5, color="#b3261e")
    axes.set_ylim(0, top * 1.22)
    axes.set_xlim(-0.6, len(places) - 0.4)


def _width(chart: Chart) -> timedelta:
    return chart.starts[1] - chart.starts[0]


def _ticks(axes: Axes, chart: Chart, zone: str) -> None:
    from matplotlib.ticker import MaxNLocator

    hourly = _width(chart) < timedelta(days=1)
    local = [at.astimezone(ZoneInfo(zone)) for at in chart.starts]
    shown = [n for n, at in enumerate(local) if not hourly or at.hour % 6 == 0]
    axes.set_xticks([n - 0.5 if hourly else n for n in shown], [_label(local[n], hourly=hourly) for n in shown])
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.tick_params(labelsize=7.5, colors=_INK, length=2, width=0.5, pad=2)
    axes.grid(axis="y", color="#e6eaf0", linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color="#98a3b3", linewidth=0.5)


def _label(at: datetime, *, hourly: bool) -> str:
    day = f"{at.day}.{at.month}."
    return day if not hourly or at.hour == 0 else f"{at.hour:02d}:00"

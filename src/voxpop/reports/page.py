"""A report as HTML that mail clients show as it is meant: tables, inline styles, PNGs, no script."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from voxpop.reports import chart
from voxpop.reports.content import Report
from voxpop.reports.view import Tone, View

if TYPE_CHECKING:
    import jinja2

_COLOURS: dict[Tone, tuple[str, str]] = {
    "critical": ("#b3261e", "#ffffff"),
    "serious": ("#8a6100", "#ffffff"),
    "watch": ("#46586c", "#ffffff"),
    "good": ("#1b7340", "#ffffff"),
    "plain": ("#e6eaf0", "#1b2430"),
}


class Drawn(NamedTuple):
    """A picture of a report."""

    name: str
    png: bytes


def drawn(report: Report) -> list[Drawn]:
    """The charts of the report, named as its ``View`` names them."""
    found = []
    for number, one in enumerate(report.turned, 1):
        if one.chart is not None:
            found.append(Drawn(f"chart-{number}.png", chart.png(one.chart, report.zone)))
    return found


def page(view: View, source: Callable[[str], str]) -> str:
    """The report as one HTML page.

    Args:
        source: the address of the picture of a name.
    """
    return _template().render(
        v=view, source=source, colours=_COLOURS, chart_width=chart.WIDTH, chart_height=chart.HEIGHT
    )


def standing_alone(view: View, pictures: list[Drawn]) -> str:
    """The page with its pictures inside, for a browser."""
    inside = {one.name: "data:image/png;base64," + base64.b64encode(one.png).decode() for one in pictures}
    return page(view, inside.__getitem__)


def for_mail(view: View) -> str:
    """The page with its pictures beside it in the mail, as Outlook and Gmail want them."""
    return page(view, lambda name: f"cid:{name}")


@cache
def _template() -> jinja2.Template:
    import jinja2  # here because only a report that is due needs it

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("voxpop.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")

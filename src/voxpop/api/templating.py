"""The templates, and what all of them may use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.templating import Jinja2Templates

from voxpop.api import figures, words
from voxpop.api.plotly import style_ids
from voxpop.reports.words import LANGS, Lang, topic, when
from voxpop.store.access import ADMINISTRATOR, LOCAL

LANGUAGE: Final = "voxpop_lang"
"""The cookie of who chose a language."""


def language(request: Request) -> Lang:
    """The language that the asker reads."""
    return words.chosen(request.cookies.get(LANGUAGE), request.headers.get("accept-language"))


def _common(request: Request) -> dict[str, Any]:
    lang = language(request)
    bell = getattr(request.app.state, "bell", None)
    return {
        "lang": lang,
        "langs": [(other, words.NAMES[other]) for other in LANGS if other != lang],
        "t": partial(words.say, lang),
        "word": partial(words.known, lang),
        "topic": partial(topic, lang),
        "figures": partial(figures.told, lang),
        "note": partial(figures.note, lang),
        "called": partial(_called, lang),
        "me": getattr(request.state, "caller", None),
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "rung": bell.rung if bell else 0,
    }


_OFFICES: Final = {LOCAL: "who_local", ADMINISTRATOR: "who_administrator"}
"""Whoever has no name of their own, and the message that says what they are."""
_BY_ID: Final = {office.id: message for office, message in _OFFICES.items()}
_BY_NAME: Final = {office.name: message for office, message in _OFFICES.items()}


def _called(lang: Lang, who: str, person: str | None = None) -> str:
    """What to call somebody: their name, which is not translated, or what they are.

    Args:
        person: their id, where it is kept: others may have the name of an office.
    """
    message = _BY_ID.get(person) if person else _BY_NAME.get(who)
    return words.say(lang, message) if message else who


def _in_context(show: Callable[[Lang, Any], str | Markup]) -> Callable[..., Any]:
    @pass_context
    def shown(context: Context, value: Any) -> str | Markup:
        return show(context["lang"], value)

    return shown


def _when(lang: Lang, at: datetime | None) -> Markup:
    """A time, to the minute in UTC, as an element that a script may add the time of the place to."""
    if at is None:
        return Markup("{}").format(words.say(lang, "never"))
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), when(lang, at, "UTC"))


def _span(lang: Lang, span: timedelta) -> str:
    """A span of time in its largest whole unit."""
    seconds = round(span.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return words.say(lang, f"unit_{unit}", n=seconds // length)
    return words.say(lang, "unit_s", n=seconds)


def _link(url: str | None) -> str | None:
    return url if url and url.startswith(("http://", "https://")) else None


templates = Jinja2Templates(directory=Path(__file__).parent / "templates", context_processors=[_common])
templates.env.trim_blocks = templates.env.lstrip_blocks = True
templates.env.globals["style_ids"] = style_ids
templates.env.filters["when"] = _in_context(_when)
templates.env.filters["link"] = _link
templates.env.filters["span"] = _in_context(_span)
templates.env.filters["thousands"] = lambda number: f"{number:,}"
templates.env.filters["percent"] = lambda share: f"{100 * share:.0f}\u00a0%"  # the sign stands by its number

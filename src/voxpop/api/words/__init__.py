"""The words of the pages: one table a language, ``en.toml`` and ``zh.toml``; what documents say is never translated."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from voxpop.reports.words import LANGS, Lang

NAMES: Final[dict[Lang, str]] = {"en": "English", "zh": "中文"}


@cache
def table(lang: Lang) -> dict[str, str]:
    """Every message of the language, by its key."""
    found: dict[str, str] = tomllib.loads(files(__package__).joinpath(f"{lang}.toml").read_text("utf-8"))
    return found


def say(lang: Lang, key: str, /, **values: object) -> str:
    """The message in the language, its places filled; of one that counts ``n`` the form for one, where it has one.

    Raises:
        KeyError: there is no such message.
    """
    found = table(lang)
    if values.get("n") == 1 and f"{key}_1" in found:
        key = f"{key}_1"
    shown = {name: f"{value:,}" if type(value) is int else value for name, value in values.items()}
    return found[key].format(**shown)


def known(lang: Lang, prefix: str, word: str) -> str:
    """The message ``prefix`` + ``word``; where there is none, the word itself, with spaces."""
    return translated(lang, prefix, word) or word.replace("_", " ")


def translated(lang: Lang, prefix: str, word: str) -> str | None:
    """The message ``prefix`` + ``word``, None where there is none."""
    return table(lang).get(prefix + word.replace(" ", "_"))


def matched(lang: Lang, prefix: str, patterns: Mapping[str, str], written: str) -> str | None:
    """What was written in English, as the message of the pattern that it follows; None where it follows none.

    The groups of the pattern are the message's places; where ``reason`` or ``said`` is among them, its key ends on it,
    and a ``kind`` is a word of ours, ``kind_…``.
    """
    for key, pattern in patterns.items():
        if found := re.fullmatch(pattern, written, re.DOTALL):
            given = {name: value for name, value in found.groupdict().items() if value}
            if "kind" in given:
                given["kind"] = known(lang, "kind_", given["kind"])
            ending = next((f"_{name}" for name in ("reason", "said") if name in given), "")
            return say(lang, f"{prefix}{key}{ending}", **given)
    return None


def chosen(cookie: str | None, accepted: str | None) -> Lang:
    """The language to show: what was chosen here, else what the browser likes best, else English."""
    for lang in LANGS:
        if cookie == lang:
            return lang
    wishes = []
    for place, part in enumerate((accepted or "").split(",")[:20]):
        name, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((-float(weight or 1), place, name.lower()))
        except ValueError:
            continue
    for negative_weight, _, name in sorted(wishes):
        for lang in LANGS:
            if negative_weight < 0 and (name == lang or name.startswith(f"{lang}-")):
                return lang
    return "en"

"""What a gate has counted, and why an alert was not told, in the reader's language."""

from __future__ import annotations

import re
from typing import Final

from voxpop.api import words
from voxpop.reports.words import Lang
from voxpop.why import Figure, Gate, Word

_APART: Final[dict[Lang, str]] = {"en": "; ", "zh": "；"}
_IN_A_ROW: Final[dict[Lang, str]] = {"en": ", ", "zh": "、"}

NOTES: Final = {
    "silence": r"silence (?P<id>\w+) by (?P<who>.+?)(?:: (?P<reason>.+))?",
    "graver": r"the critical alert (?P<alert>\w+) is about the same",
    "history": r"history: it was first seen more than (?P<hours>[\d.e+]+) hours late",
    "dropped": r"dropped by (?P<who>.+) when sending was released",
    "no_receiver": r"the alerts file names no receiver '(?P<receiver>.+)' any more",
    "unreached": r"(?P<receiver>(?:(?! answered \d{3}: ).)+?): (?P<error>\w+(?:Error|Timeout|URL|Protocol))"
    r"(?:: (?P<said>.*))?",
    "not_taken": r"(?P<receiver>.+): it did not take the message",
    "answered": r"(?P<receiver>.+) answered (?P<status>\d{3})(?:: (?P<said>.*))?",
}
"""Notes that are stored as an English sentence, by the key of their message."""


def told(lang: Lang, gate: Gate) -> str:
    """The figures of a gate."""
    return _APART[lang].join(_said(lang, figure) for figure in gate.figures)


def _said(lang: Lang, figure: Figure) -> str:
    return words.say(lang, figure.key, **{name: _value(lang, value) for name, value in figure.values.items()})


def _value(lang: Lang, value: object) -> object:
    if isinstance(value, Word):
        return note(lang, value.word) if value.kind == "note" else words.known(lang, f"{value.kind}_", value.word)
    if isinstance(value, tuple):
        return _IN_A_ROW[lang].join(_said(lang, figure) for figure in value)
    return value


_MOVED = re.compile(r"(.+) (\d+%) where (\d+%) was usual")


def moved(lang: Lang, written: str) -> str:
    """The shares that drifted, as ``signals.drift.moved`` wrote them."""
    parts = [_MOVED.fullmatch(part) for part in written.split(", ")]
    return _IN_A_ROW[lang].join(
        words.say(lang, "moved_apart", kind=words.known(lang, "label_", part[1]), now=part[2], usual=part[3])
        for part in parts
        if part
    )


def note(lang: Lang, stored: str) -> str:
    """The note of a move or a message; where it is not one of ours, itself, as a receiver's own words are."""
    return words.matched(lang, "noted_", NOTES, stored) or words.translated(lang, "note_", stored) or stored

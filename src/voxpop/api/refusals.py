"""Why a record was refused, in the reader's language; what a parser or a traceback says is not translated."""

from __future__ import annotations

from typing import Final

from voxpop.api import words
from voxpop.reports.words import Lang

REASONS: Final = {
    "missing": r"(?P<field>\w+) is missing",
    "channel": r"channel is neither news nor social",
    "but": r"not an object with fields, but (?P<kind>.+)",
    "no_object": r"not an object with fields|the line is JSON, but not an object",
    "no_date_text": r"(?P<field>\w+) is (?P<kind>.+), not a date as text \(a layout can read epochs\)",
    "no_date": r"(?P<field>\w+) (?P<value>.+) is not a date in ISO 8601 or RFC 2822",
    "no_such_date_map": r"(?P<field>\w+) (?P<value>.+) does not read as (?P<form>.+); \[formats\] of the map can .+",
    "no_such_date": r"(?P<field>\w+) (?P<value>.+) does not read as (?P<form>.+)",
    "no_zone": r"(?P<field>\w+) (?P<value>.+) has no zone: add Z or an offset such as \+08:00",
    "calendar": r"(?P<field>\w+) (?P<value>.+) is outside the calendar",
    "too_early": r"(?P<field>\w+) (?P<value>.+) is before (?P<year>\d+)",
    "future": r"(?P<field>\w+) (?P<value>.+) is in the future",
    "no_text": r"(?P<field>\w+) is (?P<kind>.+), not text",
    "too_long": r"(?P<field>\w+) has (?P<length>.+) characters, more than (?P<most>.+)",
    "nul_line": r"the (?:line|row) holds a NUL byte",
    "nul": r"(?P<field>\w+) holds a NUL byte",
    "surrogate": r"(?P<field>\w+) holds half a surrogate pair, which is no character",
    "control": r"(?P<field>\w+) holds a control character",
    "no_count": r"(?P<field>\w+) is (?P<kind>.+), not a whole number",
    "negative": r"(?P<field>\w+) is negative",
    "too_many": r"(?P<field>\w+) is more than (?P<most>.+)",
    "no_url": r"url (?P<value>.+) is not an http or https address",
    "no_lang": r"lang (?P<value>.+) is not a language code such as en or zh-CN",
    "no_list": r"there is no list at (?P<place>.+)",
    "columns": r"(?P<columns>.+) columns where the header has (?P<wanted>.+)",
    "column_twice": r"two columns have the same name",
    "no_columns": r"the first row names no columns text and published_at .+",
    "no_utf8": r"the (?:line|row) is not UTF-8(?:: (?P<said>.+))?",
    "utf16": r"the file is UTF-16; only UTF-8 can be read",
    "no_json": r"the line is not JSON: (?P<error>.+)",
    "no_csv": r"the row is not CSV: (?P<error>.+)",
    "long_line": r"the line is longer than (?P<most>.+) bytes",
    "open_quote": r"a quote is not closed; lines (?P<first>.+) to (?P<last>.+) were passed over",
    "ends_early": r"the gzip file ends early; the rest is missing",
    "damaged": r"the gzip file is damaged from here on: (?P<error>.+)",
    "expands": r"the gzip file expands more than (?P<most>.+)-fold; the rest was not read",
    "empty": r"nothing is left of the text once mark-up and control characters are gone",
    "no_record": r"not a record of type (?P<type>\w+): (?P<error>.+)",
    "too_large": r"a message of (?P<size>.+) bytes is larger than the log takes \((?P<most>.+)\)",
    "ended": r"it ended its process (?P<tries>.+) times: killed, crashed or hung",
}
"""What a dead letter says of why it is one, by the key of its message."""
_HEADLESS: Final = "; nothing was read without a header row"
"""What may follow on any of them."""


def said(lang: Lang, reason: str) -> str:
    """The reason; where it is none of these, itself."""
    if lang == "en":
        return reason
    cause, headless, _ = reason.partition(_HEADLESS)
    known = words.matched(lang, "refused_", REASONS, cause) or cause
    return words.say(lang, "refused_headless", cause=known) if headless else known

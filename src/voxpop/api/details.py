"""Why something was not done, in the language of the page that says so; programs are told in English."""

from __future__ import annotations

from typing import Final

from voxpop.api import words
from voxpop.reports.words import Lang

DETAILS: Final = {
    "not_fired": r"alert \w+ has not fired yet",
    "acknowledged": r"alert \w+ is acknowledged already",
    "resolved": r"alert \w+ is resolved already",
    "no_alert": r"there is no such alert",
    "silence_over": r"this silence is over already",
    "unwatched": r"nobody (?:ever )?watche[sd] '?(?P<name>.+?)'?",
    "comment_length": r"a comment has 1 to (?P<most>\d+) characters, this one \d+",
    "list_name": r"a list has a name of 1 to 60 characters",
    "read_anew": r"the model has read no such document .+",
    "no_document": r"no such document names this company",
    "busy": r"others have asked before: .+",
    "csrf": r"csrf is missing .+",
    "other_site": r"this came from a page of another site, .+",
    "role": r"this takes the role (?P<role>\w+); .+ has \w+",
    "no_role": r"the provider gives (?P<who>.+) no role here .+",
    "not_signed_in": r"the provider did not sign you in, .+",
    "no_language": r"the pages are in .+, not in (?P<lang>.+)",
    "database": r"the database does not answer",
    "fault": r"this is a fault of Voxpop; .+",
    "nothing": r"Not Found",
}
"""What the code says of errors that a person may meet, by the key of their message."""


def said(lang: Lang, detail: str) -> str:
    """The detail of a problem; where it is none of these, itself."""
    return detail if lang == "en" else words.matched(lang, "detail_", DETAILS, detail) or detail

"""The language in which a text speaks of something."""

from __future__ import annotations

from collections.abc import Collection

from voxpop.records import Language
from voxpop.text.factuality import sentence_of
from voxpop.text.language import detect


def spoken(text: str, span: tuple[int, int] | None, known: Collection[Language], default: Language) -> Language:
    """The language of the sentences that ``span`` touches; where that is none of ``known``, that of the text.

    Args:
        text: the text.
        span: a half-open span of it; None: all of it.
        known: the languages to choose from.
        default: what it is where neither is known.
    """
    said = [text[slice(*sentence_of(text, *span))], text] if span else [text]
    return next((lang for lang in map(detect, said) if lang in known), default)

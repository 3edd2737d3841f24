"""What is read in texts that somebody sends, without storing any of it: the API's ``/v1/analyze``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from voxpop.models import Target
from voxpop.reading import opinion_of, read, top_topics
from voxpop.records import Document, Item, Opinion, Reading, Topic
from voxpop.stages import document_of
from voxpop.text.entities import Linker

if TYPE_CHECKING:
    from voxpop.models import Reader
    from voxpop.risks import Judge


class Analysed(NamedTuple):
    """What was read in one text."""

    reading: Reading
    """Of the text as it is cleaned and masked; every span lies in ``reading.document.text``."""
    whole: Opinion | None
    """Of the text as such, where it names nobody who is watched; its entity is empty."""


def prepared(text: str, title: str, lang: str | None, linker: Linker, now: datetime) -> Document:
    """The document that a text becomes.

    Raises:
        Refused: nothing is left of it once it is cleaned.
    """
    item = Item(
        source="api", id="", channel="news", published_at=now, received_at=now, title=title, text=text, lang=lang
    )
    return document_of(item, 0, linker)


def analyse(documents: Sequence[Document], reader: Reader, judge: Judge | None = None) -> list[Analysed]:
    """What is read in each; nothing of it depends on the others."""
    readings = read(documents, reader, judge)
    unnamed = [r.document for r in readings if not r.document.mentions and r.document.lang in reader.languages]
    texts = list(dict.fromkeys(document.text for document in unnamed))
    if not texts:
        return [Analysed(reading, None) for reading in readings]
    topics = {t: top_topics(reader.topic_labels, p) for t, p in zip(texts, reader.topics(texts), strict=True)}
    moods = reader.sentiment([Target(text, ()) for text in texts])
    whole = {text: opinion_of("", mood) for text, mood in zip(texts, moods, strict=True)}
    return [_with_whole(reading, topics, whole) for reading in readings]


def _with_whole(reading: Reading, topics: Mapping[str, tuple[Topic, ...]], whole: Mapping[str, Opinion]) -> Analysed:
    text = reading.document.text
    if reading.document.mentions or text not in whole:
        return Analysed(reading, None)
    return Analysed(
        Reading(document=reading.document, model=reading.model, read=True, topics=topics[text]), whole[text]
    )

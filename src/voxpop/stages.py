"""One function a stage: a batch of records in, results out.

A stage never commits, retries, reads a setting or asks the clock. What one record cannot be made into is a dead
letter; whatever else it raises is the worker's to isolate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from voxpop.errors import Refused
from voxpop.log.base import Message, Record
from voxpop.reading import read
from voxpop.records import ERASED, TOPICS, DeadLetter, Document, Item, Reading, decode, digest, document_id, encode
from voxpop.text import stories
from voxpop.text.clean import clean, clean_url
from voxpop.text.entities import Linker
from voxpop.text.language import detect
from voxpop.text.mask import mask, mask_document

if TYPE_CHECKING:
    from voxpop.models import Reader
    from voxpop.risks import Judge


class Prepared(NamedTuple):
    """What came of a batch of items."""

    messages: list[Message]
    dead: list[DeadLetter]


class Analysed(NamedTuple):
    """What came of a batch of documents."""

    readings: list[Reading]
    dead: list[DeadLetter]


def item_message(item: Item) -> tuple[str, Message]:
    """The topic and message of an item."""
    return TOPICS[item.channel], Message(f"{item.source}\0{item.id}".encode(), encode(item))


def document_message(document: Document) -> Message:
    """A document's message, keyed by its first entity so that an entity's documents stay in order."""
    key = document.mentions[0].entity if document.mentions else document.id
    return Message(key.encode(), encode(document))


def dead_letter(record: Record, stage: str, reason: str) -> DeadLetter:
    """The dead letter of a record that ``stage`` refuses."""
    origin = f"{record.partition.topic}/{record.partition.number}"
    return DeadLetter(stage=stage, reason=reason, payload=record.value, origin=origin, position=record.offset)


def prepare(records: Sequence[Record], linker: Linker) -> Prepared:
    """Items in; documents cleaned, masked, with language, links and signature out."""
    messages, dead = [], []
    for record in records:
        if record.value == ERASED:
            continue
        try:
            messages.append(document_message(document_of(decode(Item, record.value), record.offset, linker)))
        except Refused as refusal:
            dead.append(dead_letter(record, "prepare", refusal.reason))
    return Prepared(messages, dead)


def document_of(item: Item, sequence: int, linker: Linker) -> Document:
    """The document that an item becomes.

    Raises:
        Refused: nothing is left of its text once it is cleaned.
    """
    cleaned = clean(item.title, item.text)
    if not cleaned.text:
        raise Refused("nothing is left of the text once mark-up and control characters are gone", "text")
    text, title_end = mask_document(cleaned.text, cleaned.title_end)
    lang = detect(text, item.lang)
    words = stories.normalise(text, title_end)
    return Document(
        id=document_id(item.source, item.id),
        revision=digest(text),
        source=item.source,
        channel=item.channel,
        published_at=item.published_at,
        revised_at=item.revised_at or item.published_at,
        received_at=item.received_at,
        sequence=sequence,
        text=text,
        title_end=title_end,
        lang=lang,
        url=clean_url(item.url) if item.url else None,
        author=mask(item.author) if item.author else None,
        reach=item.reach,
        replies=item.replies,
        words=words,
        bands=stories.bands(words),
        mentions=linker.link(text, title_end=title_end, published_at=item.published_at, lang=lang),
        linked_with=linker.version,
    )


def analyse(records: Sequence[Record], reader: Reader, judge: Judge | None = None) -> Analysed:
    """Documents in; what the model reads in each out, with risk events where there is a ``judge`` of them."""
    documents, dead = [], []
    for record in records:
        if record.value == ERASED:
            continue
        try:
            documents.append(decode(Document, record.value))
        except Refused as refusal:
            dead.append(dead_letter(record, "analyse", refusal.reason))
    return Analysed(read(documents, reader, judge), dead)

"""One function a stage: a batch of records in, results out.

A stage never commits, retries, reads a setting or asks the clock. What one record cannot be made into is a dead
letter; whatever else it raises is the worker's to isolate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.errors import Refused
from voxpop.log.base import Message, Record
from voxpop.models import Target
from voxpop.records import (
    SENTIMENTS,
    DeadLetter,
    Document,
    Item,
    Mention,
    Opinion,
    Reading,
    Topic,
    decode,
    digest,
    document_id,
    encode,
)
from voxpop.text import stories
from voxpop.text.clean import clean, clean_url
from voxpop.text.entities import Linker
from voxpop.text.language import detect
from voxpop.text.mask import mask, mask_document

if TYPE_CHECKING:
    from voxpop.models import Reader

TOPICS: Mapping[str, str] = {"news": "items.news", "social": "items.social", "document": "documents"}
"""The topics of the log: items by channel, keyed by source id; documents keyed by their first entity."""

TOPIC_FLOOR = 0.2
"""Topics below this probability are not kept, but for the best one."""


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


def analyse(records: Sequence[Record], reader: Reader) -> Analysed:
    """Documents in; what the model reads in each out."""
    documents, dead = [], []
    for record in records:
        try:
            documents.append(decode(Document, record.value))
        except Refused as refusal:
            dead.append(dead_letter(record, "analyse", refusal.reason))
    return Analysed(read(documents, reader), dead)


def read(documents: Sequence[Document], reader: Reader) -> list[Reading]:
    """Topics of each document and its sentiment towards each entity that it names.

    Only documents in a language of the reader that name a watched entity are read; equal texts are read once.
    """
    readable = [d for d in documents if d.mentions and d.lang in reader.languages]
    texts = list(dict.fromkeys(d.text for d in readable))
    topics = dict(zip(texts, reader.topics(texts), strict=True)) if texts else {}
    wanted = {d.id + d.revision: targets_of(d.text, d.mentions) for d in readable}
    targets = list(dict.fromkeys(t for of_one in wanted.values() for t in of_one.values()))
    sentiment = dict(zip(targets, reader.sentiment(targets), strict=True)) if targets else {}
    readings = []
    for document in documents:
        asked = wanted.get(document.id + document.revision)
        readings.append(
            Reading(
                document=document,
                model=reader.version,
                read=asked is not None,
                topics=top_topics(reader.topic_labels, topics[document.text]) if asked is not None else (),
                opinions=tuple(_opinion(entity, sentiment[target]) for entity, target in asked.items())
                if asked is not None
                else tuple(Opinion(entity=entity, label=None) for entity in _by_entity(document.mentions)),
            )
        )
    return readings


def _by_entity(mentions: Sequence[Mention]) -> dict[str, tuple[tuple[int, int], ...]]:
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    for mention in mentions:
        spans[mention.entity] = (*spans.get(mention.entity, ()), (mention.start, mention.end))
    return spans


def targets_of(text: str, mentions: Sequence[Mention]) -> dict[str, Target]:
    """What to ask about each entity that is mentioned in ``text``."""
    return {entity: Target(text, spans) for entity, spans in _by_entity(mentions).items()}


def _opinion(entity: str, probabilities: NDArray[np.float32]) -> Opinion:
    negative, neutral, positive = (float(p) for p in probabilities)
    label = SENTIMENTS[int(probabilities.argmax())]
    return Opinion(entity=entity, label=label, negative=negative, neutral=neutral, positive=positive)


def top_topics(labels: Sequence[str], probabilities: NDArray[np.float32]) -> tuple[Topic, ...]:
    """The best topic, and the others at least as probable as ``TOPIC_FLOOR``, best first."""
    order = np.argsort(-probabilities, kind="stable")
    kept = [int(i) for n, i in enumerate(order) if n == 0 or probabilities[i] >= TOPIC_FLOOR]
    return tuple(Topic(label=labels[i], score=float(probabilities[i])) for i in kept)

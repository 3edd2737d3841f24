"""What a model reads in documents: topics, sentiment towards each entity, claims and risk events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from voxpop.claims import Asked, claims, first_names, worth_asking
from voxpop.models import Target
from voxpop.records import SENTIMENTS, UNSURE_BELOW, Claim, Document, Mention, Opinion, Reading, Risk, Topic
from voxpop.text.repost import header

if TYPE_CHECKING:
    from voxpop.models import Reader
    from voxpop.risks import Judge

TOPIC_FLOOR = 0.2
"""Topics below this probability are not kept, but for the best one."""


class Said(NamedTuple):
    """What one text says about one entity."""

    claims: tuple[Claim, ...] = ()
    risks: tuple[Risk, ...] = ()


def read(documents: Sequence[Document], reader: Reader, judge: Judge | None = None) -> list[Reading]:
    """A reading of each document.

    Only documents in a language of the reader that name a watched entity are read, each without the header of a
    repost, which would sway the models; so equal texts are read once, however many passed them on. Claims are found
    where the reader answers questions and infers, risk events where there is a ``judge`` of them.
    """
    bodies = [body_of(d.text, d.mentions) for d in documents]
    read = _read(
        [replace(d, text=b.text, mentions=b.mentions) for d, b in zip(documents, bodies, strict=True)], reader, judge
    )
    return [_of_whole(*one) for one in zip(read, documents, bodies, strict=True)]


class Body(NamedTuple):
    """What is read of a text: all but the header of a repost."""

    text: str
    mentions: tuple[Mention, ...]
    """Their spans are those in this text."""
    start: int
    """Where it begins in the whole, in characters."""


def body_of(text: str, mentions: Sequence[Mention]) -> Body:
    """The text without the header of a repost, unless a mention lies in that."""
    start = header(text)
    if any(m.start < start for m in mentions):
        start = 0
    moved = (replace(m, start=m.start - start, end=m.end - start) for m in mentions)
    return Body(text[start:], tuple(moved), start)


def _of_whole(reading: Reading, document: Document, body: Body) -> Reading:
    """The reading of its body, as one of the document."""
    claims = tuple(replace(c, start=c.start + body.start, end=c.end + body.start) for c in reading.claims)
    return replace(reading, document=document, claims=claims)


def _read(documents: Sequence[Document], reader: Reader, judge: Judge | None) -> list[Reading]:
    readable = {d.id + d.revision: d for d in documents if d.mentions and d.lang in reader.languages}
    texts = list(dict.fromkeys(d.text for d in readable.values()))
    probabilities = reader.topics(texts) if texts else ()
    topics = {t: top_topics(reader.topic_labels, p) for t, p in zip(texts, probabilities, strict=True)}
    wanted = {key: targets_of(d.text, d.mentions) for key, d in readable.items()}
    targets = list(dict.fromkeys(t for of_one in wanted.values() for t in of_one.values()))
    sentiment = dict(zip(targets, reader.sentiment(targets), strict=True)) if targets else {}

    readings = [
        Reading(
            document=d,
            model=reader.version,
            read=True,
            topics=topics[d.text],
            opinions=tuple(
                opinion_of(entity, sentiment[target]) for entity, target in wanted[d.id + d.revision].items()
            ),
        )
        if d.id + d.revision in wanted
        else Reading(
            document=d,
            model=reader.version,
            read=False,
            opinions=tuple(Opinion(entity=entity, label=None) for entity in _by_entity(d.mentions)),
        )
        for d in documents
    ]
    return _with_said(readings, reader, judge)


def _with_said(readings: Sequence[Reading], reader: Reader, judge: Judge | None) -> list[Reading]:
    """The readings with claims and risks. Equal questions are asked once."""
    if not {"nli", "qa"} <= set(reader.tasks):
        return list(readings)
    asked = [list(_asks(reading)) for reading in readings]
    distinct = list(dict.fromkeys(one for of_one in asked for one in of_one))
    risks = judge.risks(distinct) if judge else [()] * len(distinct)
    said = dict(zip(distinct, map(Said, claims(distinct, reader), risks), strict=True))
    return [
        Reading(
            document=reading.document,
            model=reading.model,
            read=reading.read,
            topics=reading.topics,
            opinions=reading.opinions,
            claims=tuple(claim for one in of_one for claim in said[one].claims),
            risks=tuple(risk for one in of_one for risk in said[one].risks),
        )
        for reading, of_one in zip(readings, asked, strict=True)
    ]


def _asks(reading: Reading) -> Iterator[Asked]:
    """What is asked of a document: one question an entity, where it can matter.

    Nothing of an entity that is named in passing, whose claims would be about another: in a crowd of cashtags, say.
    """
    if not reading.read:
        return
    document, topic = reading.document, reading.topics[0].label
    names = first_names(document.text, ((m.entity, m.start, m.end) for m in document.mentions))
    central = {m.entity for m in document.mentions if m.relevance != "passing"}
    for opinion in reading.opinions:
        if opinion.entity in central and worth_asking(opinion.neutral, topic):
            yield Asked(document.text, opinion.entity, names[opinion.entity], topic)


def _by_entity(mentions: Sequence[Mention]) -> dict[str, tuple[tuple[int, int], ...]]:
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    for mention in mentions:
        spans[mention.entity] = (*spans.get(mention.entity, ()), (mention.start, mention.end))
    return spans


def targets_of(text: str, mentions: Sequence[Mention]) -> dict[str, Target]:
    """What to ask about each entity that is mentioned in ``text``."""
    return {entity: Target(text, spans) for entity, spans in _by_entity(mentions).items()}


def opinion_of(entity: str, probabilities: NDArray[np.float32]) -> Opinion:
    """The opinion that three probabilities, in the order of ``SENTIMENTS``, amount to."""
    negative, neutral, positive = (float(p) for p in probabilities)
    label = SENTIMENTS[int(probabilities.argmax())] if probabilities.max() >= UNSURE_BELOW else "unsure"
    return Opinion(entity=entity, label=label, negative=negative, neutral=neutral, positive=positive)


def top_topics(labels: Sequence[str], probabilities: NDArray[np.float32]) -> tuple[Topic, ...]:
    """The best topic, and the others at least as probable as ``TOPIC_FLOOR``, best first."""
    order = np.argsort(-probabilities, kind="stable")
    kept = [int(i) for n, i in enumerate(order) if n == 0 or probabilities[i] >= TOPIC_FLOOR]
    return tuple(Topic(label=labels[i], score=float(probabilities[i])) for i in kept)

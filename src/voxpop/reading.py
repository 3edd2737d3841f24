"""What a model reads in documents: topics, sentiment towards each entity, claims and risk events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxpop.claims import Asked, claims, first_names, worth_asking
from voxpop.models import Target
from voxpop.records import SENTIMENTS, UNSURE_BELOW, Claim, Document, Mention, Opinion, Reading, Risk, Topic

if TYPE_CHECKING:
    from voxpop.claims import Judge
    from voxpop.models import Reader

TOPIC_FLOOR = 0.2
"""Topics below this probability are not kept, but for the best one."""


class Said(NamedTuple):
    """What one text says about one entity."""

    claims: tuple[Claim, ...] = ()
    risks: tuple[Risk, ...] = ()


def read(documents: Sequence[Document], reader: Reader, judge: Judge | None = None) -> list[Reading]:
    """A reading of each document.

    Only documents in a language of the reader that name a watched entity are read; equal texts are read once. Claims
    are found where the reader answers questions and infers, risk events where there is a ``judge`` of them.
    """
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
            opinions=tuple(_opinion(entity, sentiment[target]) for entity, target in wanted[d.id + d.revision].items()),
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
    """What is asked of a document: one question an entity, where it can matter."""
    if not reading.read:
        return
    document, topic = reading.document, reading.topics[0].label
    names = first_names(document.text, ((m.entity, m.start, m.end) for m in document.mentions))
    for opinion in reading.opinions:
        if worth_asking(opinion.neutral, topic):
            yield Asked(document.text, opinion.entity, names[opinion.entity], topic)


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
    label = SENTIMENTS[int(probabilities.argmax())] if probabilities.max() >= UNSURE_BELOW else "unsure"
    return Opinion(entity=entity, label=label, negative=negative, neutral=neutral, positive=positive)


def top_topics(labels: Sequence[str], probabilities: NDArray[np.float32]) -> tuple[Topic, ...]:
    """The best topic, and the others at least as probable as ``TOPIC_FLOOR``, best first."""
    order = np.argsort(-probabilities, kind="stable")
    kept = [int(i) for n, i in enumerate(order) if n == 0 or probabilities[i] >= TOPIC_FLOOR]
    return tuple(Topic(label=labels[i], score=float(probabilities[i])) for i in kept)

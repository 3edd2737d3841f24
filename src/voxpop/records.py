"""The records that flow through Voxpop, and their wire format.

A record is an immutable ``msgspec.Struct``. On the log it is one JSON object whose field ``record`` names type and
version (``"item/1"``); a reader refuses a type or version that it does not know instead of guessing at its fields.

Three times are never mixed: ``published_at`` is the source's, ``received_at`` is ours, and ``available_at`` (only in
the store) is when a row could first be used. All are UTC. Every offset into a text counts code points of the cleaned
text and is half-open, ``text[start:end]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Literal, TypeVar

import msgspec

from voxpop.errors import Refused

Channel = Literal["news", "social"]
Language = Literal["en", "zh", "other"]
Relevance = Literal["subject", "party", "passing"]
SentimentLabel = Literal["negative", "neutral", "positive"]
OpinionLabel = Literal["negative", "neutral", "positive", "unsure"]
Question = Literal["what", "who", "amount", "when", "why", "source"]
Factuality = Literal["asserted", "hedged", "denied", "reported"]
EntityType = Literal["company", "institution", "person", "branch", "product"]

SENTIMENTS: tuple[SentimentLabel, ...] = ("negative", "neutral", "positive")

UNSURE_BELOW = 0.5
"""A label whose calibrated probability is lower is as likely wrong as right: it is "unsure", and counted apart. A risk
event below it is shown with its score, and makes no alert graver."""


class Item(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="item/1"):
    """What a source published, as it came through the door (see ``voxpop.sources.door``)."""

    source: str
    id: str
    channel: Channel
    published_at: datetime
    text: str
    received_at: datetime
    title: str = ""
    url: str | None = None
    author: str | None = None
    reach: int = 1
    """How many people or posts carried it, as the source counts; a post that says nothing reaches 1."""
    replies: int = 0
    lang: str | None = None
    """What the source says its language is; only a hint."""
    revised_at: datetime | None = None
    """When the source last changed it, where it says so."""


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """A watched company, institution, person, branch or product."""

    id: str
    name: str
    type: EntityType = "company"
    aliases: tuple[Name, ...] = ()
    tickers: tuple[str, ...] = ()
    exchange: str | None = None
    country: str | None = None
    sector: str | None = None
    parent: str | None = None
    own: bool = False
    """The desk's own firm."""
    isin: str | None = None
    lei: str | None = None


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """One name of an entity and the dates between which it was in use (inclusive; None is open)."""

    text: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """An entity named in a document: the exact span, how central it is, and how sure the link is (0 to 1)."""

    entity: str
    start: int
    end: int
    relevance: Relevance
    confidence: float


class Document(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="document/1"):
    """A revision of an item: cleaned, personal data masked, language known, companies linked, signature computed."""

    id: str
    revision: str
    """Hash of the cleaned text: the same words are the same revision, however often they come."""
    source: str
    channel: Channel
    published_at: datetime
    revised_at: datetime
    received_at: datetime
    sequence: int
    """Offset of the item in the log: of two revisions with one ``revised_at`` the later arrival is the latest."""
    text: str
    title_end: int
    """``text[:title_end]`` is the title; 0 where there is none."""
    lang: Language
    url: str | None = None
    author: str | None = None
    reach: int = 1
    replies: int = 0
    words: str
    """The normalised words that near-repeats are compared by (see ``voxpop.text.stories``)."""
    bands: tuple[int, ...] = ()
    """Locality-sensitive hashes of ``words``, signed 64-bit: near-repeats share at least one."""
    mentions: tuple[Mention, ...] = ()
    linked_with: str = ""
    """Version of the watchlist that the mentions come from."""


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """How one document speaks of one entity, by one model version.

    ``label`` is None where it could not be read, and "unsure" where no probability is high enough to believe in.
    """

    entity: str
    label: OpinionLabel | None
    negative: float | None = None
    neutral: float | None = None
    positive: float | None = None


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic and its probability."""

    label: str
    score: float


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a document asserts about an entity: a span of its text that answers one question."""

    entity: str
    question: Question
    start: int
    end: int
    score: float
    """Probability that the span answers the question."""
    entailment: float
    """Probability that the document entails the statement made of it (see ``voxpop.models.questions``)."""
    factuality: Factuality


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """A risk event that a document says has befallen an entity."""

    entity: str
    event: str
    """Its id in the table of events."""
    severity: int
    """1 watch, 2 serious, 3 critical."""
    sentence: str
    """What the document says of the entity."""
    score: float
    """Probability that it does, by all evidence (see ``voxpop.risks``)."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one model version read in one document."""

    document: Document
    model: str
    read: bool
    """False where nothing was read: no watched entity is named, or the profile cannot read the language (such a
    document counts for volume and is never guessed at)."""
    topics: tuple[Topic, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    claims: tuple[Claim, ...] = ()
    risks: tuple[Risk, ...] = ()


class TrendPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One entity in one window, by one model version. Stories count once, in the window of their first document."""

    entity: str
    start: datetime
    model: str
    stories: int
    negative_stories: int
    positive_stories: int
    unread_stories: int
    unsure_stories: int
    mentions: int
    sentiment: float | None
    """Mean over stories of P(positive) - P(negative), -1 to 1; None where nothing was read."""
    reach: int


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A surge or a spreading story: which entity, when (in the stream's own time), how surprising, on what evidence."""

    id: str
    entity: str
    rule: str
    fired_at: datetime
    window_start: datetime
    score: float
    """Surprise, -log10 of the probability of so much where all is as usual; for surges the sum of two such."""
    cut: float
    hours: int
    """The horizon that the score comes from, at the worst moment so far."""
    stories: int
    """Stories that counted over this horizon."""
    expected: float
    """How many of them, or for a spreading story how much reach, is usual."""
    negative_stories: int
    """Stories read as negative from the start of the window on, as long as it goes on."""
    unread_stories: int
    model: str
    reach: int = 0
    """Of a spreading story: the reach that it gained over the horizon."""
    evidence: tuple[str, ...] = ()
    """Ids of the documents that caused it, the first of each story, most carried first."""


TOPICS: Mapping[str, str] = {"news": "items.news", "social": "items.social", "document": "documents"}
"""The topics of the log: items by channel, keyed by source id; documents keyed by their first entity."""

ERASED = b'{"record":"erased/1"}'
"""The value of a record of the log that was erased: it keeps its place, so that no reader finds a gap."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was refused: where, why, and what it was. ``payload`` is raw: show it masked."""

    stage: str
    reason: str
    payload: bytes
    origin: str = ""
    """The file, feed or topic partition that it came from."""
    position: int | None = None
    """Line number in a file (from 1) or offset in a partition."""

    @property
    def id(self) -> str:
        """The same refused record from the same place is the same dead letter."""
        return digest(self.stage, self.origin, str(self.position), self.payload)


def digest(*parts: str | bytes, size: int = 16) -> str:
    """Hexadecimal BLAKE2b of ``parts``, unambiguous about where one ends (each is preceded by its length)."""
    hasher = blake2b(digest_size=size)
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        hasher.update(len(raw).to_bytes(8, "big"))
        hasher.update(raw)
    return hasher.hexdigest()


def document_id(source: str, item_id: str) -> str:
    """The id of a document: a hash of its natural key, so that an item sent twice is one document."""
    return digest(source, item_id)


R = TypeVar("R", Item, Document)

_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[object]] = {kind: msgspec.json.Decoder(kind) for kind in (Item, Document)}


def encode(record: Item | Document) -> bytes:
    """The record as one line of JSON."""
    return _encoder.encode(record)


def decode(kind: type[R], payload: bytes) -> R:
    """The record of type ``kind`` in ``payload``.

    Raises:
        Refused: not JSON, another type or version of record, or a field that is not what it must be.
    """
    try:
        record = _decoders[kind].decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"not a record of type {kind.__name__}: {error}") from error
    assert isinstance(record, kind)
    return record

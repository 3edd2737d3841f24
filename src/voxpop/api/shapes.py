"""What the API takes and gives, as its description shows it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from voxpop.records import Factuality, OpinionLabel, Question
from voxpop.signals.severity import Severity
from voxpop.store.people import LONGEST_COMMENT

T = TypeVar("T")

PERSON: Final = "Whose deed it is, by an id that stays when the name changes; empty: nobody's, or not known."
MOST_TEXT: Final = 20_000
MOST_TEXTS: Final = 64
MOST_ITEMS: Final = 1_000
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ].*(?:[Zz]|[+-]\d\d:?\d\d)")
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _written(value: Any) -> Any:
    """Only what is written out: a bare number is no time."""
    if isinstance(value, str) and not _ISO.fullmatch(value.replace(" ", "+") if value.count(" ") == 1 else value):
        raise ValueError("a time is written 2026-03-15T09:30:00Z, with its zone")
    # In an address a plus sign means a blank, so that the zone +08:00 comes as " 08:00".
    return re.sub(r" (\d\d:?\d\d)$", r"+\1", value) if isinstance(value, str) else value


def _number(value: Any) -> Any:
    """6 and 6.0 are one number; "6" and true are none."""
    if isinstance(value, str | bool):
        raise ValueError("this is no number")
    return value


def _within(value: datetime) -> datetime:
    """In UTC; what lies further off than anything here is brought near, for not all of it can be reckoned with."""
    return min(max(value, _EARLIEST), _LATEST).astimezone(UTC)


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_within)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]+$")]


class Shape(BaseModel):
    """Base of the shapes; a field that is not known is an error, so that a misspelt one is not silently nothing."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


class Page(Shape, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(description="Send it as `cursor` for the page after this one; null: this is the last.")
    as_of: datetime = Field(description="Nothing here became available later; all pages of a list have the same.")


class Entity(Shape):
    """Somebody who is watched, and what was told of them on the last day."""

    id: str = Field(examples=["acme"])
    name: str = Field(examples=["Acmetron"])
    type: str | None
    sector: str | None
    country: str | None
    own: bool
    active: bool = Field(description="False: was watched once.")
    stories: int
    negative_stories: int
    unread_stories: int
    sentiment: float | None = Field(description="Mean of hours, -1 to 1; null where nothing was read.")


class TrendPoint(Shape):
    """One entity in one hour. Hours in which nothing was said have no point."""

    entity: str = Field(examples=["acme"])
    start: datetime
    stories: int
    negative_stories: int
    positive_stories: int
    unread_stories: int
    unsure_stories: int
    mentions: int
    sentiment: float | None = Field(description="Mean over stories of P(positive) - P(negative), -1 to 1.")
    reach: int
    model: str
    available_at: datetime
    reconstructed: bool = Field(description="Written by a replay of history, whose clock gave available_at.")


class Move(Shape):
    """Something that became of an alert."""

    kind: str = Field(examples=["acknowledged"])
    at: datetime
    who: str = Field(examples=["jane"], description="Their name then; voxpop where no person did it.")
    person: str = Field(description=PERSON, examples=["user:0c9a7d3e42f65b1f"])
    note: str


class Alert(Shape):
    """A surge or rule that fired, as it stood."""

    id: str
    entity: str
    rule: str = Field(examples=["surge"])
    state: str = Field(examples=["firing"], description="firing, or resolved: the signal is below its cut again.")
    fired_at: datetime
    window_start: datetime
    last_at: datetime
    score: float = Field(description="Surprise, -log10 of the probability of so much where all is as usual.")
    cut: float
    hours: int
    stories: int
    negative_stories: int
    unread_stories: int
    expected: float
    reach: int
    model: str
    evidence: list[str] = Field(description="Ids of documents, the most carried first.")
    available_at: datetime
    reconstructed: bool
    revision: int
    moves: list[Move]


class Comment(Shape):
    """What somebody wrote about an alert."""

    id: str
    alert: str
    who: str = Field(examples=["jane"], description="Their name then.")
    person: str = Field(description=PERSON, examples=["user:0c9a7d3e42f65b1f"])
    note: str = Field(examples=["Their press office answers by noon."])
    at: datetime


class Silence(Shape):
    """Alerts that nobody is told of for a while. An empty condition is met by all."""

    id: str = Field(examples=["3f9a1c02d47e58b60a9c12e7f4d83b65"])
    starts_at: datetime
    until: datetime = Field(description="As it is known now, whatever `as_of` is: one that was ended ended then.")
    who: str = Field(examples=["jane"])
    reason: str = Field(examples=["The sale is known."])
    entity: str = Field(examples=["acme"])
    rule: str = Field(examples=["surge"])
    sector: str = Field(examples=[""])
    severity: Severity = Field(description="Graver alerts than this are told all the same.")
    person: str = Field(description="Id of who: it stays when their name changes.", examples=["token:3f9a1c02"])


class Claim(Shape):
    """What a document claims about an entity, word for word."""

    entity: str
    document: str
    revision: str
    published_at: datetime
    source: str
    url: str | None
    question: Question
    text: str
    start: int = Field(description="Code points into the document's text, half-open.")
    end: int
    score: float
    entailment: float
    factuality: Factuality
    model: str
    available_at: datetime
    reconstructed: bool


class Story(Shape):
    """The documents about an entity that are one piece of news retold."""

    entity: str
    story: str
    first: datetime
    last: datetime
    documents: int
    sources: int
    reach: int
    label: OpinionLabel | None
    negative: float | None
    neutral: float | None
    positive: float | None
    model: str


# ------------------------------------------------------------------------------------------------ what is sent


class Sent(Shape):
    """A text to read."""

    id: Annotated[str, StringConstraints(max_length=200)] = Field("", description="Comes back with the answer.")
    text: Annotated[str, StringConstraints(min_length=1, max_length=MOST_TEXT)] = Field(
        examples=["Acmetron recalls 48,000 cars after eleven crashes."]
    )
    title: Annotated[str, StringConstraints(max_length=1_000)] = ""
    lang: Literal["en", "zh"] | None = Field(None, description="A hint; the text itself decides.")


class ToAnalyze(Shape):
    """Texts to read; nothing of them is stored."""

    texts: Annotated[list[Sent], Field(min_length=1, max_length=MOST_TEXTS)]


class Span(Shape):
    """Where an entity is named in the text."""

    entity: str
    start: int
    end: int
    relevance: str
    confidence: float


class Opinion(Shape):
    """How a text speaks of an entity; null where it could not be read."""

    entity: str
    label: OpinionLabel | None
    negative: float | None
    neutral: float | None
    positive: float | None


class Topic(Shape):
    """A topic and its probability."""

    label: str
    score: float


class Said(Shape):
    """A claim of a text."""

    entity: str
    question: Question
    text: str
    start: int
    end: int
    score: float
    entailment: float
    factuality: Factuality


class Risk(Shape):
    """A risk event that a text reports."""

    entity: str
    event: str
    severity: int
    sentence: str
    score: float


class Analysed(Shape):
    """What was read in a text, or why nothing was."""

    id: str
    refused: str | None = Field(description="Why it could not be read at all; then nothing else is there.")
    text: str = Field(description="As it was read: cleaned, personal data masked. Spans lie in this.")
    lang: str
    read: bool = Field(description="False: in a language that the model does not read.")
    mentions: list[Span]
    topics: list[Topic]
    sentiment: Opinion | None = Field(description="Of the text as such, where it names nobody who is watched.")
    opinions: list[Opinion]
    claims: list[Said]
    risks: list[Risk]


class Analyses(Shape):
    """Answers, in the order of the texts."""

    model: str
    results: list[Analysed]


class Items(Shape):
    """Items of a source, each as in a line of `voxpop ingest`."""

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_ITEMS)] = Field(
        examples=[
            [
                {
                    "source": "wire",
                    "id": "2026-03-15/17",
                    "channel": "news",
                    "published_at": "2026-03-15T09:30:00Z",
                    "title": "Acmetron recalls 48,000 cars",
                    "text": "Acmetron will recall 48,000 cars after eleven crashes.",
                }
            ]
        ]
    )


class Turned(Shape):
    """An item that was refused; it lies in the dead letters."""

    position: int = Field(description="Its place among the items, from 0.")
    field: str | None
    reason: str


class Taken(Shape):
    """What became of the items. The same ones may be sent again: they are the same documents."""

    accepted: int
    documents: list[str] = Field(description="Ids of the documents that the accepted items become, in order.")
    refused: list[Turned]


class ToAsk(Shape):
    """A question to the stored documents."""

    question: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"[^\s\x00]")] = Field(
        examples=["How many cars does Acmetron recall?"]
    )
    entities: Annotated[list[Word], Field(max_length=20)] = Field(
        [], description="Ids of whom it is about; none: whom the question names."
    )
    start: Moment | None = None
    end: Moment | None = None
    as_of: Moment | None = Field(None, description="Only what was known then.")
    limit: Annotated[int, Field(ge=1, le=12), BeforeValidator(_number)] = 5


class Cited(Shape):
    """Words of a document that answer."""

    text: str
    start: int = Field(description="Code points into the document's text, half-open.")
    end: int
    passage: str = Field(description="The sentences around it.")
    score: float = Field(description="Probability that the words answer.")
    likeness: float
    also: int = Field(description="Other documents that give the same answer.")
    document: str
    revision: str
    source: str
    author: str | None
    url: str | None
    published_at: datetime
    title: str


class Asked(Shape):
    """Answers, best first, each a quotation; none: it was not found."""

    found: bool
    answers: list[Cited]
    entities: list[str]
    documents: int
    model: str


class ToSay(Shape):
    """A comment on an alert."""

    note: Annotated[
        str, StringConstraints(min_length=1, max_length=LONGEST_COMMENT, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")
    ] = Field(examples=["Their press office answers by noon."])


class ToSilence(Shape):
    """Which alerts shall be silent, and for how long."""

    hours: Annotated[float, Field(ge=0.25, le=24 * 31, examples=[8]), BeforeValidator(_number)]
    scope: Literal["entity", "rule"] = Field(
        "entity", description="All alerts about the entity, or those of this alert's rule only."
    )
    severity: Severity = Field("serious", description="Graver alerts than this are told all the same.")
    reason: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")] = Field(
        "", description="Why, for others to read.", examples=["The sale is known."]
    )

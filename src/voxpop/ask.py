"""A question answered from stored documents, word for word, or not at all.

Three steps, each over fewer texts by a dearer means: documents by the words of the question, of the companies that it
names (full text); their passages by meaning (the encoder's embeddings); and in the nearest of these the span that
answers (extractive question answering, which may find none). Nothing is written: an answer is a quotation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import Connection

from voxpop.errors import Refused
from voxpop.records import Language
from voxpop.store.search import Found, search
from voxpop.text.answers import trimmed
from voxpop.text.language import detect

if TYPE_CHECKING:
    from voxpop.models import Reader
    from voxpop.models.spans import Answer
    from voxpop.text.entities import Linker

MOST_QUESTION: Final = 500
LEAST_SCORE: Final[Mapping[Language, float]] = {"en": 0.5, "zh": 0.4}
"""A span that is as likely wrong as right is no answer. In Chinese, where many spans of a word more or less are as
good, one of less is: of 36 questions invented to choose it, 12 of the 18 with an answer get one, and none of the
others."""
LEAST_LIKENESS: Final = 0.5
"""A passage whose meaning is farther from the question's (cosine) is about something else."""
_PASSAGE: Final = 600
"""Characters of a passage, roughly; a sentence is not cut."""
_DOCUMENTS, _READ = 40, 12
"""Documents whose passages are compared, and passages that are read."""
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


class Passage(NamedTuple):
    """A run of whole sentences of a document."""

    found: Found
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.found.text[self.start : self.end]


class Quote(NamedTuple):
    """An answer: words of a document, and where they stand."""

    text: str
    start: int
    end: int
    """``document.text[start:end]`` is the answer."""
    passage_start: int
    passage_end: int
    """The sentences around it, to show it in."""
    score: float
    """Probability that it is right, 0 to 1."""
    likeness: float
    """Of passage and question, -1 to 1."""
    document: Found
    also: int
    """Other documents that give the same answer."""


class Answered(NamedTuple):
    """The answers to a question, best first; none: it was not found."""

    question: str
    quotes: list[Quote]
    entities: list[str]
    """Only documents about these were looked at; all, where there are none."""
    documents: int
    """How many had words of the question."""
    model: str


def ask(
    connection: Connection,
    question: str,
    reader: Reader,
    linker: Linker,
    *,
    entities: Sequence[str] = (),
    start: datetime = _EARLIEST,
    end: datetime = _LATEST,
    as_of: datetime | None = None,
    most: int = 5,
) -> Answered:
    """Answers a question from what is stored.

    Args:
        entities: ids of whom it is about; none: whom the question names.
        start: only documents published then or later.
        end: only documents published before then.
        as_of: only what was known then; None: now.
        most: answers at most.

    Raises:
        Refused: the question is empty or longer than ``MOST_QUESTION`` characters.
        ModelError: the profile answers no questions.
        StoreUnavailable: the search took too long.
    """
    asked, now = " ".join(question.replace("\0", " ").split()), datetime.now(UTC)
    if not asked or len(asked) > MOST_QUESTION:
        raise Refused(f"a question has 1 to {MOST_QUESTION} characters", "question")
    lang = detect(asked)
    named = linker.link(asked, title_end=0, published_at=now, lang=lang)
    about = list(dict.fromkeys(entities or (mention.entity for mention in named)))
    found = search(connection, asked, start=start, end=end, as_of=as_of or now, entities=about or None, most=_DOCUMENTS)
    readable = [one for one in found if one.lang in reader.languages]
    put = marked(asked, lang)
    nearest = _nearest(put, [p for one in readable for p in passages(one)], reader)
    quotes = _quotes(nearest, reader.answers([(put, passage.text) for passage, _ in nearest]))
    return Answered(asked, quotes[:most], about, len(found), reader.version)


def marked(question: str, lang: Language) -> str:
    """A Chinese question with the mark that the model learned from, however it was typed; others as they are.

    >>> marked("谁在调查平安?", "zh"), marked("谁在调查平安", "zh"), marked("Who sues Acme?", "en")
    ('谁在调查平安？', '谁在调查平安？', 'Who sues Acme?')
    """
    return f"{question.rstrip(' ?？')}？" if lang == "zh" else question


_SENTENCE: Final = re.compile(r".+?(?:[.!?]['\")\]]*(?=\s)|[。！？]+[”’」』）]*|\n+|$)", re.DOTALL)


def passages(found: Found) -> list[Passage]:
    """The document in runs of whole sentences of about ``_PASSAGE`` characters; its title is one of its own."""
    runs: list[list[int]] = []
    for sentence in _SENTENCE.finditer(found.text):
        start, end = sentence.span()
        if not sentence[0].strip():
            continue
        if runs and end - runs[-1][0] <= _PASSAGE and not runs[-1][0] < found.title_end <= start:
            runs[-1][1] = end
        else:
            runs.append([start, end])
    return [Passage(found, start, end) for start, end in runs]


def _nearest(asked: str, among: Sequence[Passage], reader: Reader) -> list[tuple[Passage, float]]:
    """The passages nearest to the question, with their likeness to it."""
    if not among:
        return []
    vectors = reader.embed([asked, *(passage.text for passage in among)])
    likeness = (vectors[1:] @ vectors[0]).tolist()
    order = sorted(range(len(among)), key=lambda i: (-likeness[i], -among[i].found.rank, among[i].found.document))
    return [(among[i], likeness[i]) for i in order[:_READ] if likeness[i] >= LEAST_LIKENESS]


def _quotes(nearest: Sequence[tuple[Passage, float]], answers: Sequence[Answer | None]) -> list[Quote]:
    """The answers, best first, equal ones once."""
    by_words: dict[str, list[Quote]] = {}
    for (passage, likeness), answer in zip(nearest, answers, strict=True):
        if answer is None or answer.score < LEAST_SCORE["zh" if passage.found.lang == "zh" else "en"]:
            continue
        words = trimmed(passage.text[answer.start : answer.end])
        start = passage.start + answer.start
        span = (start, start + len(words), passage.start, passage.end)
        quote = Quote(words, *span, answer.score, likeness, passage.found, 0)
        by_words.setdefault(" ".join(words.casefold().split()).strip(".,;:!?。，"), []).append(quote)
    best = [
        max(of, key=lambda quote: quote.score * quote.likeness)._replace(also=len(of) - 1) for of in by_words.values()
    ]
    return sorted(best, key=lambda quote: (-quote.score * quote.likeness, quote.document.document))

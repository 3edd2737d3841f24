"""What a document says about an entity beyond its sentiment: claims, word for word, and the risks that it entails.

A cascade keeps the cost down: only documents where it can matter are asked; the main question comes first, and the
others only where it has an answer; inference then sees what was found, and few events, the nearest by embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from voxpop.knowledge.events import Events, Ranking, texts_of
from voxpop.models.questions import FRAMES, ask, statement
from voxpop.records import Claim, Factuality, Language, Question, Risk
from voxpop.text.answers import fits, trimmed
from voxpop.text.factuality import factuality, sentence_of
from voxpop.text.spoken import spoken

if TYPE_CHECKING:
    from voxpop.models import Reader
    from voxpop.models.spans import Answer

CLAIM_ENTAILMENT = 0.3
"""A claim is kept from this probability on that its document entails it; chosen, as the next and
``CUE_WEIGHT``, on the annotated documents that training held out; a finer choice on so few was worse elsewhere."""

CLAIM_SCORE = 0.55
"""A claim is kept from this probability on that its span is right."""

RISK_ENTAILMENT = 0.5
NEAREST_EVENTS = 4
"""Events that a document is judged by."""

CALM = 0.85
"""A document this surely neutral towards an entity is asked nothing, unless its topic is one of ``SERIOUS``."""

SERIOUS = frozenset(
    {
        "Legal / Regulation",
        "M&A / Investments",
        "Personnel Change",
        "Company / Product News",
        "Treasuries / Corporate Debt",
    }
)

_PRICES = frozenset(
    {"Stock Movement", "Stock Commentary", "Markets", "Currencies", "Gold / Metals / Materials", "Energy / Oil"}
)
_EVERY: tuple[Question, ...] = ("who", "amount", "when", "why", "source")


class Asked(NamedTuple):
    """A text, the entity asked about as the text names it, and its topic where that is known."""

    text: str
    entity: str
    name: str
    topic: str = ""


def worth_asking(neutral: float | None, topic: str) -> bool:
    """Whether a document can matter: it judges the entity, or its topic is a serious one."""
    return neutral is None or neutral < CALM or topic in SERIOUS


def questions_for(topic: str) -> tuple[Question, ...]:
    """What is asked besides the main question: of prices moving nobody else takes part."""
    return ("amount", "when", "why", "source") if topic in _PRICES else _EVERY


def claims(asked: Sequence[Asked], reader: Reader) -> list[tuple[Claim, ...]]:
    """The claims of each text about its entity; none where it claims nothing, or inference does not bear it out."""
    langs = [language(one, reader) for one in asked]
    mains = reader.answers([(ask("what", one.name, lang), one.text) for one, lang in zip(asked, langs, strict=True)])
    taken = [_taken("what", main, one.text) for one, main in zip(asked, mains, strict=True)]
    found: list[dict[Question, Answer]] = [{"what": main} if main else {} for main in taken]
    further = [(i, q) for i, one in enumerate(asked) if found[i] for q in questions_for(one.topic)]
    answers = reader.answers([(ask(q, asked[i].name, langs[i]), asked[i].text) for i, q in further])
    for (i, question), answer in zip(further, answers, strict=True):
        if words := _taken(question, answer, asked[i].text):
            found[i][question] = words
    ways = _ways(asked, found, reader)
    return _borne_out(asked, found, ways, reader)


def _taken(question: Question, answer: Answer | None, text: str) -> Answer | None:
    """The answer without what a post ends with; None where its words can be none."""
    if answer is None:
        return None
    words = trimmed(text[answer.start : answer.end])
    return answer._replace(end=answer.start + len(words)) if fits(question, words) else None


def _ways(
    asked: Sequence[Asked], found: Sequence[Mapping[Question, Answer]], reader: Reader
) -> list[tuple[Factuality, float] | None]:
    """How each text makes its main claim, and how surely: what its words say, unless inference is sure of another."""
    pairs, owners = [], []
    for i, (one, answers) in enumerate(zip(asked, found, strict=True)):
        if "what" in answers:
            lang = language(one, reader)
            what = one.text[answers["what"].start : answers["what"].end]
            pairs += [
                (premise(one.text, one.name), statement("what", one.name, what, what, way, lang)) for way in FRAMES
            ]
            owners.append(i)
    entailed = reader.infer(pairs)[:, 0].reshape(-1, len(FRAMES)) if pairs else ()
    ways: list[tuple[Factuality, float] | None] = [None] * len(asked)
    for i, scores in zip(owners, entailed, strict=True):
        by_way = dict(zip(FRAMES, (float(score) for score in scores), strict=True))
        answer = found[i]["what"]
        ways[i] = decide(factuality(asked[i].text, answer.start, answer.end), by_way)
    return ways


def decide(cue: Factuality, entailed: Mapping[Factuality, float]) -> tuple[Factuality, float]:
    """The factuality of a claim from the cue of its words and the probability of its statement in each frame."""
    best = max(entailed, key=lambda way: entailed[way])
    way = best if entailed[best] - entailed[cue] > CUE_WEIGHT else cue
    return way, entailed[way]


CUE_WEIGHT = 0.7
"""How much surer inference must be of another way of claiming than the one that the words show."""


def _borne_out(
    asked: Sequence[Asked],
    found: Sequence[Mapping[Question, Answer]],
    ways: Sequence[tuple[Factuality, float] | None],
    reader: Reader,
) -> list[tuple[Claim, ...]]:
    """Keeps what the documents entail; without its main claim a text has none."""
    kept = [i for i, way in enumerate(ways) if way and way[1] >= CLAIM_ENTAILMENT]
    pairs: list[tuple[str, str]] = []
    places: list[tuple[int, Question]] = []
    for i in kept:
        one, way = asked[i], ways[i]
        assert way is not None
        main = one.text[found[i]["what"].start : found[i]["what"].end]
        for question, answer in found[i].items():
            if question != "what":
                text = one.text[answer.start : answer.end]
                pairs.append(
                    (
                        premise(one.text, one.name),
                        statement(question, one.name, main, text, way[0], language(one, reader)),
                    )
                )
                places.append((i, question))
    entailed = reader.infer(pairs)[:, 0].tolist() if pairs else []
    scores = dict(zip(places, entailed, strict=True))
    result: list[tuple[Claim, ...]] = [()] * len(asked)
    for i in kept:
        way = ways[i]
        assert way is not None
        scores[i, "what"] = way[1]
        result[i] = tuple(
            Claim(
                entity=asked[i].entity,
                question=question,
                start=answer.start,
                end=answer.end,
                score=answer.score,
                entailment=scores[i, question],
                factuality="asserted" if question == "source" else way[0],
            )
            for question, answer in found[i].items()
            if scores[i, question] >= CLAIM_ENTAILMENT and answer.score >= CLAIM_SCORE
        )
    return result


def language(one: Asked, reader: Reader) -> Language:
    """In which a text is asked: Chinese where the reader reads it and the sentence that names the entity is Chinese."""
    if "zh" not in reader.languages:
        return "en"
    at = max(one.text.find(one.name), 0)
    return spoken(one.text, (at, at + len(one.name)), reader.languages, "en")


class Judge:
    """Judges texts by a table of risk events. Its rankings, one for each language that the reader reads, are made once,
    from the events' examples."""

    def __init__(self, events: Events, reader: Reader) -> None:
        self.events, self._reader = events, reader
        readable: tuple[Language, ...] = ("en", "zh") if "zh" in reader.languages else ("en",)
        self._rankings = {lang: self._ranking(lang) for lang in readable}

    def _ranking(self, lang: Language) -> Ranking:
        pairs = texts_of(self.events, lang)
        return Ranking([key for key, _ in pairs], self._reader.embed([text for _, text in pairs]))

    def risks(self, asked: Sequence[Asked]) -> list[tuple[Risk, ...]]:
        """The events that each text entails about its entity, surest first."""
        if not asked:
            return []
        premises = [premise(one.text, one.name) for one in asked]
        langs = [language(one, self._reader) for one in asked]
        vectors = self._reader.embed(premises)
        nearest = [self._rankings[lang].nearest(vectors[i : i + 1], NEAREST_EVENTS)[0] for i, lang in enumerate(langs)]
        places = [(i, key) for i, keys in enumerate(nearest) for key in keys]
        sentences = {(i, key): self.events[key].sentence(asked[i].name, langs[i]) for i, key in places}
        pairs = [(premises[i], sentences[i, key]) for i, key in places]
        found: list[list[Risk]] = [[] for _ in asked]
        for (i, key), probabilities in zip(places, self._reader.infer(pairs), strict=True):
            if probabilities[0] >= RISK_ENTAILMENT:
                found[i].append(
                    Risk(
                        entity=asked[i].entity,
                        event=key,
                        severity=self.events[key].severity,
                        sentence=sentences[i, key],
                        score=float(probabilities[0]),
                    )
                )
        return [tuple(sorted(risks, key=lambda risk: (-risk.score, risk.event))) for risks in found]


MOST_CHARACTERS = 700


def premise(text: str, name: str) -> str:
    """What inference reads of a text: all of a short one, else the sentences from the first that names the entity."""
    if len(text) <= MOST_CHARACTERS:
        return text
    at = max(text.find(name), 0)
    start, _ = sentence_of(text, at, at + len(name))
    start = max(start, at - MOST_CHARACTERS // 2)  # a text without full stops must not push the name out
    return text[start : start + MOST_CHARACTERS]


def first_names(text: str, spans: Iterable[tuple[str, int, int]]) -> dict[str, str]:
    """The first name by which a text calls each entity, of its mentions (entity, start, end)."""
    names: dict[str, str] = {}
    for entity, start, end in sorted(spans, key=lambda one: one[1]):
        names.setdefault(entity, text[start:end])
    return names

"""What a document says about an entity beyond its sentiment: claims, word for word.

A cascade keeps the cost down: only documents where it can matter are asked; the main question comes first, and the
others only where it has an answer; inference then sees what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from voxpop.models.questions import FRAMES, ask, statement
from voxpop.records import Claim, Factuality, Language, Question
from voxpop.text.answers import fits, trimmed
from voxpop.text.factuality import factuality, sentence_of, sentences
from voxpop.text.spoken import spoken

if TYPE_CHECKING:
    from voxpop.models import Reader
    from voxpop.models.spans import Answer

CLAIM_ENTAILMENT = 0.3
"""A claim is kept from this probability on that its document entails it; chosen, as the next and
``CUE_WEIGHT``, on the annotated documents that training held out; a finer choice on so few was worse elsewhere."""

CLAIM_SCORE: Mapping[Language, float] = {"en": 0.55, "zh": 0.3}
"""A claim is kept from this probability on that its span is right; in Chinese, where many spans of a word more or less
are as good, from a lower one, chosen on annotated documents that training held out."""

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
    kept = {i: way for i, way in enumerate(ways) if way and way[1] >= CLAIM_ENTAILMENT}
    pairs: list[tuple[str, str]] = []
    places: list[tuple[int, Question]] = []
    for i, (how, _) in kept.items():
        stated = _statements(asked[i], found[i], how, language(asked[i], reader))
        pairs += [(premise(asked[i].text, asked[i].name), words) for words in stated.values()]
        places += [(i, question) for question in stated]
    entailed = reader.infer(pairs)[:, 0].tolist() if pairs else []
    scores: list[dict[Question, float]] = [{} for _ in asked]
    for (i, question), score in zip(places, entailed, strict=True):
        scores[i][question] = score
    result: list[tuple[Claim, ...]] = [()] * len(asked)
    for i, (how, surely) in kept.items():
        lang = language(asked[i], reader)
        result[i] = _entailed(asked[i].entity, found[i], how, {**scores[i], "what": surely}, lang)
    return result


def _statements(one: Asked, found: Mapping[Question, Answer], how: Factuality, lang: Language) -> dict[Question, str]:
    """What each answer but the main one says, as a sentence that the text may entail."""
    words = {question: one.text[answer.start : answer.end] for question, answer in found.items()}
    return {
        question: statement(question, one.name, words["what"], text, how, lang)
        for question, text in words.items()
        if question != "what"
    }


def _entailed(
    entity: str, found: Mapping[Question, Answer], how: Factuality, scores: Mapping[Question, float], lang: Language
) -> tuple[Claim, ...]:
    """The claims of one text that it entails by these probabilities, and whose spans are sure enough."""
    return tuple(
        Claim(
            entity=entity,
            question=question,
            start=answer.start,
            end=answer.end,
            score=answer.score,
            entailment=scores[question],
            factuality="asserted" if question == "source" else how,
        )
        for question, answer in found.items()
        if scores[question] >= CLAIM_ENTAILMENT and answer.score >= CLAIM_SCORE[lang]
    )


def language(one: Asked, reader: Reader) -> Language:
    """In which a text is asked: Chinese where the reader reads it and the sentence that names the entity is Chinese."""
    if "zh" not in reader.languages:
        return "en"
    at = max(one.text.find(one.name), 0)
    return spoken(one.text, (at, at + len(one.name)), reader.languages, "en")


MOST_CHARACTERS = 700


def premise(text: str, name: str) -> str:
    """What inference reads of a text: all of a short one, else the sentences from the first that names the entity."""
    if len(text) <= MOST_CHARACTERS:
        return text
    at = max(text.find(name), 0)
    start, _ = sentence_of(text, at, at + len(name))
    start = max(start, at - MOST_CHARACTERS // 2)  # a text without full stops must not push the name out
    return text[start : start + MOST_CHARACTERS]


def naming(premise: str, name: str) -> str:
    """The sentences of a premise that name the entity; all of it where none does."""
    return "".join(sentence for sentence in sentences(premise) if name in sentence).strip() or premise


def first_names(text: str, spans: Iterable[tuple[str, int, int]]) -> dict[str, str]:
    """The first name by which a text calls each entity, of its mentions (entity, start, end)."""
    names: dict[str, str] = {}
    for entity, start, end in sorted(spans, key=lambda one: one[1]):
        names.setdefault(entity, text[start:end])
    return names

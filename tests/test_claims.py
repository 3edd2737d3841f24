"""What is asked of a document, what is made of the answers, and what is never asked."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from tests.scripted import Script, reader_of
from tests.store.samples import document
from voxpop.claims import (
    CALM,
    CUE_WEIGHT,
    MOST_CHARACTERS,
    SERIOUS,
    Asked,
    claims,
    decide,
    first_names,
    naming,
    premise,
    questions_for,
    worth_asking,
)
from voxpop.knowledge.events import RiskEvent
from voxpop.models.questions import FRAMES, QUESTIONS, statement
from voxpop.reading import read
from voxpop.records import Claim, Document, Factuality, Language, Mention, Question
from voxpop.risks import Judge

TEXT = "Acme paid a fine of $5 million on Monday. Bolt was not involved."
WHAT, AMOUNT, WHEN = "paid a fine of $5 million", "$5 million", "Monday"
ACME = Asked(TEXT, "acme", "Acme", "Legal / Regulation")


def asks(question: Question, name: str = "Acme") -> str:
    return QUESTIONS[question].format(entity=name)


ANSWERS = {asks("what"): WHAT, asks("amount"): AMOUNT, asks("when"): WHEN}


def words(found: tuple[Claim, ...], text: str = TEXT) -> dict[Question, str]:
    return {claim.question: text[claim.start : claim.end] for claim in found}


def everything(premise: str, hypothesis: str) -> tuple[float, float, float]:
    return (0.75, 0.25, 0.0)


# --- the parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cue", "entailed", "expected"),
    [
        ("hedged", {"asserted": 0.75, "hedged": 0.125, "denied": 0.0, "reported": 0.0}, ("hedged", 0.125)),
        ("hedged", {"asserted": 0.875, "hedged": 0.125, "denied": 0.0, "reported": 0.0}, ("asserted", 0.875)),
        ("asserted", {"asserted": 0.125, "hedged": 0.25, "denied": 0.875, "reported": 0.5}, ("denied", 0.875)),
        ("reported", {"asserted": 0.125, "hedged": 0.125, "denied": 0.125, "reported": 0.25}, ("reported", 0.25)),
    ],
)
def test_the_cue_stands_unless_inference_is_much_surer(
    cue: Factuality, entailed: Mapping[Factuality, float], expected: tuple[Factuality, float]
) -> None:
    assert 0.625 < CUE_WEIGHT < 0.75
    assert decide(cue, entailed) == expected


def test_a_short_text_is_its_own_premise() -> None:
    assert premise(TEXT, "Bolt") == TEXT
    assert premise("x" * MOST_CHARACTERS, "Bolt") == "x" * MOST_CHARACTERS


def test_of_a_long_text_the_premise_begins_with_the_sentence_that_names_the_entity() -> None:
    text = "Nothing of note. " * 60 + "Rumours about Acme spread. " + "More follows. " * 80
    found = premise(text, "Acme")
    assert found.startswith("Rumours about Acme spread. More follows.")
    assert len(found) == MOST_CHARACTERS
    assert premise(text, "Nobody") == text[:MOST_CHARACTERS]


@pytest.mark.parametrize("before", ["word " * 400, "x" * 3000, "words; and more, " * 70])
def test_the_premise_names_the_entity_even_where_no_sentence_ends(before: str) -> None:
    found = premise(f"{before} Acme was fined" + " and so on" * 200, "Acme")
    assert "Acme was fined" in found
    assert len(found) <= MOST_CHARACTERS


def test_the_sentences_that_name_the_entity_are_read_by_themselves() -> None:
    assert naming(TEXT, "Acme") == "Acme paid a fine of $5 million on Monday."
    assert naming(TEXT, "Bolt") == "Bolt was not involved."
    assert naming(TEXT, "Nobody") == TEXT
    assert naming("青禾食品召回饼干。北辰汽车没有。青禾食品致歉。", "青禾食品") == "青禾食品召回饼干。青禾食品致歉。"


def test_of_prices_moving_nobody_else_takes_part() -> None:
    assert questions_for("Stock Movement") == ("amount", "when", "why", "source")
    assert questions_for("Legal / Regulation") == ("who", "amount", "when", "why", "source")
    assert questions_for("") == questions_for("Legal / Regulation")


@pytest.mark.parametrize(
    ("neutral", "topic", "expected"),
    [
        (CALM, "Earnings", False),
        (CALM - 0.01, "Earnings", True),
        (1.0, "", False),
        (None, "Earnings", True),
        *((1.0, topic, True) for topic in sorted(SERIOUS)),
    ],
)
def test_a_calm_document_of_no_serious_topic_is_not_worth_asking(
    neutral: float | None, topic: str, expected: bool
) -> None:
    assert worth_asking(neutral, topic) is expected


def test_a_name_is_the_first_that_stands_in_the_text_whatever_order_the_mentions_have() -> None:
    text = "ACM shares: Acme Corp sues Bolt"
    spans = [("acme", 12, 21), ("bolt", 27, 31), ("acme", 0, 3)]
    assert first_names(text, spans) == {"acme": "ACM", "bolt": "Bolt"}
    assert first_names(text, []) == {}


# --- claims ----------------------------------------------------------------------------------------------------------


def test_the_claims_are_the_words_that_answer_and_are_entailed() -> None:
    script = Script(ANSWERS, everything)
    (found,) = claims([ACME], reader_of(script))
    assert words(found) == {"what": WHAT, "amount": AMOUNT, "when": WHEN}
    assert {(c.entity, c.factuality, c.score, c.entailment) for c in found} == {("acme", "asserted", 0.75, 0.75)}
    assert script.questions == [(asks(q), TEXT) for q in QUESTIONS]
    frames = [(TEXT, statement("what", "Acme", WHAT, WHAT, way)) for way in FRAMES]
    further = [
        (TEXT, statement("amount", "Acme", WHAT, AMOUNT, "asserted")),
        (TEXT, statement("when", "Acme", WHAT, WHEN, "asserted")),
    ]
    assert script.pairs == frames + further


def test_nothing_more_is_asked_where_the_main_question_has_no_answer() -> None:
    script = Script({asks("amount"): AMOUNT, asks("when"): WHEN}, everything)
    assert claims([ACME], reader_of(script)) == [()]
    assert script.questions == [(asks("what"), TEXT)]
    assert script.pairs == []


def test_only_the_texts_with_a_main_claim_are_asked_on_and_each_keeps_its_own() -> None:
    calm = Asked("Bolt opens its doors.", "bolt", "Bolt", "Stock Movement")
    script = Script(ANSWERS | {asks("what", "Cog"): "moves"}, everything)
    cog = Asked("Cog moves up.", "cog", "Cog", "Stock Movement")
    found = claims([calm, ACME, cog], reader_of(script))
    assert found[0] == ()
    assert words(found[1]) == {"what": WHAT, "amount": AMOUNT, "when": WHEN}
    assert words(found[2], cog.text) == {"what": "moves"}
    assert [c.entity for c in found[2]] == ["cog"]
    assert (asks("who", "Cog"), cog.text) not in script.questions
    assert (asks("why", "Cog"), cog.text) in script.questions
    assert not any(text == calm.text for question, text in script.questions if question != asks("what", "Bolt"))


def test_a_claim_that_is_not_entailed_is_dropped() -> None:
    dropped = statement("amount", "Acme", WHAT, AMOUNT, "asserted")
    script = Script(ANSWERS, lambda _, hypothesis: (0.29, 0.71, 0.0) if hypothesis == dropped else (0.5, 0.5, 0.0))
    (found,) = claims([ACME], reader_of(script))
    assert words(found) == {"what": WHAT, "when": WHEN}


def test_without_its_main_claim_a_text_has_none() -> None:
    script = Script(ANSWERS, lambda _, hypothesis: (0.25, 0.75, 0.0))
    assert claims([ACME], reader_of(script)) == [()]
    assert len(script.pairs) == len(FRAMES)


def test_factuality_is_taken_from_inference_when_it_is_much_surer() -> None:
    denied = statement("what", "Acme", WHAT, WHAT, "denied")
    script = Script(ANSWERS, lambda _, hypothesis: (0.9 if "denied" in hypothesis else 0.1, 0.1, 0.0))
    (found,) = claims([ACME], reader_of(script))
    assert {claim.factuality for claim in found} == {"denied"}
    assert next(c.entailment for c in found if c.question == "what") == pytest.approx(0.9)
    assert (TEXT, denied) in script.pairs
    assert (TEXT, statement("amount", "Acme", WHAT, AMOUNT, "denied")) in script.pairs


def test_factuality_is_that_of_the_words_where_inference_is_not_much_surer() -> None:
    text = "Acme may have paid a fine."
    script = Script(
        {asks("what"): "paid a fine"}, lambda _, hypothesis: (0.5 if "possible" in hypothesis else 0.7, 0.3, 0.0)
    )
    ((claim,),) = claims([Asked(text, "acme", "Acme")], reader_of(script))
    assert claim.factuality == "hedged"
    assert claim.entailment == 0.5


def test_who_says_so_is_itself_asserted() -> None:
    text = "A regulator says Acme was fined."
    script = Script({asks("what"): "was fined", asks("source"): "A regulator"}, everything)
    (found,) = claims([Asked(text, "acme", "Acme")], reader_of(script))
    assert {claim.question: claim.factuality for claim in found} == {"what": "reported", "source": "asserted"}


def test_no_text_no_question() -> None:
    script = Script(ANSWERS, everything)
    assert claims([], reader_of(script)) == []
    assert (script.questions, script.pairs) == ([], [])


EVENTS = {
    "fine": RiskEvent(en="{entity} has paid a fine.", examples=("Acme paid a fine of $5 million",), severity=2),
    "merger": RiskEvent(en="{entity} has merged."),
}


# --- documents -------------------------------------------------------------------------------------------------------


def doc(name: str, text: str, lang: Language = "en", names: Mapping[str, str] | None = None) -> Document:
    named = {"acme": "Acme"} if names is None else names
    found = tuple(
        Mention(entity=entity, start=text.index(n), end=text.index(n) + len(n), relevance="subject", confidence=1)
        for entity, n in named.items()
    )
    return document(name, 0, text, lang=lang, mentions=found)


def test_equal_questions_are_asked_once_and_every_document_has_the_answers() -> None:
    script = Script(ANSWERS, everything)
    reader = reader_of(script)
    readings = read([doc("a", TEXT), doc("b", TEXT), doc("c", TEXT)], reader, Judge(EVENTS, reader))
    assert [words(reading.claims) for reading in readings] == [{"what": WHAT, "amount": AMOUNT, "when": WHEN}] * 3
    assert len(script.questions) == len(set(script.questions)) == len(QUESTIONS)
    assert len(script.pairs) == len(set(script.pairs))
    assert len({reading.risks for reading in readings}) == 1
    assert readings[0].risks


def test_a_repost_is_read_as_what_it_passes_on_and_its_claims_lie_in_its_own_text() -> None:
    script, repost = Script(ANSWERS, everything), f"RT @desk: {TEXT}"
    plain, passed_on = read([doc("a", TEXT), doc("b", repost)], reader_of(script))
    assert {text for _, text in script.questions} == {TEXT}
    assert passed_on.document.text == repost
    assert passed_on.opinions == plain.opinions
    assert words(passed_on.claims, repost) == words(plain.claims)


def test_a_header_that_names_the_entity_is_read() -> None:
    script, text = Script(ANSWERS, everything), "RT @Acme: we paid a fine of $5 million on Monday"
    read([doc("a", text)], reader_of(script))
    assert {text for _, text in script.questions} == {text}


def test_each_entity_of_a_document_is_asked_by_its_own_name() -> None:
    script = Script(ANSWERS | {asks("what", "Bolt"): "was not involved"}, everything)
    (found,) = read([doc("a", TEXT, names={"acme": "Acme", "bolt": "Bolt"})], reader_of(script))
    assert [(c.entity, c.question) for c in found.claims] == [
        *(("acme", question) for question in ("what", "amount", "when")),
        ("bolt", "what"),
    ]
    assert {c.factuality for c in found.claims if c.entity == "bolt"} == {"denied"}


def test_of_an_entity_that_is_named_in_passing_nothing_is_asked() -> None:
    script = Script(ANSWERS, everything)
    named = doc("a", TEXT, names={"acme": "Acme", "bolt": "Bolt"})
    acme, bolt = named.mentions
    aside = replace(named, mentions=(acme, replace(bolt, relevance="passing")))
    (found,) = read([aside], reader_of(script), Judge(EVENTS, reader_of(script)))
    assert {claim.entity for claim in found.claims} == {risk.entity for risk in found.risks} == {"acme"}
    assert {opinion.entity for opinion in found.opinions} == {"acme", "bolt"}
    assert asks("what", "Bolt") not in {question for question, _ in script.questions}


def test_a_document_that_names_nobody_or_is_not_read_is_asked_nothing() -> None:
    script = Script(ANSWERS, everything)
    reader = reader_of(script)
    documents = [doc("a", TEXT, names={}), doc("b", "今天，Acme停产。", lang="zh"), doc("c", TEXT, lang="other")]
    found = read(documents, reader, Judge(EVENTS, reader))
    assert [(reading.claims, reading.risks) for reading in found] == [((), ())] * 3
    assert (script.questions, script.pairs) == ([], [])


def test_a_calm_document_is_asked_nothing_and_a_serious_one_is_whatever_its_tone() -> None:
    calm, serious = "Acme moves sideways", "Acme publishes its report"
    script = Script(neutral={calm: 0.9, serious: 0.9})
    read([doc("a", calm), doc("b", serious)], reader_of(script))
    assert {text for _, text in script.questions} == {serious}


def test_a_profile_without_questions_or_inference_reads_on_without_them() -> None:
    script = Script(ANSWERS, everything)
    (found,) = read([doc("a", TEXT)], reader_of(script, said=False))
    assert found.read
    assert (found.claims, found.risks) == ((), ())
    assert script.questions == []


def test_a_reader_without_a_judge_finds_claims_and_no_risks() -> None:
    (found,) = read([doc("a", TEXT)], reader_of(Script(ANSWERS, everything)))
    assert found.claims
    assert found.risks == ()

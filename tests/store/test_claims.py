"""What documents say is stored once, version beside version, and read back in the document's own words."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from sqlalchemy import Engine, inspect, text

from tests.store.samples import MODEL, document, reading, write
from voxpop.records import Claim, Document, Factuality, Mention, Opinion, Question, Reading, Risk, TrendPoint
from voxpop.store import queries, schema, trends

BODY = "🚨 Société Acmé (艾克米) may be fined $5 million, said a regulator in Zürich"
WORDS: dict[Question, str] = {
    "source": "a regulator in Zürich",
    "amount": "$5 million",
    "what": "may be fined $5 million",
}


def claim(question: Question, of: str, words: str, *, entity: str = "acme", how: Factuality = "hedged") -> Claim:
    at = of.index(words)
    return Claim(
        entity=entity, question=question, start=at, end=at + len(words), score=0.75, entailment=0.5, factuality=how
    )


def risk(event: str, score: float, entity: str = "acme") -> Risk:
    return Risk(entity=entity, event=event, severity=2, sentence=f"Acmé: {event}.", score=score)


def said(of: Document, claims: Sequence[Claim] = (), risks: Sequence[Risk] = (), model: str = MODEL) -> Reading:
    return msgspec.structs.replace(reading(of, "negative"), claims=tuple(claims), risks=tuple(risks), model=model)


def whole(of: Document, model: str = MODEL) -> Reading:
    claims = [claim(question, of.text, words) for question, words in WORDS.items()]
    return said(of, claims, [risk("fine", 0.625), risk("probe", 0.875), risk("ban", 0.625)], model)


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def claims_of(engine: Engine, of: Document, entity: str = "acme", model: str = MODEL) -> list[queries.Said]:
    with engine.connect() as connection:
        return queries.said_by(connection, entity, model, [of.id]).get(of.id, [])


def risks_of(engine: Engine, of: Document, entity: str = "acme", model: str = MODEL) -> list[queries.Told]:
    with engine.connect() as connection:
        return queries.risks_in(connection, entity, model, [of.id]).get(of.id, [])


def test_what_is_written_twice_is_written_once(engine: Engine) -> None:
    of = document("a", 0, BODY)
    for batch in ([whole(of)], [whole(of), whole(of)]):
        write(engine, batch)
    assert (count(engine, "claims"), count(engine, "risks")) == (3, 3)


def test_a_claim_is_read_back_in_the_words_of_the_text_the_main_one_first(engine: Engine) -> None:
    of = document("a", 0, BODY)
    write(engine, [whole(of)])
    found = claims_of(engine, of)
    assert [(c.question, c.text) for c in found] == [(q, WORDS[q]) for q in ("what", "amount", "source")]
    assert all(BODY[c.start : c.end] == c.text for c in found)
    assert {(c.factuality, c.score) for c in found} == {("hedged", 0.75)}


def test_risks_are_read_back_the_surest_first(engine: Engine) -> None:
    of = document("a", 0, BODY)
    write(engine, [whole(of)])
    found = risks_of(engine, of)
    assert [(r.event, r.score) for r in found] == [("probe", 0.875), ("ban", 0.625), ("fine", 0.625)]
    assert found[0] == queries.Told("probe", 2, "Acmé: probe.", 0.875)


def test_a_new_version_of_the_model_adds_rows_beside_the_old(engine: Engine) -> None:
    of = document("a", 0, BODY)
    write(engine, [whole(of)])
    newer = said(of, [claim("what", BODY, "fined", how="asserted")], [risk("fine", 0.5)], "test@2")
    write(engine, [newer])
    assert (count(engine, "claims"), count(engine, "risks")) == (4, 4)
    assert [c.text for c in claims_of(engine, of)] == [WORDS[q] for q in ("what", "amount", "source")]
    assert [(c.text, c.factuality) for c in claims_of(engine, of, model="test@2")] == [("fined", "asserted")]
    assert [r.event for r in risks_of(engine, of, model="test@2")] == ["fine"]


def test_each_entity_of_a_document_has_what_is_said_of_it(engine: Engine) -> None:
    body = "Acme sues Bolt"
    of = document("a", 0, body, entities=("acme", "bolt"))
    claims = [claim("what", body, "sues Bolt"), claim("what", body, "Acme sues", entity="bolt")]
    write(engine, [said(of, claims, [risk("sued", 0.75, "bolt")])])
    assert [c.text for c in claims_of(engine, of)] == ["sues Bolt"]
    assert [c.text for c in claims_of(engine, of, "bolt")] == ["Acme sues"]
    assert (risks_of(engine, of), len(risks_of(engine, of, "bolt"))) == ([], 1)


def test_of_a_corrected_document_only_the_latest_words_are_told(engine: Engine) -> None:
    first = document("a", 0, "acme is bankrupt", sequence=1)
    second = document("a", 0, "correction: acme is not bankrupt", sequence=2)
    write(engine, [said(first, [claim("what", first.text, "is bankrupt")], [risk("bankruptcy", 0.75)])])
    write(engine, [said(second, [claim("what", second.text, "is not bankrupt", how="denied")])])
    assert [(c.text, c.factuality) for c in claims_of(engine, second)] == [("is not bankrupt", "denied")]
    assert risks_of(engine, second) == []
    assert (count(engine, "claims"), count(engine, "risks")) == (2, 1)


def test_a_story_carries_what_each_of_its_tellers_says(engine: Engine) -> None:
    spans = (Mention(entity="acme", start=2, end=14, relevance="subject", confidence=1),)
    of, other = document("a", 0, BODY, mentions=spans), document("b", 1, BODY, mentions=spans)
    write(engine, [whole(of), said(other)])
    with engine.connect() as connection:
        (story,) = queries.ranked(connection, "acme", MODEL).stories
    teller, silent = story.tellers
    assert [c.question for c in teller.claims] == ["what", "amount", "source"]
    assert [r.event for r in teller.risks] == ["probe", "ban", "fine"]
    assert (silent.claims, silent.risks) == ([], [])


# --- stories that nobody can be sure of ------------------------------------------------------------------------------


def judged(name: str, hours: float, body: str, negative: float, neutral: float, positive: float) -> Reading:
    of = document(name, hours, body)
    opinion = Opinion(entity="acme", label="unsure", negative=negative, neutral=neutral, positive=positive)
    return Reading(document=of, model=MODEL, read=True, opinions=(opinion,))


def the_point(engine: Engine) -> TrendPoint:
    with engine.begin() as connection:
        while trends.refresh(connection, MODEL):
            pass
        (point,) = [p for p in trends.latest(connection, MODEL) if p.stories]
    return point


@pytest.mark.parametrize(
    ("chances", "negative", "positive", "unsure"),
    [
        ((0.4375, 0.3125, 0.25), 0, 0, 1),
        ((0.25, 0.3125, 0.4375), 0, 0, 1),
        ((0.25, 0.4375, 0.3125), 0, 0, 1),
        ((0.5, 0.25, 0.25), 1, 0, 0),
        ((0.25, 0.25, 0.5), 0, 1, 0),
        ((0.25, 0.5, 0.25), 0, 0, 0),
        ((0.5, 0.0, 0.5), 0, 0, 0),
    ],
)
def test_a_story_below_one_half_is_unsure_and_neither_negative_nor_positive(
    engine: Engine, chances: tuple[float, float, float], negative: int, positive: int, unsure: int
) -> None:
    write(engine, [judged("a", 0, "s", *chances)])
    point = the_point(engine)
    assert (point.stories, point.negative_stories, point.positive_stories) == (1, negative, positive)
    assert (point.unsure_stories, point.unread_stories) == (unsure, 0)
    assert point.sentiment == pytest.approx(chances[2] - chances[0], abs=1e-6)


def test_it_is_the_mean_of_a_story_that_is_unsure_not_its_documents(engine: Engine) -> None:
    write(engine, [judged("a", 0, "s", 0.875, 0.125, 0.0), judged("b", 0.5, "s", 0.0, 0.25, 0.75)])
    point = the_point(engine)
    assert (point.stories, point.unsure_stories, point.negative_stories, point.positive_stories) == (1, 1, 0, 0)


def test_an_unread_story_is_not_unsure(engine: Engine) -> None:
    write(engine, [reading(document("a", 0, "一"), None)])
    point = the_point(engine)
    assert (point.unread_stories, point.unsure_stories) == (1, 0)


def test_a_story_that_becomes_sure_is_counted_anew(engine: Engine) -> None:
    write(engine, [judged("a", 0, "s", 0.4375, 0.3125, 0.25)])
    assert the_point(engine).unsure_stories == 1
    write(engine, [judged("b", 0.5, "s", 0.9375, 0.0625, 0.0)])
    point = the_point(engine)
    assert (point.unsure_stories, point.negative_stories) == (0, 1)


# --- the schema ------------------------------------------------------------------------------------------------------


def test_the_migration_of_claims_goes_back_and_forth_and_keeps_what_else_is_stored(engine: Engine) -> None:
    write(engine, [whole(document("a", 0, BODY))])
    assert the_point(engine).negative_stories == 1
    schema.downgrade(engine, "0001")
    tables = set(inspect(engine).get_table_names())
    assert {"documents", "opinions", "trend_points"} <= tables
    assert not {"claims", "risks"} & tables
    assert "unsure_stories" not in {column["name"] for column in inspect(engine).get_columns("trend_points")}
    schema.upgrade(engine)
    assert schema.difference(engine) == []
    assert (count(engine, "documents"), count(engine, "trend_points"), count(engine, "claims")) == (1, 1, 0)
    write(engine, [whole(document("a", 0, BODY))])
    assert (count(engine, "claims"), count(engine, "risks")) == (3, 3)

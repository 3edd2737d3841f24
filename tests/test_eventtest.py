"""What a risk event would have caught in the stored history."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.scripted import Script, reader_of
from tests.store.samples import document, reading, write
from voxpop.app import App
from voxpop.errors import SettingError
from voxpop.eventtest import caught
from voxpop.knowledge.events import RiskEvent
from voxpop.models.reader import Reader
from voxpop.records import Mention, Reading
from voxpop.risks import Judge
from voxpop.settings import Settings

SENTENCE = "{entity} has recalled a product."


class Scripted(App):
    """The program over a scripted reader, with one event in force."""

    script: Script

    def judge(self) -> Judge:
        return Judge({"far": RiskEvent(en="{entity} zzz.")}, self.reader())

    def reader(self) -> Reader:
        return reader_of(self.script)


def entailed(premise: str, hypothesis: str) -> tuple[float, float, float]:
    return (0.875 if "brakes" in premise else 0.75 if "recalls" in premise else 0.25, 0.125, 0.0)


@pytest.fixture
def app(settings: Settings, engine: Engine) -> Scripted:
    live = Scripted(settings)
    live.script = Script(entailed=entailed)
    return live


def story(name: str, hours: float, text: str, lang: str = "en") -> Reading:
    spans = tuple(
        Mention(entity=n.lower(), start=text.index(n), end=text.index(n) + len(n), relevance="subject", confidence=1)
        for n in ("Acme", "Bolt")
        if n in text
    )
    return reading(document(name, hours, text, lang=lang, mentions=spans), "negative")


def test_it_catches_the_documents_that_entail_it_the_surest_first(app: Scripted, engine: Engine) -> None:
    told = [story("a", 0, "Acme recalls cars"), story("b", 1, "Bolt recalls cars with bad brakes")]
    write(engine, [*told, story("c", 2, "Acme opens a plant"), story("d", 3, "Acme recalls cars")])
    with app:
        found = caught(app, SENTENCE, days=30, most=10)
    assert [(hit.entity, hit.name, hit.text) for hit in found.hits] == [
        ("bolt", "Bolt", "Bolt recalls cars with bad brakes"),
        ("acme", "Acme", "Acme recalls cars"),
    ]
    assert [hit.score for hit in found.hits] == pytest.approx([0.875, 0.75])
    assert [hit.document for hit in found.hits] == [told[1].document.id, told[0].document.id]
    assert (found.judged, found.documents) == (3, 3)  # "d" tells the story of "a" again
    assert {premise for premise, hypothesis in app.script.pairs if "has recalled a product." in hypothesis} == {
        "Acme recalls cars",
        "Bolt recalls cars with bad brakes",
        "Acme opens a plant",
    }


def test_only_the_nearest_the_recent_and_the_readable_are_judged(app: Scripted, engine: Engine) -> None:
    near, far = "Acme recalls a product, the company has said", "Acme zzz qqq jjj xxx kkk"
    write(engine, [story("old", 0, "Acme recalls brakes"), story("zh", 300, "Acme召回刹车 brakes", "zh")])
    write(engine, [story("near", 300, near), story("far", 301, far)])
    with app:
        found = caught(app, SENTENCE, days=7, most=1)
    assert (found.judged, found.documents) == (1, 2)
    assert [hit.text for hit in found.hits] == [near]


def test_each_company_of_a_document_is_judged_by_itself(app: Scripted, engine: Engine) -> None:
    write(engine, [story("a", 0, "Acme recalls cars made by Bolt")])
    with app:
        caught(app, SENTENCE, days=30, most=10)
    assert {hypothesis.split()[0] for _, hypothesis in app.script.pairs} == {"Acme", "Bolt"}


def test_an_empty_store_has_nothing_and_a_sentence_without_a_company_is_refused(app: Scripted) -> None:
    with app:
        assert caught(app, SENTENCE, days=30, most=10) == ([], 0, 0)
        with pytest.raises(SettingError, match=r"\{entity\}"):
            caught(app, "A product was recalled.", days=30, most=10)
    assert app.script.pairs == []

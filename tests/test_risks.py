"""Which risk events are found, from what evidence, and how surely."""

from __future__ import annotations

import numpy as np
import pytest

from tests.scripted import Script, reader_of
from voxpop.claims import Asked
from voxpop.knowledge.events import RiskEvent
from voxpop.models.profile import RiskWeights, read_profile
from voxpop.risks import BY_SENTENCES, NEAREST_EVENTS, SUREST, Evidence, Judge, probability

TEXT = "Acme paid a fine of $5 million on Monday. Bolt was not involved."
ACME = Asked(TEXT, "acme", "Acme", "Legal / Regulation")
EVENTS = {
    "fine": RiskEvent(en="{entity} has paid a fine.", examples=("Acme paid a fine of $5 million",), severity=2),
    "merger": RiskEvent(en="{entity} has merged.", severity=1),
    **{f"far{n}": RiskEvent(en="{entity} zzz" + "qxjk" * n + ".") for n in range(1, 6)},
}
WEIGHED = RiskWeights(entailed=0.5, entailed_by_sentences=0.5, likeness=2.0, lead=1.0, over_quiet=1.0, bias=-2.0)


def test_a_text_is_judged_by_the_nearest_events_about_its_own_entity() -> None:
    script = Script(entailed=lambda _, hypothesis: (0.875 if "fine" in hypothesis else 0.25, 0.1, 0.0))
    judge = Judge(EVENTS, reader_of(script))
    ((risk,),) = judge.risks([ACME])
    assert (risk.entity, risk.event, risk.severity) == ("acme", "fine", 2)
    assert risk.sentence == "Acme has paid a fine."
    assert risk.score == pytest.approx(0.875), "what nothing was fitted to takes inference at its word"
    assert len(script.pairs) == NEAREST_EVENTS < len(EVENTS)
    assert {text for text, _ in script.pairs} == {TEXT}


def test_risks_are_the_surest_first_and_none_is_below_the_cut() -> None:
    scores = {"Acme has paid a fine.": 0.5, "Acme has merged.": 0.75}
    judge = Judge(EVENTS, reader_of(Script(entailed=lambda _, h: (scores.get(h, 0.4375), 0.0, 0.0))))
    found = judge.risks([ACME, ACME._replace(entity="bolt", name="Bolt")])
    assert [risk.event for risk in found[0]] == ["merger", "fine"]
    assert found[1] == ()


def test_no_text_no_judgement() -> None:
    script = Script()
    assert Judge(EVENTS, reader_of(script)).risks([]) == []
    assert script.pairs == []


def test_what_is_most_entailed_is_asked_again_of_the_sentences_that_name_the_entity() -> None:
    script = Script(entailed=lambda _, h: (0.75 if "fine" in h else 0.5 if "merged" in h else 0.25, 0.25, 0.0))
    Judge(EVENTS, reader_of(script), {"en": WEIGHED}).risks([ACME])
    own = "Acme paid a fine of $5 million on Monday."
    assert script.pairs[NEAREST_EVENTS:] == [(own, "Acme has paid a fine."), (own, "Acme has merged.")]
    assert len(script.pairs) == NEAREST_EVENTS + BY_SENTENCES


def test_nothing_is_asked_twice_of_a_text_of_one_sentence() -> None:
    script = Script()
    one = ACME._replace(text="Acme paid a fine of $5 million.")
    Judge(EVENTS, reader_of(script), {"en": WEIGHED}).risks([one])
    assert len(script.pairs) == len(set(script.pairs)) == NEAREST_EVENTS


def test_all_evidence_is_weighed_and_the_score_is_its_probability() -> None:
    script = Script(entailed=lambda premise, _: (0.875 if "Bolt" in premise else 0.5, 0.0, 0.0))
    found = Judge(EVENTS, reader_of(script), {"en": WEIGHED}).evidence([ACME])
    evidence = {one.key: one.evidence for one in found}["fine"]
    assert evidence.entailed == pytest.approx(np.log(7))
    assert evidence.entailed_by_sentences == pytest.approx(0)
    others = [one.evidence.likeness for one in found if one.key != "fine"]
    assert evidence.lead == pytest.approx(evidence.likeness - max(others))
    assert evidence.over_quiet < evidence.likeness
    odds = 0.5 * np.log(7) + 2 * evidence.likeness + evidence.lead + evidence.over_quiet - 2
    assert probability(evidence, WEIGHED) == pytest.approx(1 / (1 + np.exp(-odds)))


def test_a_probability_of_inference_is_never_certain() -> None:
    judge = Judge(EVENTS, reader_of(Script(entailed=lambda *_: (1.0, 0.0, 0.0))))
    assert [risk.score for risk in judge.risks([ACME])[0]] == [pytest.approx(1 - SUREST)] * NEAREST_EVENTS


def test_the_name_does_not_sway_which_events_a_text_is_like() -> None:
    judge = Judge(EVENTS, reader_of(Script()), {"en": WEIGHED})
    named = [ACME._replace(text=TEXT.replace("Acme", name), name=name) for name in ("Acme", "Zzqxjk Zz")]
    one, other = ([found.evidence for found in judge.evidence([asked])] for asked in named)
    assert one == other


def test_a_text_is_judged_the_same_beside_others() -> None:
    script = Script(entailed=lambda premise, h: ((len(premise) * 7 + len(h)) % 10 / 10, 0.0, 0.0))
    judge = Judge(EVENTS, reader_of(script), {"en": WEIGHED})
    asked = [ACME, ACME._replace(entity="bolt", name="Bolt"), ACME._replace(text="Acme has merged. Bolt waits.")]
    assert judge.evidence(asked) == [
        one._replace(place=i) for i, each in enumerate(asked) for one in judge.evidence([each])
    ]


def test_an_event_of_a_desk_is_judged_as_if_it_had_been_shipped() -> None:
    own = {key.upper(): event for key, event in EVENTS.items()}
    script = Script(entailed=lambda _, hypothesis: (0.875 if "fine" in hypothesis else 0.25, 0.1, 0.0))
    shipped, theirs = (Judge(events, reader_of(script), {"en": WEIGHED}).evidence([ACME]) for events in (EVENTS, own))
    assert [(one.key.upper(), one.evidence) for one in shipped] == [(one.key, one.evidence) for one in theirs]


def test_the_shipped_weights_take_every_piece_of_evidence_for_what_it_is() -> None:
    for name in ("english", "chinese"):
        weights = read_profile(name).risks
        assert weights is not None
        assert all(getattr(weights, kind) >= 0 for kind in Evidence._fields), name
        assert 0.15 <= weights.least <= 0.5

"""Questions made unanswerable, and the tokens of answers."""

from __future__ import annotations

from voxpop.models.checkpoint import BUNDLED, find_encoder
from voxpop.models.encoding import TextEncoder
from voxpop.training.answers import thinned, unanswerable, windows
from voxpop.training.datasets import Example
from voxpop.training.statements import inferences

BANK = "Calder Bank was fined five million by the regulator on Monday."
RIVAL = "Nordhafen was not fined, the regulator said, but Calder shares fell."
FARM = "Rain fell on the northern farms for weeks."


def ask(text: str, question: str, answer: str) -> Example:
    start = text.index(answer)
    return Example(text, ((start, start + len(answer)),), "", "made", question)


def test_the_wrong_text_is_the_nearest_without_the_answer() -> None:
    rows = [
        ask(BANK, "When was Calder fined by the regulator?", "Monday"),
        ask(FARM, "What fell on the farms?", "Rain"),
        ask(RIVAL, "Whose shares fell?", "Calder"),
    ]
    made = unanswerable(rows)
    assert made[0] == Example(RIVAL, (), "", "made", rows[0].second)
    assert all(row.spans == () for row in made)
    # Both other texts hold no "Rain"; for the third only the farms' text holds no "Calder".
    assert made[2].text == FARM


def test_a_set_of_one_text_has_no_other() -> None:
    assert unanswerable([ask(BANK, "When?", "Monday")]) == []


def test_thinning_is_the_same_every_time_and_keeps_the_order() -> None:
    rows = [Example(str(i), (), "", "made") for i in range(50)]
    first = thinned(rows, 10, 1)
    assert first == thinned(rows, 10, 1) != thinned(rows, 10, 2)
    assert [int(row.text) for row in first] == sorted(int(row.text) for row in first)
    assert thinned(rows, 90, 1) == rows


def test_answers_stand_where_their_tokens_do() -> None:
    encoder = TextEncoder(find_encoder(BUNDLED).tokenizer)
    long = "Nothing happened. " * 200 + BANK
    rows = [
        ask(BANK, "When?", "Monday"),
        Example(FARM, (), "", "made", "When?"),
        ask(long, "How much?", "five million"),
    ]
    sequences, gold = windows(rows, encoder)
    assert gold[1].tolist() == [0, 0]
    vocabulary = encoder._tokenizer
    first, last = gold[0].tolist()
    assert vocabulary.decode(sequences[0].ids[first : last + 1]) == "monday"
    held = [i for i in range(2, len(sequences)) if gold[i, 0] > 0]
    assert held, "the last window holds the answer"
    for i in held:
        assert vocabulary.decode(sequences[i].ids[gold[i, 0] : gold[i, 1] + 1]) == "five million"
    assert len(sequences) > 5
    assert not gold[2].any(), "the first window of a long text does not hold its end"


def test_claims_make_pairs_for_inference() -> None:
    claims = [
        {"question": "what", "text": "was fined", "factuality": "hedged"},
        {"question": "amount", "text": "$5 million", "factuality": "hedged"},
        {"question": "when", "text": "Monday", "factuality": "hedged"},
    ]
    pairs = list(inferences("Acme", claims))
    assert ("entailment", "It is possible that Acme was fined.") in pairs
    assert ("neutral", "Acme was fined.") in pairs
    assert ("contradiction", "It is denied that Acme was fined.") in pairs
    assert ("entailment", "It is possible that Acme was fined, and it is about $5 million.") in pairs
    assert ("contradiction", "It is possible that Acme was fined, and it is about Monday.") in pairs
    assert list(inferences("Acme", [])) == []

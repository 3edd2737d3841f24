"""What a risk event would have caught in the stored history, had it been in force."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from voxpop.claims import Asked, first_names, premise
from voxpop.errors import SettingError
from voxpop.knowledge.events import COMPANY, RiskEvent, hidden
from voxpop.risks import Judge
from voxpop.text.spoken import spoken

if TYPE_CHECKING:
    from voxpop.app import App


class Hit(NamedTuple):
    """A document that reports the event of an entity."""

    document: str
    entity: str
    name: str
    published_at: datetime
    score: float
    text: str


class Caught(NamedTuple):
    """The hits, surest first, of how many documents judged out of how many in the span."""

    hits: list[Hit]
    judged: int
    documents: int


_DOCUMENTS = text(
    "SELECT DISTINCT ON (s.story_id, m.entity_id) d.document_id, m.entity_id, d.published_at, d.text, m.start,"
    ' m."end" FROM current_mentions m JOIN documents d ON d.document_id = m.document_id AND d.revision = m.revision'
    " JOIN story_members s ON s.document_id = d.document_id"
    " WHERE d.lang = :lang AND d.published_at >"
    "  (SELECT max(published_at) FROM documents) - make_interval(days => :days)"
    " ORDER BY s.story_id, m.entity_id, d.published_at, d.document_id, m.start"
)


_TESTED = ""
"""The event has no name yet."""


def caught(app: App, sentence: str, *, days: int, most: int) -> Caught:
    """Judges the first document of each story and entity, of those in the language of the sentence, whose embedding is
    among the ``most`` nearest, beside the events in force, as it would be judged in the table.

    Raises:
        SettingError: the sentence does not say where the company stands.
    """
    if "{entity}" not in sentence:
        raise SettingError("The sentence needs {entity} where the company stands")
    reader = app.reader()
    lang = spoken(sentence, None, reader.languages, "en")
    with app.engine.connect() as connection:
        rows = connection.execute(_DOCUMENTS, {"days": days, "lang": lang}).all()
    if not rows:
        return Caught([], 0, 0)
    names = [first_names(row.text, [(row.entity_id, row.start, row.end)])[row.entity_id] for row in rows]
    company = COMPANY[lang].capitalize()
    texts = [hidden(premise(row.text, name), name, lang) for row, name in zip(rows, names, strict=True)]
    nearness = reader.embed(texts) @ reader.embed([sentence.replace("{entity}", company)])[0]
    chosen = sorted(range(len(rows)), key=lambda i: (-nearness[i], rows[i].document_id))[:most]
    asked = [Asked(rows[i].text, rows[i].entity_id, names[i]) for i in chosen]
    event = RiskEvent(en=sentence, zh=sentence if lang == "zh" else "")
    known = app.judge()
    # Beside an event of the same sentence it would lead over no other.
    others = {key: e for key, e in known.events.items() if sentence not in (e.en, e.zh)} if known else {}
    judge = Judge({**others, _TESTED: event}, reader)
    hits = [
        Hit(rows[i].document_id, rows[i].entity_id, names[i], rows[i].published_at, risk.score, rows[i].text)
        for i, risks in zip(chosen, judge.risks(asked), strict=True)
        for risk in risks
        if risk.event == _TESTED
    ]
    return Caught(sorted(hits, key=lambda hit: -hit.score), len(chosen), len(rows))

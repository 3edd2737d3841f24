"""What a risk event would have caught in the stored history, had it been in force."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from voxpop.claims import RISK_ENTAILMENT, first_names, premise
from voxpop.errors import SettingError

if TYPE_CHECKING:
    from voxpop.app import App


class Hit(NamedTuple):
    """A document that entails the sentence about an entity."""

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
    " WHERE d.lang = ANY(:languages) AND d.published_at >"
    "  (SELECT max(published_at) FROM documents) - make_interval(days => :days)"
    " ORDER BY s.story_id, m.entity_id, d.published_at, d.document_id, m.start"
)


def caught(app: App, sentence: str, *, days: int, most: int) -> Caught:
    """Judges the first document of each story and entity whose embedding is among the ``most`` nearest.

    Raises:
        SettingError: the sentence does not say where the company stands.
    """
    if "{entity}" not in sentence:
        raise SettingError("The sentence needs {entity} where the company stands")
    reader = app.reader()
    with app.engine.connect() as connection:
        rows = connection.execute(_DOCUMENTS, {"days": days, "languages": sorted(reader.languages)}).all()
    if not rows:
        return Caught([], 0, 0)
    names = [first_names(row.text, [(row.entity_id, row.start, row.end)])[row.entity_id] for row in rows]
    premises = [premise(row.text, name) for row, name in zip(rows, names, strict=True)]
    nearness = reader.embed(premises) @ reader.embed([sentence.replace("{entity}", "The company")])[0]
    chosen = sorted(range(len(rows)), key=lambda i: (-nearness[i], rows[i].document_id))[:most]
    entailed = reader.infer([(premises[i], sentence.replace("{entity}", names[i])) for i in chosen])[:, 0]
    hits = [
        Hit(rows[i].document_id, rows[i].entity_id, names[i], rows[i].published_at, float(score), rows[i].text)
        for i, score in zip(chosen, entailed, strict=True)
        if score >= RISK_ENTAILMENT
    ]
    return Caught(sorted(hits, key=lambda hit: -hit.score), len(chosen), len(rows))

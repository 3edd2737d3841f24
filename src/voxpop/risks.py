"""The risk events that a document reports about an entity.

Few events are asked of inference, those that the document is most like; what inference says, of the whole document and
of the sentences that name the entity, is weighed with how like the document is. One model weighs all events of a
language, so that an event that a desk adds is judged as the shipped ones are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from voxpop.claims import Asked, language, naming, premise
from voxpop.knowledge.events import Events, Likeness, Ranking, hidden, quiet_texts, texts_of
from voxpop.models.profile import RiskWeights
from voxpop.records import Language, Risk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from voxpop.models import Reader

NEAREST_EVENTS = 4
"""Events that a document is judged by."""

BY_SENTENCES = 2
"""Of these, as many as are asked again of the sentences that name the entity alone: those that the whole document
entails most surely. Asking all again finds no more."""

SUREST = 1e-4
"""How near 0 and 1 a probability is taken to lie at most."""


class Evidence(NamedTuple):
    """What points to one event in one text; log-odds of probabilities, and cosines."""

    entailed: float
    """That the text entails the event's sentence."""
    entailed_by_sentences: float
    """That the sentences which name the entity do; of what they were not asked, the same as ``entailed``."""
    likeness: float
    """To the event's sentence and examples."""
    lead: float
    """How much more like it is to this event than to any other."""
    over_quiet: float
    """How much more like it is to this event than to what reports none."""


class Weighed(NamedTuple):
    """What points to an event in one of the texts."""

    place: int
    key: str
    evidence: Evidence


def probability(evidence: Evidence, weights: RiskWeights) -> float:
    """How surely a text reports an event."""
    odds = weights.bias + sum(getattr(weights, name) * value for name, value in evidence._asdict().items())
    return float(1 / (1 + np.exp(-odds)))


class Judge:
    """Judges texts by a table of risk events. Its rankings, one for each language that the reader reads, are made once,
    from the events' examples.

    Args:
        events: the table.
        reader: what embeds and infers.
        weights: how evidence is weighed, by language; None: as the reader's profile says.
    """

    def __init__(self, events: Events, reader: Reader, weights: Mapping[Language, RiskWeights] | None = None) -> None:
        self.events, self._reader = events, reader
        readable: tuple[Language, ...] = ("en", "zh") if "zh" in reader.languages else ("en",)
        stated = reader.risk_weights if weights is None else weights
        self._weights = {lang: stated.get(lang, RiskWeights()) for lang in readable}
        self._rankings = {lang: self._ranking(lang) for lang in readable}

    def _ranking(self, lang: Language) -> Ranking:
        pairs = texts_of(self.events, lang)
        vectors = self._reader.embed([text for _, text in pairs])
        return Ranking([key for key, _ in pairs], vectors, self._reader.embed(quiet_texts(lang)))

    def risks(self, asked: Sequence[Asked]) -> list[tuple[Risk, ...]]:
        """The events that each text reports about its entity, surest first."""
        langs = [language(one, self._reader) for one in asked]
        found: list[list[Risk]] = [[] for _ in asked]
        for i, key, evidence in self.evidence(asked):
            score = probability(evidence, self._weights[langs[i]])
            if score >= self._weights[langs[i]].least:
                event = self.events[key]
                sentence = event.sentence(asked[i].name, langs[i])
                entity = asked[i].entity
                found[i].append(Risk(entity=entity, event=key, severity=event.severity, sentence=sentence, score=score))
        return [tuple(sorted(risks, key=lambda risk: (-risk.score, risk.event))) for risks in found]

    def evidence(self, asked: Sequence[Asked]) -> list[Weighed]:
        """What points to each of the events that each text is most like, text by text."""
        if not asked:
            return []
        langs = [language(one, self._reader) for one in asked]
        premises = [premise(one.text, one.name) for one in asked]
        likenesses = self._likenesses(asked, premises, langs)
        places = [(i, key) for i, like in enumerate(likenesses) for key in like.nearest(NEAREST_EVENTS)]
        sentences = [self.events[key].sentence(asked[i].name, langs[i]) for i, key in places]
        whole = self._log_odds([(premises[i], said) for (i, _), said in zip(places, sentences, strict=True)])
        again = self._asked_again(places, whole, langs)
        parts = [(naming(premises[places[n][0]], asked[places[n][0]].name), sentences[n]) for n in again]
        by_sentences = dict(zip(again, self._log_odds(parts), strict=True))
        return [
            Weighed(i, key, _evidence(key, likenesses[i], whole[n], by_sentences.get(n, whole[n])))
            for n, (i, key) in enumerate(places)
        ]

    def _likenesses(self, asked: Sequence[Asked], premises: Sequence[str], langs: Sequence[Language]) -> list[Likeness]:
        texts = [hidden(text, one.name, lang) for one, text, lang in zip(asked, premises, langs, strict=True)]
        return [self._rankings[lang].likeness(v) for lang, v in zip(langs, self._reader.embed(texts), strict=True)]

    def _asked_again(
        self, places: Sequence[tuple[int, str]], whole: Sequence[float], langs: Sequence[Language]
    ) -> list[int]:
        """Which of ``places`` are asked of the sentences that name the entity; none where that weighs nothing."""
        of_text: dict[int, list[int]] = {}
        for n, (i, _) in enumerate(places):
            of_text.setdefault(i, []).append(n)
        return [
            n
            for i, mine in of_text.items()
            if self._weights[langs[i]].entailed_by_sentences
            for n in sorted(mine, key=lambda n: -whole[n])[:BY_SENTENCES]
        ]

    def _log_odds(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Of the probability that each premise entails its hypothesis."""
        if not pairs:
            return []
        p = np.clip(self._reader.infer(pairs)[:, 0].astype(np.float64), SUREST, 1 - SUREST)
        odds: NDArray[np.float64] = np.log(p / (1 - p))
        return [float(value) for value in odds]


def _evidence(key: str, like: Likeness, whole: float, by_sentences: float) -> Evidence:
    value = like.value(key)
    return Evidence(whole, by_sentences, value, like.lead(key), value - like.quiet)

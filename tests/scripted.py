"""A reader whose networks are replaced by what a test says: it shows what is asked, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxpop.models.profile import INFERENCES, Profile, TaskProfile
from voxpop.models.reader import Asked, Reader
from voxpop.models.running import Runner
from voxpop.models.spans import Answer
from voxpop.records import SENTIMENTS, Language

Entailed = Callable[[str, str], tuple[float, float, float]]
TOPICS = ("Legal / Regulation", "Stock Movement")


class Script:
    """A backend that answers by rule, and remembers every question and pair in the order in which they came.

    Args:
        answers: the words of a text that answer a question; a question that is not here has no answer.
        entailed: probabilities of entailment, neutrality and contradiction of a (premise, hypothesis).
        neutral: of how many documents in a thousand the sentiment is neutral, by their text (else 0).
    """

    def __init__(
        self,
        answers: Mapping[str, str] | None = None,
        entailed: Entailed = lambda premise, hypothesis: (0.0, 1.0, 0.0),
        neutral: Mapping[str, float] | None = None,
    ) -> None:
        self._answers, self._entailed, self._neutral = answers or {}, entailed, neutral or {}
        self.runner = Runner(1)
        self.questions: list[tuple[str, str]] = []
        self.pairs: list[tuple[str, str]] = []

    def topics(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A text that moves is about stock movement, any other about regulation."""
        return np.array([(0.1, 0.9) if "moves" in text else (0.9, 0.1) for text in texts], dtype=np.float32)

    def sentiment(self, targets: Asked) -> NDArray[np.float32]:
        """Neutral as the script says, for the rest negative."""
        neutral = [self._neutral.get(text, 0.0) for text, _ in targets]
        return np.array([(1 - n, n, 0.0) for n in neutral], dtype=np.float32)

    def infer(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """By the rule of the script."""
        self.pairs += pairs
        return np.array([self._entailed(*pair) for pair in pairs], dtype=np.float32).reshape(-1, 3)

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
        """Where the text has the words of the script."""
        self.questions += asked
        found = [(text.find(words), words) if (words := self._answers.get(q)) else (-1, "") for q, text in asked]
        return [Answer(at, at + len(words), 0.75, 1.0) if at >= 0 else None for at, words in found]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Counts of letters: texts of like words are near."""
        counts = np.array([[text.lower().count(chr(97 + i)) + 1e-3 for i in range(26)] for text in texts])
        unit: NDArray[np.float32] = (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)
        return unit


def reader_of(script: Script, *, said: bool = True, languages: Sequence[Language] = ("en",)) -> Reader:
    """The real reader over the script; without inference and questions unless ``said``."""

    def task(*labels: str) -> TaskProfile:
        return TaskProfile(encoder="none", adapter=Path(), labels=labels, sha256={}, max_tokens=256)

    profile = Profile(
        name="scripted",
        languages=frozenset(languages),
        topic=task(*TOPICS),
        sentiment=task(*SENTIMENTS),
        nli=task(*INFERENCES) if said else None,
        qa=task("first", "last") if said else None,
    )
    return Reader(profile, "scripted@1", script)

"""Exact match and F1 of answers by SQuAD's rules (Rajpurkar et al. 2016, arXiv 1606.05250; 2018, arXiv 1806.03822)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_HAN = re.compile("[\u4e00-\u9fff]")
_MARKS_ZH = dict.fromkeys(map(ord, "，。、；：？！“”‘’（）【】《》「」『』·—…"), " ")
_MARKS = str.maketrans("", "", string.punctuation)


class Scored(NamedTuple):
    """How an answer compares with the accepted ones, 0 to 1."""

    exact: float
    f1: float


def normalised(text: str) -> str:
    """Lower case, without punctuation and articles, white space folded."""
    text = _HAN.sub(r" \g<0> ", text.translate(_MARKS_ZH))  # a Chinese character counts as a word
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_MARKS)).split())


def score(answer: str, accepted: Sequence[str]) -> Scored:
    """The best of ``answer`` against each accepted one; no accepted answer means that none ("") is right."""
    gold = [text for text in accepted if normalised(text)] or [""]
    return Scored(
        max(float(normalised(answer) == normalised(text)) for text in gold), max(overlap(answer, text) for text in gold)
    )


def overlap(answer: str, gold: str) -> float:
    """F1 of the words that two texts share; of no words on either side, whether both have none."""
    found, right = normalised(answer).split(), normalised(gold).split()
    if not found or not right:
        return float(found == right)
    shared = sum((Counter(found) & Counter(right)).values())
    return 2 * shared / (len(found) + len(right))


def summary(scores: Sequence[tuple[Scored, bool]]) -> dict[str, float]:
    """``exact_match``, ``f1``, ``has_answer_f1`` and ``no_answer_accuracy``, out of 100.

    Args:
        scores: of each question, with whether it has an answer. A figure of no questions is left out.
    """
    has = [scored for scored, answerable in scores if answerable]
    none = [scored for scored, answerable in scores if not answerable]
    means = {
        "exact_match": [scored.exact for scored, _ in scores],
        "f1": [scored.f1 for scored, _ in scores],
        "has_answer_f1": [scored.f1 for scored in has],
        "no_answer_accuracy": [scored.exact for scored in none],
    }
    return {name: 100 * sum(values) / len(values) for name, values in means.items() if values}

"""The questions whose answers are claims about an entity: who did what, to whom, how much, when, why, who says so."""

from __future__ import annotations

from collections.abc import Mapping

QUESTIONS: Mapping[str, str] = {
    "what": "What did {entity} do, or what happened to it?",
    "who": "Who else took part in what happened to {entity}?",
    "amount": "How much or how many is it about for {entity}?",
    "when": "When did or will it happen to {entity}?",
    "why": "Why did or will it happen to {entity}?",
    "source": "Who says this about {entity}?",
}
"""Question by kind. Training asks them in these very words, so a change of wording asks for another training."""

"""A conclusion from a premise and a hypothesis, or none, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from voxpop.errors import SettingError
from voxpop.text.language import detect

if TYPE_CHECKING:
    from voxpop.models import Reader

ENTAILED = 0.5
MORE_LIKELY = 0.005
"""How much more likely the hypothesis must make the conclusion, at least: less is noise."""


class Inferred(NamedTuple):
    """What follows.

    ``conclusion`` is the conclusion or False; ``premise`` and ``both`` are its probabilities given the premise, and
    given premise and hypothesis; ``contradiction`` is the probability that the premise rules it out.
    """

    conclusion: str | bool
    reason: str
    premise: float
    both: float
    contradiction: float
    model: str


def infer(premise: str, hypothesis: str, conclusion: str, reader: Reader) -> Inferred:
    """The conclusion if the premise entails it and the hypothesis makes it more likely still, else False.

    Raises:
        SettingError: a text is empty, or in a language that the profile does not read.
        ModelError: the profile has no inference.
    """
    for name, text in (("premise", premise), ("hypothesis", hypothesis), ("conclusion", conclusion)):
        if not text.strip():
            raise SettingError(f"The {name} is empty")
        lang = detect(text)
        if lang not in reader.languages and (lang == "zh" or not text.isascii()):
            spoken = ", ".join(sorted(reader.languages))
            raise SettingError(
                f"The {name} cannot be judged: it is in a language ({lang}) that the profile {reader.profile} does not"
                f" read; it reads {spoken}"
            )
    both = f"{premise.rstrip()} {hypothesis.strip()}"
    alone, joint = reader.infer([(premise, conclusion), (both, conclusion)])
    first, second, against = float(alone[0]), float(joint[0]), float(alone[2])

    def result(follows: bool, reason: str) -> Inferred:
        return Inferred(conclusion if follows else False, reason, first, second, against, reader.version)

    if against > max(first, float(alone[1])):
        return result(False, f"the premise contradicts the conclusion ({against:.2f})")
    if first < ENTAILED:
        return result(False, f"the premise does not entail the conclusion ({first:.2f} of at least {ENTAILED})")
    if second < first + MORE_LIKELY and second < 1 - MORE_LIKELY:
        return result(
            False, f"the hypothesis does not make the conclusion more likely ({first:.3f}, then {second:.3f})"
        )
    return result(True, f"the premise entails it ({first:.2f}) and the hypothesis bears it out ({second:.2f})")

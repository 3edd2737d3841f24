"""Risk events: sentences that a document may entail about an entity, in a table that a desk can add to.

A table of events is a TOML file, one table an event:

    [default]
    en = "{entity} has failed to repay a debt."
    zh = "{entity}未能偿还债务。"
    examples = ["Norvane misses a coupon on its 2031 notes"]
    severity = 3
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from voxpop.errors import SettingError

_HAN = re.compile("[\u4e00-\u9fff]")
SEVERITIES = {1: "watch", 2: "serious", 3: "critical"}


class RiskEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event and the sentence that says so; ``{entity}`` stands for the company's name."""

    en: str
    zh: str = ""
    examples: tuple[str, ...] = ()
    """Texts that are typical of it: a document is judged by the events whose examples are nearest."""
    severity: int = 1

    def sentence(self, entity: str, lang: str = "en") -> str:
        """The sentence about ``entity``; English where the event has none in ``lang``."""
        return (self.zh if lang == "zh" and self.zh else self.en).replace("{entity}", entity)


Events = Mapping[str, RiskEvent]


def shipped() -> dict[str, RiskEvent]:
    """The events that come with the package."""
    return parse((resources.files("voxpop.data") / "events.toml").read_text("utf-8"), "events.toml")


def load(path: Path | None = None) -> dict[str, RiskEvent]:
    """The shipped events and those of the file at ``path``, which may replace a shipped one by its name.

    Raises:
        SettingError: the file cannot be read, or an event in it is malformed.
    """
    events = shipped()
    if path is not None:
        try:
            events |= parse(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"The events in {path} cannot be read: {error}") from error
    return events


def parse(source: str, name: str) -> dict[str, RiskEvent]:
    """The events of a TOML text; ``name`` is what errors call it.

    Raises:
        SettingError: no TOML, or an event without its sentence, ``{entity}`` in it, or a severity of 1 to 3.
    """
    try:
        events = msgspec.convert(tomllib.loads(source), dict[str, RiskEvent])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingError(f"The events in {name} are malformed: {error}") from error
    for key, event in events.items():
        if "{entity}" not in event.en or (event.zh and "{entity}" not in event.zh):
            raise SettingError(
                f"The event {key!r} in {name} needs {{entity}} in its sentence, where the company stands"
            )
        if event.severity not in SEVERITIES:
            raise SettingError(f"The event {key!r} in {name} has severity {event.severity}; 1, 2 and 3 are known")
    return events


NEAREST_TEXTS = 3
"""A text is as like an event as the mean of so many texts of the event's that it is nearest to: the nearest alone is
often near by a name or a trade."""


class Likeness(NamedTuple):
    """How like a text is to what speaks of each event: cosines, in the order of ``keys``."""

    keys: tuple[str, ...]
    of_event: NDArray[np.float64]
    quiet: float
    """How like it is to what reports no event."""

    def nearest(self, most: int) -> list[str]:
        """The ``most`` events that it is most like, in that order."""
        return [self.keys[i] for i in np.argsort(-self.of_event, kind="stable")[:most]]

    def value(self, key: str) -> float:
        """How like it is to the event."""
        return float(self.of_event[self.keys.index(key)])

    def lead(self, key: str) -> float:
        """How much more like it is to the event than to any other; negative where another is nearer."""
        others = np.delete(self.of_event, self.keys.index(key))
        return self.value(key) - float(others.max(initial=-1.0))


class Ranking:
    """Which events a text may be about, by the nearest of each event's texts.

    Args:
        owners: of each row of ``vectors``, the event that it belongs to.
        vectors: unit vectors (texts, d) of the events' sentences and examples.
        quiet: unit vectors (texts, d) of what reports no event.
    """

    def __init__(
        self, owners: Sequence[str], vectors: NDArray[np.float32], quiet: NDArray[np.float32] | None = None
    ) -> None:
        self.keys = tuple(dict.fromkeys(owners))
        self._vectors = vectors
        self._rows = [np.flatnonzero([owner == key for owner in owners]) for key in self.keys]
        self._quiet = np.zeros((0, vectors.shape[1]), dtype=np.float32) if quiet is None else quiet

    def likeness(self, vector: NDArray[np.float32]) -> Likeness:
        """How like the text of a unit vector (d,) is to the texts of each event.

        One text at a time: a product with a whole batch would round by who else is in it.
        """
        near = self._vectors @ vector
        of_event = np.array([_mean_of_nearest(near[rows]) for rows in self._rows], dtype=np.float64)
        return Likeness(self.keys, of_event, _mean_of_nearest(self._quiet @ vector))


def _mean_of_nearest(cosines: NDArray[np.float32]) -> float:
    """0 where there is no text."""
    return float(np.sort(cosines)[-NEAREST_TEXTS:].mean(dtype=np.float64)) if len(cosines) else 0.0


COMPANY: Mapping[str, str] = {"en": "the company", "zh": "该公司"}
"""What stands for a company's name where texts are compared, which names would sway."""


def hidden(text: str, name: str, lang: str) -> str:
    """The text without the company's name.

    >>> hidden("Acme was fined. Bolt paid Acme.", "Acme", "en")
    'The company was fined. Bolt paid the company.'
    """
    company = COMPANY[lang]
    if lang == "en":
        text = re.sub(rf"(?:^|(?<=[.!?]\s)){re.escape(name)}", company.capitalize(), text)
    return text.replace(name, company)


def quiet_texts(lang: str) -> list[str]:
    """Texts about a company that report no event: denials, fears, what befalls others, and everyday news."""
    table = tomllib.loads((resources.files("voxpop.data") / "quiet.toml").read_text("utf-8"))
    return list(table[lang])


def texts_of(events: Events, lang: str = "en") -> list[tuple[str, str]]:
    """(event, text) pairs to rank by: each event's sentence about "the company", and its examples; in Chinese, of those
    events that have a Chinese sentence, and those examples alone that are Chinese."""
    if lang == "zh":
        chinese = {key: [text for text in event.examples if _HAN.search(text)] for key, event in events.items()}
        return [
            (key, text)
            for key, event in events.items()
            if event.zh
            for text in (event.sentence(COMPANY["zh"], "zh"), *chinese[key])
        ]
    return [
        (key, text)
        for key, event in events.items()
        for text in (event.sentence(COMPANY["en"].capitalize()), *event.examples)
    ]

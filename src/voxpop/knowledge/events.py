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

import msgspec
import numpy as np
from numpy.typing import NDArray

from voxpop.errors import SettingError
from voxpop.records import digest

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


def version(events: Events) -> str:
    """A short hash of all that decides a judgement."""
    return digest(*(part for key, event in sorted(events.items()) for part in (key, repr(event))), size=4)


class Ranking:
    """Which events a text may be about, by the nearest of each event's examples.

    Args:
        events: the table.
        texts: of each row of ``vectors``, the event that it belongs to.
        vectors: unit vectors (texts, d) of the events' sentences and examples.
    """

    def __init__(self, owners: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.keys = tuple(dict.fromkeys(owners))
        self._vectors = vectors
        index = {key: i for i, key in enumerate(self.keys)}
        self._owner = np.array([index[owner] for owner in owners], dtype=np.int64)

    def nearest(self, vectors: NDArray[np.float32], most: int) -> list[list[str]]:
        """The ``most`` events nearest to each of ``vectors`` (n, d), nearest first."""
        similarity = vectors @ self._vectors.T  # (n, texts)
        best = np.full((len(vectors), len(self.keys)), -np.inf, dtype=np.float32)
        for column, owner in enumerate(self._owner):
            best[:, owner] = np.maximum(best[:, owner], similarity[:, column])
        order = np.argsort(-best, axis=1, kind="stable")[:, :most]
        return [[self.keys[i] for i in row] for row in order]


def texts_of(events: Events, lang: str = "en") -> list[tuple[str, str]]:
    """(event, text) pairs to rank by: each event's sentence about "the company", and its examples; in Chinese, those
    examples alone that are."""
    if lang == "zh":
        chinese = {key: [text for text in event.examples if _HAN.search(text)] for key, event in events.items()}
        return [
            (key, text) for key, event in events.items() for text in (event.sentence("该公司", "zh"), *chinese[key])
        ]
    return [(key, text) for key, event in events.items() for text in (event.sentence("The company"), *event.examples)]

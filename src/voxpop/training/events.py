"""How well risk events are found, held against documents labelled with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from voxpop.claims import Asked
from voxpop.errors import SettingError
from voxpop.knowledge.events import Events
from voxpop.models.reader import Reader
from voxpop.risks import Judge
from voxpop.training.datasets import Row


def evaluate(rows: Sequence[Row], reader: Reader, events: Events) -> dict[str, Any]:
    """Precision, recall and F1 over all labels, macro-F1 over the events that are labelled, and figures by event.

    Raises:
        SettingError: as of :func:`require_labels`.
        ModelError: the profile does not infer.
    """
    require_labels(rows, events)
    asked = [Asked(row["text"], row["entity"], row["entity"]) for row in rows]
    found = [{risk.event for risk in risks} for risks in Judge(events, reader).risks(asked)]
    gold = [set(row["events"]) for row in rows]
    return {"task": "events", "profile": reader.profile, "n": len(rows), **measured(gold, found)}


def require_labels(rows: Sequence[Row], events: Events) -> None:
    """Checks that documents are labelled with events.

    A row has ``text``, ``entity`` (as the text writes it) and ``events``, a list of names, empty where there is none.

    Raises:
        SettingError: a row without these, an event that is not in the table, or no row.
    """
    for number, row in enumerate(rows, start=1):
        if not all(isinstance(row.get(name), str) for name in ("text", "entity")) or not isinstance(
            row.get("events"), list
        ):
            raise SettingError(f"Row {number} lacks a text, an entity or a list of events")
        if unknown := set(row["events"]) - events.keys():
            raise SettingError(f"Row {number} names {min(unknown)!r}, which is no event in force")
    if not rows:
        raise SettingError("There is no document that is labelled with events")


def measured(gold: Sequence[set[str]], found: Sequence[set[str]]) -> dict[str, Any]:
    """The figures of the events ``found`` in each document."""
    right: Counter[str] = Counter()
    given: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    for true, named in zip(gold, found, strict=True):
        right.update(true & named)
        given.update(named)
        labelled.update(true)
    per_event = {
        event: {**_ratios(right[event], given[event], labelled[event]), "support": labelled[event]}
        for event in sorted(labelled.keys() | given.keys())
    }
    scored = [per_event[event]["f1"] for event in labelled]
    quiet = [not named for true, named in zip(gold, found, strict=True) if not true]
    return {
        "macro_f1": sum(scored) / max(1, len(scored)),
        **_ratios(right.total(), given.total(), labelled.total()),
        "documents_without_events_kept_empty": sum(quiet) / max(1, len(quiet)),
        "per_event": per_event,
    }


def _ratios(right: int, given: int, labelled: int) -> dict[str, float]:
    return {
        "precision": right / max(1, given),
        "recall": right / max(1, labelled),
        "f1": 2 * right / max(1, given + labelled),
    }

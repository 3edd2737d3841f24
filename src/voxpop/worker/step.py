"""A stage as the worker runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from voxpop.log.base import Message, Record
from voxpop.records import DeadLetter


class Result(NamedTuple):
    """What a step made of some records."""

    messages: list[Message]
    """To publish to the step's output before the offsets move."""
    write: Callable[[Connection], None]
    """Stores the rest, within the transaction that moves the offsets."""
    dead: list[DeadLetter]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A stage as the worker runs it: a consumer group, the topics that it reads and the one that it fills."""

    group: str
    topics: tuple[str, ...]
    run: Callable[[Sequence[Record]], Result]
    output: str | None = None

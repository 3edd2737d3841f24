"""What was computed lately, kept as long as there is room for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from hashlib import blake2b
from typing import Generic, TypeVar

Value = TypeVar("Value")
Question = TypeVar("Question")

OVERHEAD = 200
"""Bytes that an entry takes beside its value, roughly: the key, and the places in the table."""


class Recent(Generic[Value]):
    """A table of at most ``most`` bytes that forgets what was asked for longest ago. Threads may share it.

    >>> recent = Recent[str](most=2 * (OVERHEAD + 10), size=len)
    >>> for key in "abc":
    ...     recent.put(key, 10 * key)
    >>> recent.get("a"), recent.get("c")
    (None, 'cccccccccc')
    """

    def __init__(self, most: int, size: Callable[[Value], int]) -> None:
        self._most, self._size = most, size
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value kept under ``key``; None: there is none."""
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def put(self, key: Hashable, value: Value) -> None:
        """Keeps ``value``, and forgets others where that takes more than there is room for."""
        with self._lock:
            if (old := self._kept.pop(key, None)) is not None:
                self._bytes -= self._cost(old)
            self._kept[key] = value
            self._bytes += self._cost(value)
            while self._bytes > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= self._cost(dropped)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _cost(self, value: Value) -> int:
        return OVERHEAD + self._size(value)

    def all(
        self,
        questions: Sequence[Question],
        key: Callable[[Question], Hashable],
        compute: Callable[[list[Question]], Iterable[Value]],
    ) -> list[Value]:
        """An answer to each question: those not kept are computed at once, equal ones once."""
        keys = [key(question) for question in questions]
        found = {one: value for one in set(keys) if (value := self.get(one)) is not None}
        missing = {one: question for one, question in zip(keys, questions, strict=True) if one not in found}
        if missing:
            for one, value in zip(missing, compute(list(missing.values())), strict=True):
                found[one] = value
                self.put(one, value)
        return [found[one] for one in keys]


def fingerprint(*parts: object) -> bytes:
    """16 bytes that stand for strings, numbers and tuples of them; lone surrogates are allowed."""
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()

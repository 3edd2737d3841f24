"""Items in the order in which they came to be known, whatever the order of their file."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType

import numpy as np
from msgspec.structs import replace

from voxpop.records import Item, encode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def known_at(item: Item) -> datetime:
    """When the item, as it stands, was first there to be read: a correction is known when it is made."""
    return item.revised_at or item.published_at


class Spool:
    """Items on disk, in a file without a name that goes with the process; 24 bytes of memory each.

    Of two that were known at the same moment the one that was added first comes first.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="voxpop-")  # noqa: SIM115 - closed by ``__exit__``
        self._at, self._places = array("q"), array("q", [0])

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._at)

    def add(self, item: Item) -> None:
        """Keeps the item, as received when it was known."""
        at = known_at(item)
        self._at.append((at - _EPOCH) // _MICROSECOND)
        self._places.append(self._places[-1] + self._file.write(encode(replace(item, received_at=at))))

    def span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last item were known; None without any."""
        return (_time(min(self._at)), _time(max(self._at))) if self._at else None

    def count(self, start: datetime, end: datetime) -> int:
        """How many were known in [start, end)."""
        at = np.array(self._at, dtype=np.int64)
        return int(((at >= (start - _EPOCH) // _MICROSECOND) & (at < (end - _EPOCH) // _MICROSECOND)).sum())

    def read(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, bytes]]:
        """(when it was known, the encoded item) of those in [start, end), by time."""
        at = np.array(self._at, dtype=np.int64)
        self._file.flush()
        for number in np.argsort(at, kind="stable").tolist():
            when = _time(self._at[number])
            if start <= when < end:
                place = self._places[number]
                self._file.seek(place)
                yield when, self._file.read(self._places[number + 1] - place)


def _time(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND

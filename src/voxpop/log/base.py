"""The stream: an append-only log of topics, cut into partitions, read by consumer groups.

A backend is chosen by the scheme of a URL (``open_log``) and passes ``tests/contracts/test_log.py``. Two rules keep
results exact whatever the backend does:

* Offsets of a partition are given in commit order: a reader that has seen offset n never misses a smaller one.
* A partition that was just assigned delivers nothing until ``seek`` says where to start. The worker takes that
  offset from the store, where it lies beside the results; what the group committed to the log only tells the lag.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from voxpop.errors import SettingError


class Partition(NamedTuple):
    """One partition of one incarnation of a topic: a topic that is deleted and made anew has another ``topic_id``."""

    topic: str
    topic_id: str
    number: int


class Message(NamedTuple):
    """What a producer hands in; equal keys go to one partition, so they stay in order."""

    key: bytes
    value: bytes


class Record(NamedTuple):
    """What a consumer gets back."""

    partition: Partition
    offset: int
    key: bytes
    value: bytes


class Erased(NamedTuple):
    """What became of records that were to be erased."""

    records: int
    left: int
    """Not read yet, and so not looked at: they go with the log's retention, and are not stored when they are read."""


class Consumer(Protocol):
    """One member of a consumer group."""

    def assignment(self) -> frozenset[Partition]:
        """The partitions that this member owns as of the last ``poll``."""

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Up to ``max_records`` records of the partitions sought, in offset order within each; waits up to
        ``timeout`` seconds for the first. Also where partitions are gained and lost.

        Raises:
            LogUnavailable: the log does not answer; poll again later.
        """

    def seek(self, partition: Partition, offset: int) -> None:
        """Deliver from ``offset`` on; needed once for each partition gained."""

    def pause(self) -> None:
        """Deliver nothing until ``resume``, of partitions that are gained or sought meanwhile, too. ``poll`` goes on
        to keep the membership, and what was not delivered is not lost."""

    def resume(self) -> None:
        """Deliver again."""

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Tell the log the next offset of each partition, for the lag alone."""

    def close(self) -> None:
        """Leave the group; a later ``poll`` joins it again."""


class Log(Protocol):
    """A connection to the log."""

    def create(self, topic: str, partitions: int) -> None:
        """Make ``topic`` unless it exists."""

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Append ``messages``; durable when it returns, in the order given within each partition.

        Raises:
            LogUnavailable: nothing or everything may have been written; publish again.
        """

    def subscribe(self, group: str, topics: Sequence[str]) -> Consumer:
        """Join ``group``."""

    def erase(
        self, topic: str, about: Callable[[bytes], bool], read: Mapping[int, int], *, dry_run: bool = False
    ) -> Erased:
        """Erases the records whose value is ``about`` something, for good.

        A log that cannot take single records out drops whatever every group has read, and leaves the rest to its
        retention.

        Args:
            topic: where.
            about: whether a value is to go.
            read: by partition, the offset below which every group has read.
            dry_run: only say how many there are.
        """

    def ends(self, topic: str) -> dict[int, int]:
        """The next offset to be written in each partition."""

    def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """The ``topic_id`` of each of ``topics`` that exists, as it is now."""

    def close(self) -> None:
        """Let go of connections."""


_BACKENDS = {"kafka": "voxpop.log.kafka:KafkaLog", "postgresql": "voxpop.log.sql:SqlLog"}


def open_log(url: str) -> Log:
    """The log at ``url``.

    Raises:
        SettingError: no backend of that scheme.
    """
    scheme = urlsplit(url).scheme.partition("+")[0]
    if scheme not in _BACKENDS:
        raise SettingError(f"no log backend for {scheme!r}: use one of {', '.join(sorted(_BACKENDS))}")
    module, _, name = _BACKENDS[scheme].partition(":")
    log: Log = getattr(importlib.import_module(module), name)(url)
    return log

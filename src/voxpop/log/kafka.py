"""Apache Kafka as the log: several machines, through kafka-python.

A producer is idempotent and waits for all replicas. A consumer is in ``kafka_consumer``. What a URL may say is in
``kafka_options``. A partition carries the id of its cluster and topic, so that a topic that was deleted and made anew,
or a cluster that was replaced, is another stream with positions of its own.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from voxpop.errors import Refused, SettingError, StoreError
from voxpop.log.base import Erased, Message
from voxpop.log.kafka_options import Options, parse

try:
    from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
    from kafka import errors as kafka_errors
    from kafka.admin import OffsetSpec
except ImportError as missing:
    raise SettingError("a kafka:// log needs kafka-python: install voxpop[kafka]") from missing

from voxpop.log.kafka_client import LARGEST_BYTES, answered, connect
from voxpop.log.kafka_consumer import KafkaMember

_OVERHEAD_BYTES = 64 << 10
"""What the broker may see of a message beside its key and value."""
_BATCH_BYTES = 256 << 10
_LINGER_MS = 5


class KafkaLog:
    """The log on the brokers that ``url`` names. Threads may share it."""

    def __init__(self, url: str) -> None:
        self._options: Options = parse(url)
        self._lock = threading.Lock()
        self._admin_client: Any = None
        self._producer_client: Any = None
        self._known: set[str] = set()
        """Topics that were seen to exist."""
        self._members: Counter[str] = Counter()
        self._cluster_id = ""

    def __repr__(self) -> str:
        return f"KafkaLog({', '.join(self._options.hosts)})"

    def create(self, topic: str, partitions: int) -> None:
        if self.topic_ids([topic]):
            return
        wanted = {
            "num_partitions": partitions,
            "replication_factor": self._options.replication,
            "configs": {
                "max.message.bytes": str(LARGEST_BYTES + _OVERHEAD_BYTES),
                "retention.ms": str(int(self._options.retention_days * 86_400_000)),
            },
        }
        with answered(), suppress(kafka_errors.TopicAlreadyExistsError):
            self._admin().create_topics({topic: wanted}, wait_for_metadata=True)

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        if not messages:
            return
        for message in messages:
            if (size := len(message.key) + len(message.value)) > LARGEST_BYTES:
                raise Refused(f"a message of {size} bytes is larger than the log takes ({LARGEST_BYTES})")
        if topic not in self._known:
            if not self.topic_ids([topic]):
                raise StoreError(f"topic {topic!r} does not exist: `voxpop db upgrade` makes the topics")
            self._known.add(topic)
        try:
            with answered():
                self._send(topic, messages)
        except BaseException:
            self._known.discard(topic)
            raise

    def subscribe(self, group: str, topics: Sequence[str]) -> KafkaMember:
        instance = None
        if self._options.instance:
            # Within one process a group may have several members, and each needs a name that it finds again.
            self._members[group] += 1
            number = self._members[group]
            instance = self._options.instance if number == 1 else f"{self._options.instance}-{number}"
        return KafkaMember(self._options, group, topics, self.topic_ids, instance=instance)

    def ends(self, topic: str) -> dict[int, int]:
        with answered():
            (found,) = self._admin().describe_topics([topic])
            numbers = [p["partition_index"] for p in found["partitions"]]
            latest = {TopicPartition(topic, number): OffsetSpec.LATEST for number in numbers}
            if not latest:
                return {}
            return {p.partition: o.offset for p, o in sorted(self._admin().list_partition_offsets(latest).items())}

    def erase(
        self, topic: str, about: Callable[[bytes], bool], read: Mapping[int, int], *, dry_run: bool = False
    ) -> Erased:
        """A broker takes no single record out: all that every group has read goes, as if its retention were over."""
        first, ends = self._first(topic), self.ends(topic)
        done = {n: min(at, ends.get(n, 0)) for n, at in read.items() if n in ends}
        count = sum(max(0, done.get(n, 0) - first[n]) for n in ends)
        left = sum(end - max(done.get(n, 0), first[n]) for n, end in ends.items())
        if count and not dry_run:
            with answered():
                self._admin().delete_records({TopicPartition(topic, n): at for n, at in done.items() if at > first[n]})
        return Erased(count, left)

    def _first(self, topic: str) -> dict[int, int]:
        """The first offset that is held of each partition."""
        with answered():
            earliest = {TopicPartition(topic, number): OffsetSpec.EARLIEST for number in self.ends(topic)}
            if not earliest:
                return {}
            return {p.partition: o.offset for p, o in self._admin().list_partition_offsets(earliest).items()}

    def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """The cluster's and topic's id of each of ``topics`` that exists, as the brokers say now."""
        with answered():
            admin = self._admin()
            if not self._cluster_id:
                self._cluster_id = str(admin.describe_cluster()["cluster_id"])
            described = admin.describe_topics(list(topics))
            found = {}
            for topic in described:
                error = kafka_errors.for_code(topic["error_code"])
                if error is kafka_errors.NoError:
                    # Brokers before 2.8 have no topic ids.
                    found[topic["name"]] = f"{self._cluster_id}/{topic.get('topic_id') or topic['name']}"
                elif error is not kafka_errors.UnknownTopicOrPartitionError:
                    raise error(topic["name"])
            return found

    def close(self) -> None:
        with self._lock:
            if self._producer_client is not None:
                with suppress(kafka_errors.KafkaError):
                    self._producer_client.close(timeout=self._options.timeout)
                self._producer_client = None
            if self._admin_client is not None:
                self._admin_client.close()
                self._admin_client = None

    def _admin(self) -> Any:
        with self._lock:
            if self._admin_client is None:
                self._admin_client = connect(KafkaAdminClient, self._options)
            return self._admin_client

    def _producer(self) -> Any:
        with self._lock:
            if self._producer_client is None:
                milliseconds = int(self._options.timeout * 1000)
                self._producer_client = connect(
                    KafkaProducer,
                    self._options,
                    acks="all",
                    enable_idempotence=True,
                    compression_type=self._options.compression,
                    batch_size=_BATCH_BYTES,
                    linger_ms=_LINGER_MS,
                    max_request_size=LARGEST_BYTES + _OVERHEAD_BYTES,
                    delivery_timeout_ms=max(milliseconds, 1000 + _LINGER_MS),
                    max_block_ms=milliseconds,
                )
            return self._producer_client

    def _send(self, topic: str, messages: Sequence[Message]) -> None:
        """Sends and waits until each message is acknowledged or given up, so that none arrives after a retry."""
        producer = self._producer()
        sent = [producer.send(topic, key=m.key, value=m.value) for m in messages]
        deadline = time.monotonic() + 2 * self._options.timeout
        failure: BaseException | None = None
        for future in sent:
            try:
                future.get(timeout=max(0.0, deadline - time.monotonic()))
            except kafka_errors.KafkaError as error:
                failure = error
        if failure is None:
            return
        if not getattr(failure, "retriable", False):
            self._drop(producer)
        raise failure

    def _drop(self, producer: Any) -> None:
        """Lets go of a producer that may be beyond repair; the next ``publish`` opens another."""
        with self._lock:
            if self._producer_client is producer:
                self._producer_client = None
        with suppress(kafka_errors.KafkaError):
            producer.close(timeout=1)

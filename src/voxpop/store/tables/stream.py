"""The stream: how far it was read, what it refused, and the log itself where PostgreSQL holds it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, text

from voxpop.store.tables.common import UTC_TIME, metadata

positions = Table(
    "positions",
    metadata,
    Column("consumer_group", Text, primary_key=True),
    Column("topic_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0"), comment="begun at next_offset, never ended"),
    comment="Next offset of each partition, moved in the transaction that stores its results; epoch is the fence.",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("position", BigInteger),
    Column("payload", LargeBinary, nullable=False),
    Column("received_at", UTC_TIME, nullable=False, server_default=text("clock_timestamp()")),
    Column("replayed_at", UTC_TIME),
    Index("ix_dead_letters_received_at", "received_at"),
)

log_topics = Table(
    "log_topics",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("topic_id", Text, nullable=False, unique=True),
    Column("partitions", Integer, nullable=False),
    comment="The stream where PostgreSQL is the log (voxpop.log.sql); unused with Kafka.",
)

log_heads = Table(
    "log_heads",
    metadata,
    Column("topic_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    comment="Its row lock is held until the producer commits, so offsets are given in commit order.",
)

log_records = Table(
    "log_records",
    metadata,
    Column("topic_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("received_at", UTC_TIME, nullable=False, server_default=text("clock_timestamp()")),
    Index("ix_log_records_received_at", "received_at"),
)

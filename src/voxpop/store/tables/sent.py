"""What goes out to people: messages, the attempts at them, and reports."""

from __future__ import annotations

from sqlalchemy import ARRAY, Boolean, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from voxpop.store.tables.common import UTC_TIME, metadata

deliveries = Table(
    "deliveries",
    metadata,
    Column("key", Text, primary_key=True),
    Column("receiver", Text, nullable=False),
    Column("alert_group", Text, nullable=False),
    Column("notice", Text, nullable=False),
    Column("alerts", ARRAY(Text), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("gravity", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("next_at", UTC_TIME, nullable=False),
    Column("sent_at", UTC_TIME),
    Column("said", Text, comment="the receiver's last answer, or why it gave none"),
    Column("received_at", UTC_TIME, nullable=False),
    Index("ix_deliveries_waiting", "state", "next_at"),
    Index("ix_deliveries_group", "alert_group", "received_at"),
    comment="Messages, queued in the transaction of the move that they tell of; state: waiting, sent or dropped.",
)

delivery_log = Table(
    "delivery_log",
    metadata,
    Column("key", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("sent", Boolean, nullable=False),
    Column("said", Text, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    comment="Each attempt at a message.",
)

reports = Table(
    "reports",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("watchlist", Text, nullable=False),
    Column("starts_at", UTC_TIME, nullable=False),
    Column("until", UTC_TIME, nullable=False),
    Column("as_of", UTC_TIME, nullable=False),
    Column("lang", Text, nullable=False),
    Column("happened", Boolean, nullable=False, comment="false: there was nothing to tell"),
    Column("html", Text, nullable=False),
    Column("files", JSONB, nullable=False, comment="pictures and PDF: name, type and base64 of each"),
    Column("received_at", UTC_TIME, nullable=False),
    comment="Reports that were due, as they were sent.",
)

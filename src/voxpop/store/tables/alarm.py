"""Alerts: what they say, their evidence, what became of them, and what is silenced."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, Float, Index, Integer, Table, Text, text

from voxpop.store.tables.common import UTC_TIME, available, metadata

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("entity_id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("fired_at", UTC_TIME, nullable=False),
    Column("last_at", UTC_TIME, nullable=False, comment="when the signal was last over its cut"),
    Column("window_start", UTC_TIME, nullable=False),
    Column("score", Float, nullable=False),
    Column("cut", Float, nullable=False),
    Column("hours", Integer, nullable=False),
    Column("stories", Integer, nullable=False),
    Column("negative_stories", Integer, nullable=False),
    Column("unread_stories", Integer, nullable=False),
    Column("expected", Float, nullable=False),
    Column("reach", BigInteger, nullable=False, server_default=text("0")),
    Column("model", Text, nullable=False),
    *available(),
    Index("ix_alerts_fired_at", "fired_at"),
)

alert_evidence = Table(
    "alert_evidence",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("document_id", Text, nullable=False),
    Column("revision", Text, nullable=False),
)

alert_revisions = Table(
    "alert_revisions",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("hours", Integer, nullable=False),
    Column("stories", Integer, nullable=False),
    Column("negative_stories", Integer, nullable=False),
    Column("unread_stories", Integer, nullable=False),
    Column("expected", Float, nullable=False),
    Column("reach", BigInteger, nullable=False),
    Column("last_at", UTC_TIME, nullable=False, comment="the last moment at which the signal was over its cut"),
    Column("documents", ARRAY(Text), nullable=False, comment="the evidence, in its order"),
    Column("document_revisions", ARRAY(Text), nullable=False),
    Column("model", Text, nullable=False),
    Column("cut", Float, nullable=False),
    *available(),
    Index("ix_alert_revisions_available_at", "available_at"),
    comment="What an alert said at each time; appended where it changed, never overwritten.",
)

alert_moves = Table(
    "alert_moves",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("person", Text, comment="id of who; null: Voxpop itself"),
    Column("received_at", UTC_TIME, nullable=False),
    comment="What became of an alert, by whom and when; its life is these rows and nothing else.",
)

silences = Table(
    "silences",
    metadata,
    Column("silence_id", Text, primary_key=True),
    Column("starts_at", UTC_TIME, nullable=False),
    Column("until", UTC_TIME, nullable=False),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("sector", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    Column("person", Text, nullable=False, comment="id of who"),
    comment="Alerts that nobody wants to hear of for a while; an empty condition is met by all.",
)

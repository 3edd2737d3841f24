"""Trend points by window, the cuts above which a signal is an alert, and drift."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from voxpop.store.tables.common import UTC_TIME, available, metadata

stale_windows = Table(
    "stale_windows",
    metadata,
    Column("entity_id", Text, primary_key=True),
    Column("start", UTC_TIME, primary_key=True),
    comment="Windows whose documents changed since their trend point was computed.",
)

trend_points = Table(
    "trend_points",
    metadata,
    Column("entity_id", Text, primary_key=True),
    Column("start", UTC_TIME, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("stories", Integer, nullable=False),
    Column("negative_stories", Integer, nullable=False),
    Column("positive_stories", Integer, nullable=False),
    Column("unread_stories", Integer, nullable=False),
    Column("unsure_stories", Integer, nullable=False, server_default=text("0")),
    Column("mentions", Integer, nullable=False),
    Column("sentiment", Float),
    Column("reach", BigInteger, nullable=False),
    *available(),
    Index("ix_trend_points_available_at", "available_at"),
    Index("ix_trend_points_start", "start"),
)

cuts = Table(
    "cuts",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("calibrated_to", UTC_TIME, primary_key=True),
    Column("cut", Float, nullable=False),
    Column("budget_per_day", Float, nullable=False),
    *available(),
)

drifts = Table(
    "drifts",
    metadata,
    Column("measure", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("until", UTC_TIME, primary_key=True),
    Column("score", Float, nullable=False),
    Column("recent", JSONB, nullable=False),
    Column("usual", JSONB, nullable=False),
    *available(),
    comment="Of each day how far the last week's shares of categories were from those of the four weeks before.",
)

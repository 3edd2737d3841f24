"""Whom the watchlist names, and the feeds that are polled."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from voxpop.store.tables.common import UTC_TIME, metadata

entities = Table(
    "entities",
    metadata,
    Column("entity_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("detail", JSONB, nullable=False, comment="the whole records.Entity"),
    Column("active", Boolean, nullable=False, server_default=text("true")),
)

feeds = Table(
    "feeds",
    metadata,
    Column("name", Text, primary_key=True),
    Column("detail", JSONB, nullable=False, comment="the whole sources.feeds.Feed"),
    Column("state", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="ETag, Last-Modified"),
    Column("polled_at", UTC_TIME),
    Column("error", Text),
)

"""The installation: facts about it, its jobs, and what was erased from it."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from voxpop.store.tables.common import UTC_TIME, metadata

facts = Table(
    "facts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts of this installation, such as its cluster id and the watchlist version last linked.",
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started_at", UTC_TIME, nullable=False),
    Column("ended_at", UTC_TIME, nullable=False),
    Column("done", Integer, comment="how much it did; null: it failed"),
    Column("error", Text),
    Column("succeeded_at", UTC_TIME),
    comment="The last run of each scheduled job.",
)

erasures = Table(
    "erasures",
    metadata,
    Column("subject", Text, primary_key=True, comment="a hash of whose it was"),
    Column("received_at", UTC_TIME, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("until", UTC_TIME, nullable=False, comment="what is older is not stored again"),
    Column("ended_at", UTC_TIME),
    Column("counts", JSONB, nullable=False, comment="rows by table"),
    comment="Authors and sources whose documents were erased. What comes of them again from before is not stored.",
)

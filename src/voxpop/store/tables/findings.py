"""What the models read in documents, and which model versions there are."""

from __future__ import annotations

from sqlalchemy import ARRAY, REAL, Boolean, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from voxpop.store.tables.common import UTC_TIME, available, metadata

models = Table(
    "models",
    metadata,
    Column("model", Text, primary_key=True),
    Column("profile", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("received_at", UTC_TIME, nullable=False, server_default=text("clock_timestamp()")),
)

model_moves = Table(
    "model_moves",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("former", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    Column("detail", JSONB, nullable=False, comment="alerts gained and lost, and the cuts"),
    comment="Which version was made to count in place of which: promoted, undone, or set by the settings.",
)

readings = Table(
    "readings",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("read", Boolean, nullable=False),
    Column("topics", ARRAY(Text), nullable=False),
    Column("topic_scores", ARRAY(REAL), nullable=False),
    *available(),
)

opinions = Table(
    "opinions",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("entity_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("label", Text),
    Column("negative", REAL),
    Column("neutral", REAL),
    Column("positive", REAL),
    *available(),
)

claims = Table(
    "claims",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("entity_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("question", Text, primary_key=True),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("score", REAL, nullable=False),
    Column("entailment", REAL, nullable=False),
    Column("factuality", Text, nullable=False),
    *available(),
    comment="What a document asserts about an entity: a span of its text that answers a question.",
)

risks = Table(
    "risks",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("entity_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("severity", Integer, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("score", REAL, nullable=False),
    *available(),
    Index("ix_risks_severity", "severity", "score"),
    comment="Risk events that a document entails about an entity.",
)

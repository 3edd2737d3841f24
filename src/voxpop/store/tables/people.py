"""People and programs: who may, what they changed, and what they say."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, Identity, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from voxpop.store.tables.common import UTC_TIME, metadata

users = Table(
    "users",
    metadata,
    Column("user_id", Text, primary_key=True, comment="hash of issuer and subject"),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    Column("signed_in_at", UTC_TIME, nullable=False),
    comment="People whom an identity provider vouched for, with the role that it gave them last.",
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("token_id", Text, nullable=False, unique=True, comment="names it in lists; no secret"),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("who", Text, nullable=False, comment="made it"),
    Column("received_at", UTC_TIME, nullable=False),
    Column("expires_at", UTC_TIME),
    Column("used_at", UTC_TIME, comment="to the minute"),
    Column("revoked_at", UTC_TIME),
    comment="Tokens of programs. The token itself is shown once and stored nowhere.",
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_hash", Text, primary_key=True),
    Column("csrf", Text, nullable=False, comment="what a form must send back"),
    Column("user_id", Text),
    Column("token_hash", Text, comment="of the token that was signed in with; ends with it"),
    Column("received_at", UTC_TIME, nullable=False),
    Column("expires_at", UTC_TIME, nullable=False),
    Index("ix_sessions_expires_at", "expires_at"),
    comment="Browsers that are signed in, by a person or by a token.",
)

audit_trail = Table(
    "audit",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("at", UTC_TIME, nullable=False, server_default=text("clock_timestamp()")),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("person", Text, comment="id of who; null: from before ids were kept"),
    Index("ix_audit_about", "about"),
    comment="Every change that somebody made; a trigger refuses to change or delete a row.",
)

alert_comments = Table(
    "alert_comments",
    metadata,
    Column("comment_id", Text, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("person", Text, nullable=False, comment="id of who"),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    Index("ix_alert_comments_alert", "alert_id", "received_at"),
    comment="What people wrote about an alert.",
)

reviews = Table(
    "reviews",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("entity_id", Text, primary_key=True),
    Column("person", Text, primary_key=True, comment="id of who"),
    Column("who", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("was", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    comment="What people say of the sentiment of a document towards an entity; one verdict a person.",
)

own_lists = Table(
    "own_lists",
    metadata,
    Column("person", Text, primary_key=True, comment="id of who"),
    Column("name", Text, primary_key=True),
    Column("who", Text, nullable=False),
    Column("entities", ARRAY(Text), nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    comment="Entities that a person wants to see first.",
)

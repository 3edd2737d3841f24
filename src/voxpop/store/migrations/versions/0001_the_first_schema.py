"""The first schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    _the_stream()
    _what_is_watched()
    _documents()
    _stories()
    _what_is_read()
    _what_turned()
    op.execute(
        "CREATE VIEW current_mentions AS SELECT m.* FROM mentions m"
        " JOIN documents d ON d.document_id = m.document_id AND d.revision = m.revision"
        " WHERE d.latest AND m.relevance <> 'passing'"
    )


def _the_stream() -> None:
    """What is read of the stream, and the stream itself where this database holds it."""
    op.create_table(
        "positions",
        sa.Column("consumer_group", sa.Text(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("consumer_group", "topic_id", "partition"),
        comment="Next offset of each partition, moved in the transaction that stores its results; epoch is the fence.",
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_dead_letters_received_at", "dead_letters", ["received_at"], unique=False)
    op.create_table(
        "log_topics",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("partitions", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("topic"),
        sa.UniqueConstraint("topic_id"),
        comment="The stream where PostgreSQL is the log (voxpop.log.sql); unused with Kafka.",
    )
    op.create_table(
        "log_heads",
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", "partition"),
        comment="Its row lock is held until the producer commits, so offsets are given in commit order.",
    )
    op.create_table(
        "log_records",
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("topic_id", "partition", "offset"),
    )
    op.create_index("ix_log_records_received_at", "log_records", ["received_at"], unique=False)


def _what_is_watched() -> None:
    """The installation's facts, the companies and the feeds."""
    op.create_table(
        "facts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        comment="Facts of this installation, such as its cluster id and the watchlist version last linked.",
    )
    op.create_table(
        "entities",
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="the whole records.Entity"
        ),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("entity_id"),
    )
    op.create_table(
        "feeds",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="the whole sources.feeds.Feed"
        ),
        sa.Column(
            "state",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="ETag, Last-Modified",
        ),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )


def _documents() -> None:
    """Documents, their reach, and whom they mention."""
    op.create_table(
        "documents",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("latest", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("title_end", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column(
            "linked_with", sa.Text(), nullable=False, comment="version of the watchlist that its mentions come from"
        ),
        sa.Column(
            "available_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("document_id", "revision"),
    )
    op.create_index("ix_documents_published_at", "documents", ["published_at"], unique=False)
    op.create_index("ix_documents_source", "documents", ["source", "published_at"], unique=False)
    op.create_table(
        "engagements",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("reach", sa.BigInteger(), nullable=False),
        sa.Column("replies", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "reach", "replies"),
        comment="Reach and replies of an item as seen at a time; a figure seen before adds nothing.",
    )
    op.create_table(
        "mentions",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("relevance", sa.Text(), nullable=False),
        sa.Column("confidence", sa.REAL(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "available_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("document_id", "revision", "entity_id", "start"),
    )
    op.create_index("ix_mentions_entity", "mentions", ["entity_id", "published_at"], unique=False)


def _stories() -> None:
    """Which documents are one story."""
    op.create_table(
        "story_texts",
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint"),
        comment="Each distinct normalised text once; documents with the same words share a fingerprint.",
    )
    op.create_table(
        "story_bands",
        sa.Column("band", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("band", "fingerprint"),
        comment="Locality-sensitive index: near-repeats share a band.",
    )
    op.create_table(
        "story_members",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column(
            "story_id", sa.Text(), nullable=False, comment="document_id of the story's earliest (published_at, id)"
        ),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("document_id"),
    )
    op.create_index("ix_story_members_fingerprint", "story_members", ["fingerprint", "published_at"], unique=False)
    op.create_index("ix_story_members_story", "story_members", ["story_id"], unique=False)


def _what_is_read() -> None:
    """What model versions read in documents."""
    op.create_table(
        "models",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("model"),
    )
    op.create_table(
        "readings",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("read", sa.Boolean(), nullable=False),
        sa.Column("topics", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("topic_scores", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column(
            "available_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("document_id", "revision", "model"),
    )
    op.create_table(
        "opinions",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("negative", sa.REAL(), nullable=True),
        sa.Column("neutral", sa.REAL(), nullable=True),
        sa.Column("positive", sa.REAL(), nullable=True),
        sa.Column(
            "available_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("document_id", "revision", "entity_id", "model"),
    )


def _what_turned() -> None:
    """Trends, cuts and alerts."""
    op.create_table(
        "stale_windows",
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("entity_id", "start"),
        comment="Windows whose documents changed since their trend point was computed.",
    )
    op.create_table(
        "trend_points",
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("stories", sa.Integer(), nullable=False),
        sa.Column("negative_stories", sa.Integer(), nullable=False),
        sa.Column("positive_stories", sa.Integer(), nullable=False),
        sa.Column("unread_stories", sa.Integer(), nullable=False),
        sa.Column("mentions", sa.Integer(), nullable=False),
        sa.Column("sentiment", sa.Float(), nullable=True),
        sa.Column("reach", sa.BigInteger(), nullable=False),
        sa.Column(
            "available_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("entity_id", "start", "model", "revision"),
    )
    op.create_table(
        "cuts",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("calibrated_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cut", sa.Float(), nullable=False),
        sa.Column("budget_per_day", sa.Float(), nullable=False),
        sa.Column(
            "available_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("rule", "model", "calibrated_to"),
    )
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("cut", sa.Float(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("stories", sa.Integer(), nullable=False),
        sa.Column("negative_stories", sa.Integer(), nullable=False),
        sa.Column("unread_stories", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Float(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column(
            "available_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("alert_id"),
    )
    op.create_index("ix_alerts_fired_at", "alerts", ["fired_at"], unique=False)
    op.create_table(
        "alert_evidence",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "rank"),
    )


def downgrade() -> None:
    op.execute("DROP VIEW current_mentions")
    op.drop_table("trend_points")
    op.drop_table("story_texts")
    op.drop_index("ix_story_members_story", table_name="story_members")
    op.drop_index("ix_story_members_fingerprint", table_name="story_members")
    op.drop_table("story_members")
    op.drop_table("story_bands")
    op.drop_table("stale_windows")
    op.drop_table("readings")
    op.drop_table("positions")
    op.drop_table("opinions")
    op.drop_table("models")
    op.drop_index("ix_mentions_entity", table_name="mentions")
    op.drop_table("mentions")
    op.drop_table("log_topics")
    op.drop_index("ix_log_records_received_at", table_name="log_records")
    op.drop_table("log_records")
    op.drop_table("log_heads")
    op.drop_table("feeds")
    op.drop_table("facts")
    op.drop_table("entities")
    op.drop_table("engagements")
    op.drop_index("ix_documents_source", table_name="documents")
    op.drop_index("ix_documents_published_at", table_name="documents")
    op.drop_table("documents")
    op.drop_index("ix_dead_letters_received_at", table_name="dead_letters")
    op.drop_table("dead_letters")
    op.drop_table("cuts")
    op.drop_index("ix_alerts_fired_at", table_name="alerts")
    op.drop_table("alerts")
    op.drop_table("alert_evidence")

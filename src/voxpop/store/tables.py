"""The schema, as SQLAlchemy Core tables. ``migrations/`` builds it; a test holds the two equal.

Conventions: a primary key is a natural key, so that writing a thing twice is writing it once; ``available_at`` is
given under the commit-order lock (see ``writer.commit_order``), so that it rises in the order in which rows become
visible; ``received_at``, ``available_at``, ``owner`` and ``epoch`` are the only columns that two runs over the same
input may differ in. A row that is ``reconstructed`` was written by a replay of history, whose clock gave it its
``available_at``; any other was available at the time that it bears.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

UTC_TIME = DateTime(timezone=True)


CLOCK = "voxpop.clock"
"""A setting of the session: the time that it is for a replay; where it is not set, the clock on the wall counts."""
_CLOCK = f"CAST(nullif(current_setting('{CLOCK}', true), '') AS timestamptz)"


def _available() -> tuple[Column[datetime], Column[bool]]:
    return (
        Column("available_at", UTC_TIME, nullable=False, server_default=text(f"coalesce({_CLOCK}, clock_timestamp())")),
        Column("reconstructed", Boolean, nullable=False, server_default=text(f"{_CLOCK} IS NOT NULL")),
    )


facts = Table(
    "facts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts of this installation, such as its cluster id and the watchlist version last linked.",
)

# ------------------------------------------------------------------------------------------------ the stream

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

# ------------------------------------------------------------------------------------------------ the watchlist

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

# ------------------------------------------------------------------------------------------------ documents

documents = Table(
    "documents",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("latest", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("published_at", UTC_TIME, nullable=False),
    Column("revised_at", UTC_TIME, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("lang", Text, nullable=False),
    Column("title_end", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("url", Text),
    Column("author", Text),
    Column("linked_with", Text, nullable=False, comment="version of the watchlist that its mentions come from"),
    *_available(),
    Index("ix_documents_published_at", "published_at"),
    Index("ix_documents_source", "source", "published_at"),
    Index("ix_documents_terms", text("voxpop_terms(text)"), postgresql_using="gin"),
)

engagements = Table(
    "engagements",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("reach", BigInteger, primary_key=True),
    Column("replies", BigInteger, primary_key=True),
    Column("as_of", UTC_TIME, nullable=False, comment="when the item was last changed, by its source"),
    Column("received_at", UTC_TIME, nullable=False),
    *_available(),
    comment="Reach and replies of an item as seen at a time; a figure seen before adds nothing.",
)

mentions = Table(
    "mentions",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("entity_id", Text, primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("end", Integer, nullable=False),
    Column("relevance", Text, nullable=False),
    Column("confidence", REAL, nullable=False),
    Column("published_at", UTC_TIME, nullable=False),
    *_available(),
    Index("ix_mentions_entity", "entity_id", "published_at"),
    Index("ix_mentions_published_at", "published_at"),
)

story_texts = Table(
    "story_texts",
    metadata,
    Column("fingerprint", BigInteger, primary_key=True),
    Column("words", Text, nullable=False),
    comment="Each distinct normalised text once; documents with the same words share a fingerprint.",
)

story_bands = Table(
    "story_bands",
    metadata,
    Column("band", BigInteger, primary_key=True),
    Column("fingerprint", BigInteger, primary_key=True),
    Index("ix_story_bands_fingerprint", "fingerprint"),
    comment="Locality-sensitive index: near-repeats share a band.",
)

story_members = Table(
    "story_members",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("story_id", Text, nullable=False, comment="document_id of the story's earliest (published_at, id)"),
    Column("fingerprint", BigInteger, nullable=False),
    Column("published_at", UTC_TIME, nullable=False),
    Index("ix_story_members_story", "story_id"),
    Index("ix_story_members_fingerprint", "fingerprint", "published_at"),
)

# ------------------------------------------------------------------------------------------------ what was read

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
    *_available(),
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
    *_available(),
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
    *_available(),
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
    *_available(),
    Index("ix_risks_severity", "severity", "score"),
    comment="Risk events that a document entails about an entity.",
)

# ------------------------------------------------------------------------------------------------ what turned

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
    *_available(),
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
    *_available(),
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
    *_available(),
    comment="Of each day how far the last week's shares of categories were from those of the four weeks before.",
)

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
    *_available(),
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
    *_available(),
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
    comment="Alerts that nobody wants to hear of for a while; an empty condition is met by all.",
)

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

# ------------------------------------------------------------------------------------------------ the log

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

"""Documents and their revisions, whom they mention, and the stories that they retell."""

from __future__ import annotations

from sqlalchemy import REAL, BigInteger, Boolean, Column, Index, Integer, Table, Text, text

from voxpop.store.tables.common import UTC_TIME, available, metadata

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
    *available(),
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
    *available(),
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
    *available(),
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

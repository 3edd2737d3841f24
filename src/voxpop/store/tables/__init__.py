"""The schema, as SQLAlchemy Core tables. ``migrations/`` builds it; a test holds the two equal.

Conventions: a primary key is a natural key, so that writing a thing twice is writing it once; ``available_at`` is
given under the commit-order lock (see ``locks.commit_order``), so that it rises in the order in which rows become
visible; ``received_at``, ``available_at``, ``owner`` and ``epoch`` are the only columns that two runs over the same
input may differ in. A row that is ``reconstructed`` was written by a replay of history, whose clock gave it its
``available_at``; any other was available at the time that it bears.
"""

from __future__ import annotations

from voxpop.store.tables.alarm import alert_evidence, alert_moves, alert_revisions, alerts, silences
from voxpop.store.tables.common import CLOCK, metadata
from voxpop.store.tables.findings import claims, model_moves, models, opinions, readings, risks
from voxpop.store.tables.people import alert_comments, api_tokens, audit_trail, own_lists, reviews, sessions, users
from voxpop.store.tables.sent import deliveries, delivery_log, reports
from voxpop.store.tables.stream import dead_letters, log_heads, log_records, log_topics, positions
from voxpop.store.tables.texts import documents, engagements, mentions, story_bands, story_members, story_texts
from voxpop.store.tables.turning import cuts, drifts, stale_windows, trend_points
from voxpop.store.tables.upkeep import erasures, facts, job_runs
from voxpop.store.tables.watched import entities, feeds

__all__ = [
    "CLOCK",
    "alert_comments",
    "alert_evidence",
    "alert_moves",
    "alert_revisions",
    "alerts",
    "api_tokens",
    "audit_trail",
    "claims",
    "cuts",
    "dead_letters",
    "deliveries",
    "delivery_log",
    "documents",
    "drifts",
    "engagements",
    "entities",
    "erasures",
    "facts",
    "feeds",
    "job_runs",
    "log_heads",
    "log_records",
    "log_topics",
    "mentions",
    "metadata",
    "model_moves",
    "models",
    "opinions",
    "own_lists",
    "positions",
    "readings",
    "reports",
    "reviews",
    "risks",
    "sessions",
    "silences",
    "stale_windows",
    "story_bands",
    "story_members",
    "story_texts",
    "trend_points",
    "users",
]

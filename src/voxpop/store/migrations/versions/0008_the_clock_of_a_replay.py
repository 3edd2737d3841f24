"""The clock of a replay, rows that it reconstructs, and what is needed to look only at what is new"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_TABLES = (
    *("documents", "mentions", "readings", "opinions", "claims", "risks"),
    *("trend_points", "cuts", "alerts", "engagements", "drifts", "alert_revisions"),
)
_CLOCK = "CAST(nullif(current_setting('voxpop.clock', true), '') AS timestamptz)"
_INDEXES = (
    ("ix_mentions_published_at", "mentions", ["published_at"]),
    ("ix_story_bands_fingerprint", "story_bands", ["fingerprint"]),
    ("ix_risks_severity", "risks", ["severity", "score"]),
    ("ix_trend_points_available_at", "trend_points", ["available_at"]),
)


def upgrade() -> None:
    for table in _TABLES:
        # First a constant, so that no stored row is rewritten: what is there was written live.
        op.add_column(table, sa.Column("reconstructed", sa.Boolean(), server_default=sa.false(), nullable=False))
        op.alter_column(table, "reconstructed", server_default=sa.text(f"{_CLOCK} IS NOT NULL"))
        op.alter_column(table, "available_at", server_default=sa.text(f"coalesce({_CLOCK}, clock_timestamp())"))
    op.add_column(
        "alerts",
        sa.Column("last_at", sa.DateTime(timezone=True), comment="when the signal was last over its cut"),
    )
    op.execute("UPDATE alerts SET last_at = fired_at")
    op.alter_column("alerts", "last_at", nullable=False)
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, table, _ in reversed(_INDEXES):
        op.drop_index(name, table_name=table)
    op.drop_column("alerts", "last_at")
    for table in _TABLES:
        op.alter_column(table, "available_at", server_default=sa.text("clock_timestamp()"))
        op.drop_column(table, "reconstructed")

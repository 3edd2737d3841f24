"""What an alert said at each time, when a figure of reach was stored, and the reports that were sent"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def _now() -> sa.Column[datetime]:
    return sa.Column(
        "available_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def upgrade() -> None:
    op.add_column("engagements", sa.Column("available_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE engagements SET available_at = received_at")
    op.alter_column("engagements", "available_at", nullable=False, server_default=sa.text("clock_timestamp()"))
    _alert_revisions()
    op.create_table(
        "reports",
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("watchlist", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("happened", sa.Boolean(), nullable=False, comment="false: there was nothing to tell"),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column(
            "files",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="pictures and PDF: name, type and base64 of each",
        ),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("report_id"),
        comment="Reports that were due, as they were sent.",
    )


def _alert_revisions() -> None:
    """The table, with what alerts say now; of an alert that is over the last moment is not known any more."""
    op.create_table(
        "alert_revisions",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("stories", sa.Integer(), nullable=False),
        sa.Column("negative_stories", sa.Integer(), nullable=False),
        sa.Column("unread_stories", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Float(), nullable=False),
        sa.Column("reach", sa.BigInteger(), nullable=False),
        sa.Column(
            "last_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the last moment at which the signal was over its cut",
        ),
        sa.Column("documents", sa.ARRAY(sa.Text()), nullable=False, comment="the evidence, in its order"),
        sa.Column("document_revisions", sa.ARRAY(sa.Text()), nullable=False),
        _now(),
        sa.PrimaryKeyConstraint("alert_id", "revision"),
        comment="What an alert said at each time; appended where it changed, never overwritten.",
    )
    op.create_index("ix_alert_revisions_available_at", "alert_revisions", ["available_at"], unique=False)
    op.execute(
        "INSERT INTO alert_revisions (alert_id, revision, state, score, hours, stories, negative_stories,"
        " unread_stories, expected, reach, last_at, documents, document_revisions, available_at)"
        " SELECT alert_id, 1, state, score, hours, stories, negative_stories, unread_stories, expected, reach,"
        "  fired_at,"
        "  array(SELECT document_id FROM alert_evidence e WHERE e.alert_id = a.alert_id ORDER BY rank),"
        "  array(SELECT revision FROM alert_evidence e WHERE e.alert_id = a.alert_id ORDER BY rank), available_at"
        " FROM alerts a"
    )


def downgrade() -> None:
    op.drop_table("reports")
    op.drop_index("ix_alert_revisions_available_at", table_name="alert_revisions")
    op.drop_table("alert_revisions")
    op.drop_column("engagements", "available_at")

"""Whether the stream, or what is read in it, is what it was"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "drifts",
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("recent", postgresql.JSONB(), nullable=False),
        sa.Column("usual", postgresql.JSONB(), nullable=False),
        sa.Column(
            "available_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.PrimaryKeyConstraint("measure", "model", "until"),
        comment="Of each day how far the last week's shares of categories were from those of the four weeks before.",
    )


def downgrade() -> None:
    op.drop_table("drifts")

"""Claims, risk events, and stories whose label is unsure"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "claims",
        *_keys("question"),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("score", sa.REAL(), nullable=False),
        sa.Column("entailment", sa.REAL(), nullable=False),
        sa.Column("factuality", sa.Text(), nullable=False),
        _now(),
        comment="What a document asserts about an entity: a span of its text that answers a question.",
    )
    op.create_table(
        "risks",
        *_keys("event"),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("score", sa.REAL(), nullable=False),
        _now(),
        comment="Risk events that a document entails about an entity.",
    )
    op.add_column(
        "trend_points", sa.Column("unsure_stories", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("trend_points", "unsure_stories")
    op.drop_table("risks")
    op.drop_table("claims")


def _keys(last: str) -> list[sa.Column[str]]:
    names = ("document_id", "revision", "entity_id", "model", last)
    return [sa.Column(name, sa.Text(), nullable=False, primary_key=True) for name in names]


def _now() -> sa.Column[datetime]:
    default = sa.text("clock_timestamp()")
    return sa.Column("available_at", sa.DateTime(timezone=True), server_default=default, nullable=False)

"""What was erased, by whom and how much of it, without what it was"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("subject", sa.Text(), nullable=False, comment="a hash of whose it was"),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False, comment="what is older is not stored again"),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("counts", postgresql.JSONB(), nullable=False, comment="rows by table"),
        sa.PrimaryKeyConstraint("subject", "received_at"),
        comment="Authors and sources whose documents were erased. What comes of them again from before is not stored.",
    )


def downgrade() -> None:
    op.drop_table("erasures")

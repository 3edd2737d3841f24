"""Which model version an alert's words come from, and who made which version count"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("alert_revisions", sa.Column("model", sa.Text()))
    op.add_column("alert_revisions", sa.Column("cut", sa.Float()))
    op.execute("UPDATE alert_revisions r SET model = a.model, cut = a.cut FROM alerts a WHERE a.alert_id = r.alert_id")
    op.execute("UPDATE alert_revisions SET model = '', cut = 0 WHERE model IS NULL")  # of an alert that is not there
    op.alter_column("alert_revisions", "model", nullable=False)
    op.alter_column("alert_revisions", "cut", nullable=False)
    op.create_table(
        "model_moves",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("former", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False, comment="alerts gained and lost, and the cuts"),
        sa.PrimaryKeyConstraint("number"),
        comment="Which version was made to count in place of which: promoted, undone, or set by the settings.",
    )


def downgrade() -> None:
    op.drop_table("model_moves")
    op.drop_column("alert_revisions", "cut")
    op.drop_column("alert_revisions", "model")

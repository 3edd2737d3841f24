"""When a figure of reach stood, and how far the story of an alert has spread"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "engagements",
        sa.Column("as_of", sa.DateTime(timezone=True), comment="when the item was last changed, by its source"),
    )
    op.execute(
        "UPDATE engagements e SET as_of = coalesce("
        "(SELECT min(d.revised_at) FROM documents d WHERE d.document_id = e.document_id), e.received_at)"
    )
    op.alter_column("engagements", "as_of", nullable=False)
    op.add_column("alerts", sa.Column("reach", sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    op.drop_column("alerts", "reach")
    op.drop_column("engagements", "as_of")

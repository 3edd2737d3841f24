"""How often the record at a partition's next offset was begun"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "positions",
        sa.Column(
            "tries",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="begun at next_offset, never ended",
        ),
    )


def downgrade() -> None:
    op.drop_column("positions", "tries")

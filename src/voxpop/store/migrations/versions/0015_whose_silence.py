"""A silence is known by the id of who made it, as comments and verdicts are"""

# ruff: noqa: S608 - the statement is made of names that stand in this file
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_KNOWN = (
    "SELECT name, 'user:' || user_id AS id FROM users"
    " UNION ALL SELECT name, 'token:' || token_id FROM api_tokens"
    " UNION ALL VALUES ('administrator', 'administrator'), ('local operator', 'local')"
)
"""Who goes or went by which name."""
_ONE = f"SELECT name, min(id) AS id FROM ({_KNOWN}) k GROUP BY name HAVING count(*) = 1"
"""The names that only one goes by."""


def upgrade() -> None:
    """Where nobody goes by the name, or several do, the name is all that is known."""
    op.add_column("silences", sa.Column("person", sa.Text(), comment="id of who"))
    op.execute(
        f"UPDATE silences s SET person = coalesce((SELECT id FROM ({_ONE}) k WHERE k.name = s.who), 'name:' || s.who)"
    )
    op.alter_column("silences", "person", nullable=False)


def downgrade() -> None:
    op.drop_column("silences", "person")

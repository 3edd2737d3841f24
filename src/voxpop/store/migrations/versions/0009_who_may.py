"""People, tokens, sessions, and the trail of what they changed"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def _time(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Text(), nullable=False, comment="hash of issuer and subject"),
        *_words("issuer", "subject", "name", "role"),
        _time("received_at"),
        _time("signed_in_at"),
        sa.PrimaryKeyConstraint("user_id"),
        comment="People whom an identity provider vouched for, with the role that it gave them last.",
    )
    op.create_table(
        "api_tokens",
        *_words("token_hash"),
        sa.Column("token_id", sa.Text(), nullable=False, comment="names it in lists; no secret"),
        *_words("name", "role"),
        sa.Column("who", sa.Text(), nullable=False, comment="made it"),
        _time("received_at"),
        _time("expires_at", nullable=True),
        _time("used_at", nullable=True, comment="to the minute"),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("token_hash"),
        sa.UniqueConstraint("token_id"),
        comment="Tokens of programs. The token itself is shown once and stored nowhere.",
    )
    op.create_table(
        "sessions",
        *_words("session_hash"),
        sa.Column("csrf", sa.Text(), nullable=False, comment="what a form must send back"),
        sa.Column("user_id", sa.Text()),
        sa.Column("token_hash", sa.Text(), comment="of the token that was signed in with; ends with it"),
        _time("received_at"),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("session_hash"),
        comment="Browsers that are signed in, by a person or by a token.",
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    _audit()


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        *_words("who", "what", "about"),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        comment="Every change that somebody made; a trigger refuses to change or delete a row.",
    )
    op.create_index("ix_audit_about", "audit", ["about"])
    op.execute(
        "CREATE FUNCTION audit_stands() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the audit trail is only added to'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_stands BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_stands()"
    )


def downgrade() -> None:
    op.drop_table("audit")
    op.execute("DROP FUNCTION audit_stands()")
    for table in ("sessions", "api_tokens", "users"):
        op.drop_table(table)

"""Moves of alerts, silences, and the messages that they cause"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "alert_moves",
        _key("alert_id"),
        sa.Column("number", sa.Integer(), nullable=False, primary_key=True),
        _text("kind"),
        _text("note"),
        _text("who"),
        _received(),
        comment="What became of an alert, by whom and when; its life is these rows and nothing else.",
    )
    op.create_table(
        "silences",
        _key("silence_id"),
        _time("starts_at"),
        _time("until"),
        *map(_text, ("who", "reason", "entity", "rule", "sector", "severity")),
        _received(),
        comment="Alerts that nobody wants to hear of for a while; an empty condition is met by all.",
    )
    _messages()


def _messages() -> None:
    """Messages to people, and the attempts at them."""
    op.create_table(
        "deliveries",
        _key("key"),
        *map(_text, ("receiver", "alert_group", "notice")),
        sa.Column("alerts", sa.ARRAY(sa.Text()), nullable=False),
        *map(_text, ("subject", "body", "gravity")),
        sa.Column("data", JSONB(), nullable=False),
        _text("state"),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _time("next_at"),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("said", sa.Text(), comment="the receiver's last answer, or why it gave none"),
        _received(),
        comment="Messages, queued in the transaction of the move that they tell of; state: waiting, sent or dropped.",
    )
    op.create_index("ix_deliveries_waiting", "deliveries", ["state", "next_at"])
    op.create_index("ix_deliveries_group", "deliveries", ["alert_group", "received_at"])
    op.create_table(
        "delivery_log",
        _key("key"),
        sa.Column("number", sa.Integer(), nullable=False, primary_key=True),
        sa.Column("sent", sa.Boolean(), nullable=False),
        _text("said"),
        _received(),
        comment="Each attempt at a message.",
    )


def downgrade() -> None:
    op.drop_table("delivery_log")
    op.drop_index("ix_deliveries_group", table_name="deliveries")
    op.drop_index("ix_deliveries_waiting", table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_table("silences")
    op.drop_table("alert_moves")


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _time(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _received() -> sa.Column[datetime]:
    return _time("received_at")

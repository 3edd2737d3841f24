"""What people say: comments, reviews and lists of their own; when jobs ran; and a bell that rings for the dashboard"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_BELL = "voxpop_desk"
_RINGS = ("alert_revisions", "alert_moves", "alert_comments")
"""Tables whose new rows ring: each tells of an alert."""


def upgrade() -> None:
    op.create_table(
        "alert_comments",
        _key("comment_id"),
        *map(_text, ("alert_id", "who", "note")),
        _time("received_at"),
        comment="What people wrote about an alert.",
    )
    op.create_index("ix_alert_comments_alert", "alert_comments", ["alert_id", "received_at"])
    op.create_table(
        "reviews",
        *map(_key, ("document_id", "revision", "entity_id", "who")),
        *map(_text, ("model", "was", "label")),
        _time("received_at"),
        comment="What people say of the sentiment of a document towards an entity; one verdict a person.",
    )
    op.create_table(
        "own_lists",
        *map(_key, ("who", "name")),
        sa.Column("entities", sa.ARRAY(sa.Text()), nullable=False),
        _time("received_at"),
        comment="Entities that a person wants to see first.",
    )
    op.create_table(
        "job_runs",
        _key("name"),
        _time("started_at"),
        _time("ended_at"),
        sa.Column("done", sa.Integer(), comment="how much it did; null: it failed"),
        sa.Column("error", sa.Text()),
        _time("succeeded_at", nullable=True),
        comment="The last run of each scheduled job.",
    )
    op.create_index("ix_trend_points_start", "trend_points", ["start"])
    op.execute(
        "CREATE FUNCTION ring_bell() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN PERFORM pg_notify('{_BELL}', NEW.alert_id); RETURN NULL; END $$"
    )
    for table in _RINGS:
        op.execute(f"CREATE TRIGGER bell AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION ring_bell()")


def downgrade() -> None:
    for table in _RINGS:
        op.execute(f"DROP TRIGGER bell ON {table}")
    op.execute("DROP FUNCTION ring_bell()")
    op.drop_index("ix_trend_points_start", table_name="trend_points")
    for table in ("job_runs", "own_lists", "reviews"):
        op.drop_table(table)
    op.drop_index("ix_alert_comments_alert", table_name="alert_comments")
    op.drop_table("alert_comments")


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)

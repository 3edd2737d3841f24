"""Whoever did something is known by an id that stays when their name changes, and that no other of the name has"""

# ruff: noqa: S608 - the statements are made of names that stand in this file
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_KNOWN = (
    "SELECT name, 'user:' || user_id AS id FROM users"
    " UNION ALL SELECT name, 'token:' || token_id FROM api_tokens"
    " UNION ALL VALUES ('administrator', 'administrator'), ('local operator', 'local')"
)
"""Who goes or went by which name; one whose token was revoked is not whoever has a newer one of its name."""
_ONE = f"SELECT name, min(id) AS id FROM ({_KNOWN}) k GROUP BY name HAVING count(*) = 1"
"""The names that only one goes by."""
_KEYS = {"reviews": ["document_id", "revision", "entity_id"], "own_lists": ["name"]}
"""Tables of which a row belongs to a person, and the rest of its key."""


def upgrade() -> None:
    _add("alert_moves", "id of who; null: Voxpop itself")
    _add("audit", "id of who; null: from before ids were kept")
    for table in ("alert_comments", *_KEYS):
        _add(table, "id of who")
    _each_their_copy()
    for table in ("alert_comments", "reviews", "own_lists"):
        _name(table, "person IS NULL")
        op.alter_column(table, "person", nullable=False)
    _name("alert_moves", "who <> 'voxpop'")
    for table, rest in _KEYS.items():
        _key(table, [*rest, "person"])


def _add(table: str, comment: str) -> None:
    op.add_column(table, sa.Column("person", sa.Text(), comment=comment))


def _each_their_copy() -> None:
    """Of a list that several of one name have shared, each gets a copy, since nobody can tell whose it was."""
    op.drop_constraint("own_lists_pkey", "own_lists")
    op.execute(
        "INSERT INTO own_lists (who, name, entities, received_at, person)"
        f" SELECT l.who, l.name, l.entities, l.received_at, k.id FROM own_lists l JOIN ({_KNOWN}) k ON k.name = l.who"
    )
    op.execute(f"DELETE FROM own_lists WHERE person IS NULL AND who IN (SELECT name FROM ({_KNOWN}) k)")


def _name(table: str, where: str) -> None:
    """Gives rows the id of who goes by the name; where that is nobody, or several, the name is all that is known."""
    op.execute(
        f"UPDATE {table} t SET person = coalesce((SELECT id FROM ({_ONE}) k WHERE k.name = t.who), 'name:' || t.who)"
        f" WHERE {where}"
    )


def _key(table: str, columns: list[str]) -> None:
    if table != "own_lists":
        op.drop_constraint(f"{table}_pkey", table)
    op.create_primary_key(f"{table}_pkey", table, columns)


def downgrade() -> None:
    for table, rest in _KEYS.items():
        _tell_apart(table, rest)
        op.drop_constraint(f"{table}_pkey", table)
        op.create_primary_key(f"{table}_pkey", table, [*rest, "who"])
    for table in ("alert_moves", "audit", "alert_comments", *_KEYS):
        op.drop_column(table, "person")


def _tell_apart(table: str, rest: list[str]) -> None:
    """Where two of one name have what the older key holds once, the second's name gets their id behind it."""
    same = " AND ".join(f"o.{column} = t.{column}" for column in [*rest, "who"])
    op.execute(
        f"UPDATE {table} t SET who = t.who || ' (' || t.person || ')'"
        f" WHERE EXISTS (SELECT FROM {table} o WHERE {same} AND o.person < t.person)"
    )

"""An index of the words of documents, for questions that are asked of them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_TERMS = r"""
CREATE FUNCTION voxpop_terms(said text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('pg_catalog.english', said) || array_to_tsvector(coalesce(
        (SELECT array_agg(DISTINCT substr(run[1], at, 2))
         FROM regexp_matches(said, '[\u4e00-\u9fff]{2,64}', 'g') AS run, generate_series(1, length(run[1]) - 1) AS at),
        '{}'))
$$
"""
"""English words by their stems, Chinese by pairs of characters, since it has no blanks between words."""


def upgrade() -> None:
    op.execute(_TERMS)
    op.create_index(
        "ix_documents_terms",
        "documents",
        [sa.text("voxpop_terms(text)")],
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.drop_index("ix_documents_terms", table_name="documents")
    op.execute("DROP FUNCTION voxpop_terms(text)")

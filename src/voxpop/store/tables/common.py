"""What the tables share: their metadata, and the columns that say since when a row is available."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Column, DateTime, MetaData, text

metadata = MetaData()

UTC_TIME = DateTime(timezone=True)

CLOCK = "voxpop.clock"
"""A setting of the session: the time that it is for a replay; where it is not set, the clock on the wall counts."""
_CLOCK = f"CAST(nullif(current_setting('{CLOCK}', true), '') AS timestamptz)"


def available() -> tuple[Column[datetime], Column[bool]]:
    """The columns ``available_at`` and ``reconstructed``; a table of its own needs a pair of its own."""
    return (
        Column("available_at", UTC_TIME, nullable=False, server_default=text(f"coalesce({_CLOCK}, clock_timestamp())")),
        Column("reconstructed", Boolean, nullable=False, server_default=text(f"{_CLOCK} IS NOT NULL")),
    )

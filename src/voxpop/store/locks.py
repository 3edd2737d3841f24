"""The one lock between writers."""

from __future__ import annotations

from sqlalchemy import Connection, text

ASIDE = "voxpop_aside"
"""An option of a connection that writes only what nobody else will ever see, so that it waits for nobody."""

_COMMIT_ORDER = 7_305_002  # any number of our own


def commit_order(connection: Connection) -> None:
    """Waits until no other writer is between here and its commit; held until the transaction ends.

    A row's ``available_at`` is given under it, so no reader that has seen a row can later be shown an older one.
    """
    if not connection.get_execution_options().get(ASIDE):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _COMMIT_ORDER})

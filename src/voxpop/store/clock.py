"""The time that it is for the store: that of a replay, where there is one, else the clock on the wall."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, event

from voxpop.store.tables import CLOCK


class Clock:
    """Gives every row that is written through ``engine`` the time ``now`` as its ``available_at``.

    Such rows are marked as reconstructed. Set ``now`` between transactions, and never back.
    """

    def __init__(self, engine: Engine, now: datetime) -> None:
        self.now = now
        event.listen(engine, "begin", self._set)

    def _set(self, connection: Connection) -> None:
        connection.exec_driver_sql("SELECT set_config(%s, %s, true)", (CLOCK, self.now.isoformat()))

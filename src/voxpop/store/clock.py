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
        event.listen(engine, "rollback", self._unset)

    def _set(self, connection: Connection) -> None:
        if connection.info.get(CLOCK) != self.now:
            connection.exec_driver_sql("SELECT set_config(%s, %s, false)", (CLOCK, self.now.isoformat()))
            connection.info[CLOCK] = self.now

    def _unset(self, connection: Connection) -> None:
        """What is rolled back may have set the clock."""
        connection.info.pop(CLOCK, None)

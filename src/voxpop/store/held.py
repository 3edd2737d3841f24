"""One transaction for what takes many, where nobody else looks: a replay stores an hour and runs its jobs in one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from voxpop.store import bulk

_PREPARED = 500
"""More statements than the jobs have, each with the types of its arguments."""


class Held(Engine):
    """An engine of one connection, whose blocks of ``begin`` are all one transaction, until ``commit``.

    The statements stay prepared meanwhile: the driver forgets them whenever a transaction is rolled back, as each is
    that only read. Use it from one thread, and ``close`` it.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.pool, engine.dialect, engine.url)
        self._one = engine.connect()
        driver = bulk.raw(self._one)
        driver.prepare_threshold, driver.prepared_max = 1, _PREPARED
        self._one.commit()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """The connection; an error within rolls back all since the last ``commit``."""
        try:
            yield self._one
        except BaseException:
            self._one.rollback()
            raise

    def commit(self) -> None:
        """Makes all since the last one durable, as far as the database makes anything so."""
        self._one.commit()

    def close(self) -> None:
        """Lets go of the connection, and of what was not committed."""
        self._one.invalidate()  # what it holds prepared is of no use to others
        self._one.close()

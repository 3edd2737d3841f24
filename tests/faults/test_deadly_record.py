"""A record that kills its process is a dead letter after three attempts of its own; its neighbours are stored."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from tests.faults import stream
from tests.faults.processes import Member
from voxpop.log.base import Message, open_log
from voxpop.store import deadletters
from voxpop.worker import MOST_TRIES

RECORDS = 12


@pytest.mark.parametrize(("max_records", "most_deaths"), [(12, MOST_TRIES + 1), (3, MOST_TRIES + 3)])
def test_it_is_dead_after_three_attempts_and_the_rest_is_stored(
    engine: Engine, database_url: str, max_records: int, most_deaths: int
) -> None:
    """Once within its batch, then alone. Where batches before it were on their way, too, blame may fall on each of them
    first (of two, here): they are then stored one by one."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (value text)"))
    log = open_log(database_url)
    log.create("in", 1)
    log.publish("in", [Message(b"k", f"v{n}".encode()) for n in range(RECORDS)])
    log.close()
    deaths = 0
    while stream.left(engine, RECORDS):
        member = Member(stream.keep_or_die, database_url, RECORDS, max_records, environ={})
        code = member.wait()
        assert code in (0, 9), member.said
        deaths += code == 9
        assert deaths <= most_deaths
    assert deaths > MOST_TRIES
    with engine.connect() as connection:
        stored = list(connection.execute(text("SELECT value FROM seen")).scalars())
        total, (letter,) = deadletters.listed(connection, None, 5)
    assert sorted(stored) == sorted(f"v{n}" for n in range(RECORDS) if n != 7)
    assert total == 1
    assert letter.payload == stream.DEADLY
    assert "ended its process 3 times" in letter.reason

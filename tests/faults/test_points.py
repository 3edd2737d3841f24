"""kill -9 at each boundary of the stream loop: the next process leaves every record stored once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import Engine, text

from tests.faults import stream
from tests.faults.processes import Member
from voxpop import testing
from voxpop.log.base import Message, open_log
from voxpop.store import deadletters

POINTS = ("polled", "claimed", "begun", "computed", "published", "written", "stored", "told")
RECORDS = 40


def test_the_fault_of_a_process_may_be_named_in_its_environment() -> None:
    program = "from voxpop import testing; testing.reach('here'); print('on')"
    command, environ = [sys.executable, "-c", program], {**os.environ, testing.VARIABLE: "here:kill"}
    assert subprocess.run(command, env=environ, capture_output=True).returncode == -signal.SIGKILL
    assert subprocess.run(command, env={**environ, testing.VARIABLE: ""}, capture_output=True).stdout == b"on\n"


@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_there_loses_nothing_and_stores_nothing_twice(
    engine: Engine, database_url: str, point: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (value text)"))
    log = open_log(database_url)
    for topic in ("in", "out"):
        log.create(topic, 1)
    values = [f"v{n:02d}" for n in range(RECORDS)]
    log.publish("in", [Message(b"k", value.encode()) for value in values])
    for fault, status in ((f"{point}:kill", -signal.SIGKILL), ("", 0)):
        member = Member(stream.pass_on, database_url, RECORDS, environ={}, fault=fault)
        assert member.wait() == status, member.said
    with engine.connect() as connection:
        stored = list(connection.execute(text("SELECT value FROM seen ORDER BY ctid")).scalars())
        assert deadletters.listed(connection, None, 1)[0] == 0
    assert stored == values
    assert log.ends("out")[0] >= RECORDS, "what was published before the offsets moved may be there twice, none is lost"
    log.close()

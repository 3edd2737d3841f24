"""The embedded PostgreSQL under everything that can happen to its processes: real ones, killed for real."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.store.embedded.users import ME, Account, Homes, User, children, gone, supervisors, until, using
from voxpop.store.embedded import layout


def test_a_killed_user_lets_go(shared_home: Callable[[Account], Path], account: Account) -> None:
    home = shared_home(account)
    with using(home, account) as user:
        user.sql("CREATE TABLE IF NOT EXISTS kept (n int)")
        user.process.kill()
    until(lambda: gone(home))


def test_a_killed_supervisor_loses_nothing(shared_home: Callable[[Account], Path], account: Account) -> None:
    home = shared_home(account)
    with using(home, account) as before:
        before.sql("CREATE TABLE one AS SELECT 1 AS n")
        (supervisor,) = supervisors(home)
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: not supervisors(home))
        with using(home, account) as after:  # while the first still holds its lease
            assert after.sql("SELECT n FROM one") == [["1"]]
            after.sql("DROP TABLE one")
            assert before.sql("SELECT 1") == [["1"]]


def test_a_killed_server_is_started_again_for_its_users(
    shared_home: Callable[[Account], Path], account: Account
) -> None:
    home = shared_home(account)
    with using(home, account) as user:
        user.sql("CREATE TABLE two AS SELECT 2 AS n")
        (supervisor,) = supervisors(home)
        (postmaster,) = children(supervisor)
        until(lambda: "ready" in (home / "postgres" / "postmaster.pid").read_text())
        time.sleep(0.3)  # until the supervisor has seen that, too: what never was ready is not started again
        os.kill(postmaster, signal.SIGKILL)
        until(lambda: [child for child in children(supervisor) if child != postmaster])
        with using(home, account) as again:
            assert again.sql("SELECT n FROM two") == [["2"]]
            again.sql("DROP TABLE two")
        assert supervisors(home) == [supervisor]


def appears(pattern: str) -> Callable[[Path], object]:
    return lambda home: next(home.glob(pattern), None)


MOMENTS = {
    "nothing is there": appears("supervisor.lock"),
    "the folder is there": appears("postgres.new-*"),
    "initdb has begun": appears("postgres.new-*/PG_VERSION"),
    "initdb fills the catalogs": appears("postgres.new-*/base/1/PG_VERSION"),
    "the database is there": appears("postgres.new-*/base/?????/PG_VERSION"),
    "the identity is there": appears(f"postgres.new-*/{layout.IDENTITY}"),
    "it is renamed": appears("postgres/PG_VERSION"),
    "the server has begun": appears("postgres/postmaster.pid"),
}


def test_a_first_start_killed_at_any_moment_can_be_tried_again(homes: Homes, account: Account) -> None:
    home = homes(account)
    for happened in MOMENTS.values():
        with User(home, account) as user:
            until(partial(happened, home), pause=0.001)
            for supervisor in supervisors(home):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(supervisor, signal.SIGKILL)
            user.process.kill()
    with using(home, account) as user:
        assert user.sql("SELECT current_database()") == [["voxpop"]]
    assert not list(home.glob("*.new*"))


def test_a_stale_process_number_stops_nobody(shared_home: Callable[[Account], Path], account: Account) -> None:
    home = shared_home(account)
    with using(home, account):
        pass
    until(lambda: gone(home))
    with subprocess.Popen([*account.prefix, "sleep", "60"]) as stranger:
        (home / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{home}/postgres\n1\n5432\n\n\n\nready\n")
        with using(home, account) as user:
            assert user.sql("SELECT 1") == [["1"]]
        assert stranger.poll() is None
        stranger.kill()


def test_a_supervisor_asked_to_end_stops_the_server(shared_home: Callable[[Account], Path]) -> None:
    home = shared_home(ME)
    with using(home):
        (supervisor,) = supervisors(home)
        os.kill(supervisor, signal.SIGTERM)
        until(lambda: gone(home))

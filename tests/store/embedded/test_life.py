"""The life of the embedded PostgreSQL: its first start, who joins, and its end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.store.embedded.users import ME, Account, Homes, User, gone, ordinary, supervisors, until, using
from voxpop.errors import StoreError
from voxpop.store.embedded import layout, server


def test_the_first_start_makes_a_server_as_promised(homes: Homes, account: Account) -> None:
    home = homes(account)
    with using(home, account) as user:
        setting = {name: value for name, value, _ in user.sql("SHOW ALL")}
        assert setting["listen_addresses"] == ""
        assert (setting["fsync"], setting["full_page_writes"], setting["synchronous_commit"]) == ("on", "on", "on")
        assert (setting["TimeZone"], setting["jit"], setting["unix_socket_permissions"]) == ("UTC", "off", "0700")
        found = "SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale FROM pg_database"
        assert {tuple(row) for row in user.sql(found)} == {("UTF8", "b", "C.UTF-8")}
        methods = user.sql("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        assert methods == [["peer"]]
        user.sql("CREATE EXTENSION vector")
        assert user.sql("SELECT '[1,2]'::vector <-> '[1,4]'::vector") == [["2.0"]]
    data = (home / "postgres").stat()
    assert (data.st_uid, data.st_mode & 0o777) == (account.uid or 65534, 0o700)
    assert not list(home.glob("postgres.new-*"))


def test_a_second_user_joins_and_a_later_one_finds_the_rows(shared_home: Callable[[Account], Path]) -> None:
    home = shared_home(ME)
    with using(home) as one, using(home) as two:
        started = "SELECT pg_postmaster_start_time()"
        assert one.sql(started) == two.sql(started)
        one.sql("CREATE TABLE joined AS SELECT 7 AS n")
    until(lambda: gone(home))
    with using(home) as three:
        assert three.sql("SELECT n FROM joined") == [["7"]]


def test_ten_first_starts_at_once_make_one_cluster(homes: Homes) -> None:
    home = homes()
    users = [User(home) for _ in range(10)]
    try:
        assert len({user.hear()["url"] for user in users}) == 1
        who = f"SELECT current_setting('{layout.IDENTITY}'), pg_postmaster_start_time()"
        assert len({tuple(user.sql(who)[0]) for user in users}) == 1
        assert len(supervisors(home)) == 1
    finally:
        for user in users:
            user.end()


def test_two_homes_live_side_by_side(homes: Homes, shared_home: Callable[[Account], Path]) -> None:
    where = "SELECT current_setting('data_directory')"
    one, two = shared_home(ME), homes()
    with using(one) as here, using(two) as there:
        assert here.sql(where) == [[str(one / "postgres")]]
        assert there.sql(where) == [[str(two / "postgres")]]


def test_two_users_of_one_machine_do_not_meet(shared_home: Callable[[Account], Path]) -> None:
    stranger = ordinary()
    mine, theirs = shared_home(ME), shared_home(stranger)
    with using(mine) as here, using(theirs, stranger) as there:
        assert here.sql("SHOW voxpop.identity") != there.sql("SHOW voxpop.identity")


def test_acquire_release_stop_and_status_in_one_process(shared_home: Callable[[Account], Path]) -> None:
    home = shared_home(ME)
    with server.acquire(home, grace=60) as lease:
        assert lease.url.startswith(f"postgresql+psycopg://voxpop@/voxpop?host={quote(str(home), safe='')}%2Fsocket")
        status = server.status(home)
        assert status.running
        assert status.version.startswith("18.")
        assert status.size_bytes > 10_000_000
        assert str(home) in str(status)
        with pytest.raises(StoreError, match="in use"):
            server.stop(home)
    lease.release()
    assert server.stop(home)
    assert not server.stop(home)
    assert not server.status(home).running
    assert server.status(home).version == "18"


def test_status_and_stop_make_nothing(tmp_path: Path) -> None:
    status = server.status(tmp_path / "new")
    assert (status.running, status.version, status.size_bytes) == (False, "", 0)
    assert "not made yet" in str(status)
    assert not server.stop(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_child_does_not_keep_the_lease(shared_home: Callable[[Account], Path]) -> None:
    home = shared_home(ME)
    lease = server.acquire(home, grace=0.1)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lease.release()
        until(lambda: gone(home))
        child.kill()


def test_importing_costs_nothing() -> None:
    code = "import sys, voxpop.store.embedded.server; print({'torch', 'sqlalchemy', 'psycopg'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_url_serves_psycopg_and_sqlalchemy(shared_home: Callable[[Account], Path]) -> None:
    from sqlalchemy import create_engine, text

    with server.acquire(shared_home(ME), grace=0.3) as lease:
        engine = create_engine(lease.url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_user")).scalar_one() == "voxpop"
        engine.dispose()
        with psycopg.connect(lease.url.replace("+psycopg", "")) as connection:
            assert connection.info.port == 5432

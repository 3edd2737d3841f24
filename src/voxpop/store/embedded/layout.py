"""Where the embedded PostgreSQL lies: the names in the home folder, its locks, and what can be wrong with it.

    HOME/postgres/           the data folder; it appears whole, by a rename, or not at all
    HOME/postgres.log        what the server said
    HOME/socket/             where it listens (or /tmp/voxpop-…, where this path is too long for a socket)
    HOME/bin-VERSION/        root only: a copy of the binaries that the unprivileged user can read
    HOME/users.lock          shared by every process that uses the server; exclusive while it is being stopped
    HOME/supervisor.lock     held by the supervisor
    HOME/server.lock         held by every process of PostgreSQL, initdb's included
    HOME/stop.lock           held by whoever asks for a stop

The locks are ``flock``: the kernel drops them when their holders die, so there is nothing stale to clean up.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import pwd
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from voxpop.errors import SettingError, StoreError

ROLE = DATABASE = "voxpop"
PORT = 5432
IDENTITY = "voxpop.identity"  # a file in the data folder, and a parameter stored in the database
_NOBODY = 65534  # who runs the server for root
_SOCKET_FOLDER_BYTES = 80  # a socket's address has 104 bytes on the narrowest system, and the file's name takes 14
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Place:
    """One home folder, and the names of all that lies in it."""

    home: Path

    @classmethod
    def of(cls, home: Path) -> Place:
        return cls(home.expanduser().resolve())

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def users(self) -> Path:
        return self.home / "users.lock"

    @property
    def supervisor(self) -> Path:
        return self.home / "supervisor.lock"

    @property
    def server(self) -> Path:
        return self.home / "server.lock"

    @property
    def stop(self) -> Path:
        return self.home / "stop.lock"

    @property
    def uid(self) -> int:
        """Who runs the server: PostgreSQL refuses to run as root."""
        return os.geteuid() or _NOBODY

    @cached_property
    def socket(self) -> Path:
        """The folder of the socket: in the home where its path is short and plain, else in /tmp.

        /tmp and not ``tempfile.gettempdir()``: two programs must find the same folder whatever their environments say.
        """
        near = str(self.home / "socket")
        if len(near) <= _SOCKET_FOLDER_BYTES and re.fullmatch(r"[\w./-]+", near, re.ASCII):
            return Path(near)
        name = hashlib.sha256(f"{os.geteuid()}:{self.home}".encode()).hexdigest()[:20]
        return Path("/tmp") / f"voxpop-{name}"  # noqa: S108 - made private, and checked before each use

    @property
    def identity(self) -> str | None:
        """The name that the cluster was given when it was made; None where there is no cluster of ours."""
        try:
            return (self.data / IDENTITY).read_text("ascii").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def as_server(self) -> dict[str, Any]:
        """Arguments of ``subprocess`` that run a program as the user who owns the data."""
        return {} if os.geteuid() else {"user": self.uid, "group": self.uid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Gives ``path`` to the user who runs the server."""
        if not os.geteuid():
            os.chown(path, self.uid, self.uid)

    def usable(self) -> None:
        """Makes the home folder, and checks that the server could live in it.

        Raises:
            SettingError: it cannot; the message says what to do.
        """
        for uid in {os.geteuid(), self.uid}:
            if user_name(uid) is None:
                raise SettingError(
                    f"user id {uid} has no name on this machine, which PostgreSQL needs: "
                    "add it to /etc/passwd, or set VOXPOP_DATABASE_URL to a server of your own"
                )
        if not self.home.is_dir():
            self.home.mkdir(mode=0o700, parents=True)
            self.home.chmod(0o700 if os.geteuid() else 0o755)
        if os.geteuid() == 0:
            _reachable(self.home, self.uid)


def user_name(uid: int) -> str | None:
    """The user's name on this machine; None for a number that has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _reachable(folder: Path, uid: int) -> None:
    for part in (*reversed(folder.parents), folder):
        info = part.stat()
        bit = stat.S_IXUSR if info.st_uid == uid else stat.S_IXGRP if info.st_gid == uid else stat.S_IXOTH
        if not info.st_mode & bit:
            raise SettingError(
                f"PostgreSQL refuses to run as root, and user {user_name(uid)}, who runs it instead, cannot enter "
                f"{part}: `chmod o+x {part}`, or set VOXPOP_HOME to another folder, such as /var/lib/voxpop"
            )


@contextlib.contextmanager
def explained(place: Place) -> Iterator[None]:
    """Turns what the system says about the home folder into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise full_disk(place) from error
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise SettingError(
                f"cannot write in {place.home} as user {user_name(os.geteuid()) or os.geteuid()} ({error}): "
                "run as the folder's owner, or set VOXPOP_HOME to a folder of your own"
            ) from error
        raise StoreError(f"the database in {place.home} cannot be run: {error}") from error


def full_disk(place: Place) -> StoreError:
    """What to say where the disk is full."""
    return StoreError(
        f"no space is left for the database in {place.home}: free some, or set VOXPOP_HOME to another disk"
    )


def take(path: Path, *, shared: bool = False) -> int | None:
    """Locks the file without waiting; None if another's lock is in the way. Closing the descriptor lets go.

    Raises:
        SettingError: the file system has no locks.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if flock(handle, shared=shared, path=path):
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def flock(handle: int, *, shared: bool, path: Path) -> bool:
    """Locks an open file without waiting; False if another's lock is in the way."""
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise SettingError(
                f"the file system of {path.parent} cannot lock files (a network drive?): "
                "set VOXPOP_HOME to a folder on a local disk"
            ) from error
        raise
    return True


def taken(path: Path, deadline: float, *, shared: bool = False) -> int | None:
    """Locks the file, waiting until ``deadline`` (``time.monotonic()``); None when that has passed."""
    while (handle := take(path, shared=shared)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return handle

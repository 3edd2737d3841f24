"""The embedded PostgreSQL: a real server in the home folder, there while somebody uses it.

    with server.acquire(home) as lease:
        engine = create_engine(lease.url)

The first to acquire it starts it (and makes the cluster); everybody else joins. It stops some seconds after the last
user has let go or died. ``layout.py`` describes the files and locks, ``supervisor.py`` the process that owns it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from voxpop import errors
from voxpop.errors import StoreError, StoreUnavailable
from voxpop.store.embedded import cluster, layout, supervisor
from voxpop.store.embedded.layout import Place

START_SECONDS = 300.0
GRACE_SECONDS = 3.0
_QUIET_SECONDS = 3.0
_SILENT_ENDS = 3
_LOG_BYTES = 10_000_000


class Lease:
    """The right to use the server, which stays up at least until ``release()`` or this process's end.

    Attributes:
        url: SQLAlchemy's URL of the database ``voxpop``, whose user may do anything on this server.
    """

    def __init__(self, url: str, handle: int) -> None:
        self.url = url
        self._handle: int | None = handle

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Lets go; a second call does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


@dataclass(frozen=True)
class Status:
    """What there is in a home folder.

    Attributes:
        running: whether the server answers.
        version: PostgreSQL's, of the server if it runs, else of the data; empty: there is no data yet.
        data: the data folder.
        socket: the folder of the socket.
        size_bytes: of the data folder.
    """

    running: bool
    version: str
    data: Path
    socket: Path
    size_bytes: int

    def __str__(self) -> str:
        if not self.version:
            return f"embedded, not made yet (will be in {self.data})"
        state = f"running at {self.socket}" if self.running else "not running"
        return f"embedded PostgreSQL {self.version}, {state}, {self.size_bytes / 2**20:,.0f} MiB in {self.data}"


def acquire(home: Path, *, timeout: float = START_SECONDS, grace: float = GRACE_SECONDS) -> Lease:
    """The server of this home folder, started where it does not run.

    Args:
        home: made if missing.
        timeout: most seconds to wait, recovery after a crash included.
        grace: seconds that a server started by this call outlives its last user.

    Raises:
        SettingError: the home folder, or this machine, cannot hold a server; the message says what to do.
        StoreError: the data cannot be used: the disk is full, or it is another's.
        StoreUnavailable: no answer within ``timeout``.
    """
    place = Place.of(home)
    deadline = time.monotonic() + timeout
    with layout.explained(place):
        place.usable()
        handle = layout.taken(place.users, deadline, shared=True)
        if handle is None:
            raise StoreUnavailable(f"the database in {place.home} is being stopped for {timeout:.0f} s: try again")
        try:
            _Start(place, deadline, grace).wait()
        except BaseException:
            os.close(handle)
            raise
    return Lease(_url(place), handle)


def serves(home: Path, url: str) -> bool:
    """Whether ``url`` names a database of this home folder's server."""
    return f"host={quote(str(Place.of(home).socket), safe='')}" in url


def stop(home: Path, *, timeout: float = 60.0) -> bool:
    """Stops a server that nobody uses, without its grace. False if none was running.

    Raises:
        StoreError: somebody uses it.
        StoreUnavailable: it has not ended within ``timeout`` seconds.
    """
    place = Place.of(home)
    if not place.users.exists():
        return False
    deadline = time.monotonic() + timeout
    with layout.explained(place), contextlib.ExitStack() as held:
        _hold(held, _alone(place, deadline), place)
        ran = _locked(place.supervisor)
        for lock in (place.stop, place.supervisor, place.server):
            _hold(held, layout.taken(lock, deadline), place)
    return ran


def status(home: Path) -> Status:
    """What there is, and whether it runs. Starts and makes nothing."""
    place = Place.of(home)
    running, version = False, ""
    with contextlib.suppress(OSError, StoreError, UnicodeDecodeError):
        version = (place.data / "PG_VERSION").read_text("ascii").strip() if place.identity else ""
        answered = _version(place)
        running, version = answered is not None, answered or version
    return Status(running, version, place.data, place.socket, _bytes_in(place.data))


def _url(place: Place) -> str:
    # The port is named because PGPORT in the environment would else choose another.
    host = quote(str(place.socket), safe="")
    return f"postgresql+psycopg://{layout.ROLE}@/{layout.DATABASE}?host={host}&port={layout.PORT}"


class _Start:
    """One caller's wait for a server, which it starts where nobody else does."""

    def __init__(self, place: Place, deadline: float, grace: float) -> None:
        self._place = place
        self._deadline = deadline
        self._grace = grace
        self._reports: int | None = None
        self._silent_ends = 0
        self._next_word = time.monotonic() + _QUIET_SECONDS

    def wait(self) -> None:
        pause = 0.02
        try:
            while not self._up():
                self._tell()
                time.sleep(pause)
                pause = min(pause * 1.3, 0.25)
        finally:
            if self._reports is not None:
                os.close(self._reports)

    def _up(self) -> bool:
        """Whether the server is there. Sees to it that a supervisor is."""
        if self._reports is None:
            lock = layout.take(self._place.supervisor)
            if lock is not None:
                self._reports = _supervise(self._place, self._grace, lock)
                return False
        else:
            self._read()
        return _state(self._place) == supervisor.RUNNING and _version(self._place) is not None

    def _read(self) -> None:
        """Raises what the supervisor that we started has failed with."""
        assert self._reports is not None
        try:
            said = os.read(self._reports, 65_536)
        except BlockingIOError:
            return
        if said:
            told = json.loads(said)
            raise getattr(errors, told["error"])(told["message"])
        os.close(self._reports)  # it ended without a word: killed, perhaps, so another may be tried
        self._reports = None
        self._silent_ends += 1
        if self._silent_ends == _SILENT_ENDS:
            raise StoreError(f"the database in {self._place.home} does not start: {_last_words(self._place)}")

    def _tell(self) -> None:
        now = time.monotonic()
        if now > self._deadline:
            raise StoreUnavailable(
                f"the database in {self._place.home} does not answer at {self._place.socket}; "
                f"{self._place.log} ends with: {_last_words(self._place)}"
            )
        if now > self._next_word:
            self._next_word = now + 15.0
            left = self._deadline - now
            sys.stderr.write(
                f"voxpop: waiting for the database in {self._place.home}, up to {left:.0f} s more "
                f"(after a crash it reads its log again): {_last_words(self._place)}\n"
            )
            sys.stderr.flush()


def _supervise(place: Place, grace: float, lock: int) -> int:
    """Starts a supervisor, which takes ``lock`` over. The descriptor where it reports a failure, and its end."""
    reports, report = os.pipe()
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, supervisor.WAITING, 0)
        with _log(place) as log:
            subprocess.run(
                [sys.executable, "-P", "-m", supervisor.__name__, str(place.home), str(grace), str(lock), str(report)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "PYTHONPATH": _path()},
                pass_fds=(lock, report),
                start_new_session=True,
                check=True,
            )
    except subprocess.CalledProcessError as error:
        os.close(reports)
        raise StoreError(f"no supervisor for the database in {place.home}: {_last_words(place)}") from error
    except BaseException:
        os.close(reports)
        raise
    finally:
        os.close(lock)
        os.close(report)
    os.set_blocking(reports, False)
    return reports


def _path() -> str:
    """Where the supervisor finds this very package first, and then what the caller would find."""
    return os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])])


@contextlib.contextmanager
def _log(place: Place) -> Iterator[int]:
    if place.log.exists() and place.log.stat().st_size > _LOG_BYTES:
        place.log.rename(place.log.with_suffix(".log.1"))
    handle = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def _last_words(place: Place) -> str:
    with contextlib.suppress(OSError, IndexError), place.log.open("rb") as log:
        log.seek(max(0, place.log.stat().st_size - 4_000))
        return log.read().decode(errors="replace").strip().splitlines()[-1]
    return "(its log is empty)"


def _state(place: Place) -> bytes:
    return place.supervisor.read_bytes()[: len(supervisor.WAITING)]


def _version(place: Place) -> str | None:
    """The version of the server at our socket; None if none answers.

    Raises:
        StoreError: what answers there is not ours.
    """
    identity = place.identity
    if identity is None or not (place.socket / f".s.PGSQL.{layout.PORT}").exists():
        return None
    cluster.check_socket(place)
    import psycopg

    try:
        with psycopg.connect(
            host=str(place.socket), port=layout.PORT, user=layout.ROLE, dbname=layout.DATABASE, connect_timeout=10
        ) as connection:
            row = connection.execute(_WHO, [layout.IDENTITY]).fetchone()
    except psycopg.OperationalError as error:
        if "FATAL" in str(error) and not re.search(_FOR_NOW, str(error)):
            raise StoreError(f"the database in {place.home} lets nobody in: {error}") from error
        return None
    assert row is not None
    folder, said, version = row
    if said != identity or not _same(Path(folder), place.data):
        raise StoreError(f"what answers at {place.socket} is not the database of {place.home}, but that of {folder}")
    return str(version)


_WHO = "SELECT current_setting('data_directory'), current_setting(%s, true), current_setting('server_version')"
_FOR_NOW = "the database system is|too many clients|connection slots|administrator command"


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _alone(place: Place, deadline: float) -> int | None:
    """The users' lock for ourselves. A supervisor holds it for moments, or while it stops the server; users share it.

    Raises:
        StoreError: users hold it.
    """
    shared_since: float | None = None
    while (handle := layout.take(place.users)) is None and time.monotonic() < deadline:
        if not _shared(place.users):
            shared_since = None
        elif shared_since is None:
            shared_since = time.monotonic()
        elif time.monotonic() - shared_since > 0.5:
            raise StoreError(f"the database in {place.home} is in use: end the programs that use it first")
        time.sleep(0.02)
    return handle


def _shared(path: Path) -> bool:
    handle = layout.take(path, shared=True)
    if handle is not None:
        os.close(handle)
    return handle is not None


def _locked(path: Path) -> bool:
    return not _shared(path)


def _hold(held: contextlib.ExitStack, handle: int | None, place: Place) -> None:
    if handle is None:
        raise StoreUnavailable(f"the database in {place.home} does not end: see {place.log}")
    held.callback(os.close, handle)


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):  # passes over what vanishes meanwhile
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total

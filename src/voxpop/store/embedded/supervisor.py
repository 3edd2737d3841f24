"""The process that owns the embedded PostgreSQL: starts it, restarts it, and stops it when nobody uses it any more.

``server.acquire`` starts it, detached, and hands it two open descriptors: the supervisor's lock, already held, and a
pipe on which it says why it failed. PostgreSQL is its child, so it may signal it; it signals nothing else. A killed
supervisor takes PostgreSQL with it (on Linux; elsewhere the next one lets users go on with the server that still runs).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from voxpop.errors import VoxpopError
from voxpop.store.embedded import cluster, layout
from voxpop.store.embedded.layout import Place

WAITING, RUNNING = b"waiting", b"running"  # of one length: each overwrites the other
_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.1
_ORPHAN_SECONDS = 5.0
_FAST_SHUTDOWN_SECONDS = 120.0


def main(arguments: list[str]) -> int:
    """``python -m … HOME GRACE LOCK REPORT``: seconds, then two inherited descriptors."""
    if os.fork():
        return 0  # whoever started us is not left with a child to wait for
    place, grace, lock, report = Place(Path(arguments[0])), float(arguments[1]), int(arguments[2]), int(arguments[3])
    os.umask(0o077)
    asked = Asked()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked.to_stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with layout.explained(place):
            Supervisor(place, grace, lock, asked).run()
    except VoxpopError as error:
        told = json.dumps({"error": type(error).__name__, "message": str(error)})
        with contextlib.suppress(BrokenPipeError):
            os.write(report, told.encode())
        return 1
    return 0


class Asked:
    """Whether a signal has asked for the end."""

    stop = False

    def to_stop(self, *_: object) -> None:
        self.stop = True


class Supervisor:
    """One supervisor's life.

    Args:
        place: the home.
        grace: seconds without a user after which the server is stopped.
        lock: descriptor of the supervisor's lock, held; it ends with this process.
        asked: the signals seen.
    """

    def __init__(self, place: Place, grace: float, lock: int, asked: Asked) -> None:
        self._place = place
        self._grace = grace
        self._lock = lock
        self._asked = asked
        self._used = time.monotonic()
        self._ending = False
        # Opened once: even if somebody removes the home, the lock that our users hold is this file's.
        self._users = os.open(place.users, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self._stop = os.open(place.stop, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def run(self) -> None:
        """Runs the server until nobody uses it.

        Raises:
            VoxpopError: it does not start.
        """
        while (lock := self._server_lock()) is not None:
            try:
                said = self._place.log.stat().st_size
                process = self._start(lock)
            finally:
                os.close(lock)  # PostgreSQL's processes hold it now, and the last of them drops it
            self._say(RUNNING)
            ready = self._watch(process)
            if self._over():
                return
            if not ready:
                raise cluster.failure(self._place, f"postgres ended ({process.returncode})", self._log_since(said))
            time.sleep(1.0)

    def _server_lock(self) -> int | None:
        """The server's lock, once no process of an earlier server lives; None when nobody waits for it any more."""
        begun = time.monotonic()
        while (lock := layout.take(self._place.server)) is None:
            if self._over():
                return None
            if time.monotonic() - begun > _ORPHAN_SECONDS:
                self._say(RUNNING)  # if that server still answers, then it may be used
            time.sleep(_POLL_SECONDS)
        return lock

    def _start(self, lock: int) -> subprocess.Popen[bytes]:
        place = self._place
        programs = cluster.binaries(place)
        if not cluster.check(place):
            cluster.create(place, programs, lock, _dies_with_parent(signal.SIGKILL))
        cluster.configure(place)
        # No process holds the server's lock, so the number in this file is nobody's; PostgreSQL could take a stranger
        # that has the number now for itself, and refuse to start.
        (place.data / "postmaster.pid").unlink(missing_ok=True)
        with place.log.open("ab") as log:
            return subprocess.Popen(
                [str(programs / "postgres"), "-D", str(place.data), *cluster.parameters(place)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=cluster.environment(),
                pass_fds=(lock,),
                preexec_fn=_dies_with_parent(signal.SIGINT),
                **place.as_server(),
            )

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """Waits for the server's end, and brings it about when nobody uses it. Whether it ever was ready."""
        ready = False
        while process.poll() is None:
            ready = ready or self._ready()
            if self._over():
                _shut_down(process)
                return ready
            time.sleep(_POLL_SECONDS)
        return ready

    def _ready(self) -> bool:
        try:
            return (self._place.data / "postmaster.pid").read_text("ascii").rstrip().endswith("\nready")
        except OSError:
            return False

    def _over(self) -> bool:
        """Whether to stop; once said, it stays said."""
        self._ending = self._ending or self._asked.stop or self._held(self._stop, self._place.stop) or self._idle()
        return self._ending

    def _idle(self) -> bool:
        """Whether the grace has passed. Then the users' lock is ours, so that whoever comes now waits for our end."""
        if self._held(self._users, self._place.users):
            self._used = time.monotonic()
            return False
        if time.monotonic() - self._used < self._grace:
            return False
        return layout.flock(self._users, shared=False, path=self._place.users)

    def _held(self, handle: int, path: Path) -> bool:
        """Whether another process holds a lock on the file."""
        if not layout.flock(handle, shared=False, path=path):
            return True
        fcntl.flock(handle, fcntl.LOCK_UN)
        return False

    def _say(self, state: bytes) -> None:
        os.pwrite(self._lock, state, 0)

    def _log_since(self, size: int) -> str:
        with self._place.log.open("rb") as log:
            log.seek(size)
            return log.read(100_000).decode(errors="replace")


def _shut_down(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_FAST_SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)  # the next start recovers from the log
        process.wait()


def _dies_with_parent(number: signal.Signals) -> Callable[[], None]:
    """What a child does before it becomes another program, so that the kernel signals it when we are killed."""
    if sys.platform != "linux":
        return lambda: None
    prctl, parent = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # killed in between

    return before_exec


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

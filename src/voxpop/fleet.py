"""One stream process a device: starts them, starts again those that fail, and ends them together."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from voxpop.consumer import Role
from voxpop.errors import SettingError
from voxpop.settings import Settings
from voxpop.worker import Backoff

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_MOST_SECONDS = 30.0
_STEADY_SECONDS = 60.0
"""A process that lived so long before it failed is started again at once."""
_GRACE_SECONDS = 10.0
"""So much longer than its own deadline a process may take to end."""


def devices(wanted: str, role: Role) -> list[str]:
    """The devices that ``wanted`` names: a list with commas, or "auto" for every GPU of this machine, else the CPU.

    Only the analyst has use for a GPU.

    Raises:
        SettingError: a name is empty.
    """
    if wanted != "auto":
        names = [name.strip() for name in wanted.split(",")]
        if not all(names):
            raise SettingError(f"--devices {wanted!r}: name devices with commas between, as in cuda:0,cuda:1")
        return names
    count = _gpus() if role == "analyst" else 0
    return [f"cuda:{number}" for number in range(count)] or ["cpu"]


def _gpus() -> int:
    """GPUs that torch can use. A process of its own asks, so that this one stays small."""
    if not Path("/dev/nvidiactl").exists():
        return 0
    asked = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"], capture_output=True, text=True
    )
    return int(asked.stdout) if asked.returncode == 0 else 0


def environ(settings: Settings, device: str, number: int) -> dict[str, str]:
    """What the process with this ``number``, from 0, has of its own: device, metrics port, name in a group."""
    own = {"VOXPOP_DEVICE": device}
    if settings.metrics_port:
        own["VOXPOP_METRICS_PORT"] = str(settings.metrics_port + number)
    if settings.log_url:
        own["VOXPOP_LOG_URL"] = _own_instance(settings.log_url, number)
    return own


def _own_instance(url: str, number: int) -> str:
    """The log's URL with an instance name that no sibling has."""
    parts = urlsplit(url)
    options = [(k, f"{v}-device{number}" if k == "instance" and v else v) for k, v in parse_qsl(parts.query)]
    return urlunsplit(parts._replace(query=urlencode(options)))


@dataclass
class _Child:
    """A process and its successors on one device."""

    device: str
    command: Sequence[str]
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    born: float = 0.0
    due: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(_MOST_SECONDS))

    def start(self) -> None:
        # Nothing is ever written to its input: the kernel closes it when this process dies, however it dies.
        self.process = subprocess.Popen(self.command, env={**os.environ, **self.environ}, stdin=subprocess.PIPE)
        self.born = time.monotonic()

    def look(self) -> int | None:
        """The status that the process has just ended with; None where it runs, or waits for its start."""
        if self.process is None:
            if time.monotonic() >= self.due:
                self.start()
            return None
        return self.process.poll()

    def later(self) -> float:
        """Puts off the next start; seconds until then."""
        if time.monotonic() - self.born > _STEADY_SECONDS:
            self.backoff.reset()
        seconds = self.backoff.seconds()
        self.forget()
        self.due = time.monotonic() + seconds
        return seconds

    def forget(self) -> None:
        """Lets go of a process that has ended."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
        self.process = None


def run(role: Role, on: Sequence[str], settings: Settings) -> int:
    """Runs a process of ``role`` on each device until SIGTERM or SIGINT, which is passed on; a status to end with.

    A process that fails is started again, later each time; one that says that its settings or model are wrong (78)
    ends them all.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    children = [
        _Child(
            device,
            [sys.executable, "-m", "voxpop", "worker", role, "--devices", device, "--led"],
            environ(settings, device, n),
        )
        for n, device in enumerate(on)
    ]
    status = 0
    while children and not status and not stop.wait(_LOOK_SECONDS):
        for child in list(children):
            ended = child.look()
            if ended == 0:
                child.forget()
                children.remove(child)
            elif ended == os.EX_CONFIG:
                status = ended
            elif ended is not None:
                logger.warning("the process on %s ended with %d; again in %.1f s", child.device, ended, child.later())
    return _end(children, settings.drain_seconds + _GRACE_SECONDS) or status


def _end(children: Sequence[_Child], seconds: float) -> int:
    """Ends what still runs, by force once its time is up; 75 if that was needed."""
    alive = [child.process for child in children if child.process is not None and child.process.poll() is None]
    for process in alive:
        process.send_signal(signal.SIGTERM)
    deadline, status = time.monotonic() + seconds, 0
    for process in alive:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = os.EX_TEMPFAIL
    for child in children:
        child.forget()
    return status


def end_with_parent() -> None:
    """Has this process end, as on SIGTERM, once the one that leads it is gone: its standard input closes then."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):  # not by its buffer, whose lock would hold up the end of the process
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="led", daemon=True).start()

"""Soak: an installation of a team at work for an hour, watched from outside for whatever grows, fails or is lost.

    python benchmarks/soak.py [--minutes 60] [--rate 2] [--pause 1] [--profile bundled] [--json]

``voxpop run`` with its dashboard on an embedded home of its own, in a folder that is removed. Items in English and
Chinese are pushed by a token, so many a second, some of them repeats, corrections or refused; programs ask
``/v1/trends``, ``/v1/alerts`` and ``/v1/analyze`` each second, a person who signed in looks at the pages and holds the
stream of changes open, and alerts are told to a webhook. Once a minute processes, database and logs are looked at. On
a machine that has other work ``--rate`` and ``--pause`` (seconds between two questions of a reader) ask for less.

The table has a line a figure: its mean over the first and the last quarter of the samples, the growth in per cent, and
the slope an hour of a straight line through the samples after the first quarter, in which caches fill, with its 95 %
interval. Samples that follow each other are alike, so the interval is rather narrower than it should be.

Exit code 1 where there was an error: an answer of 400 or above or none, an error in a log, a process that died or
outlived the end, a message that its receiver did not get, an item that is not accounted for. Then the folder is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from receiver import Receiver, receiving
from scipy.stats import t
from soak_load import Answer, Load
from soak_watch import Logs, Watch, left_over

from voxpop import sample
from voxpop.store.embedded.layout import Place

LEAST_SAMPLES: Final = 12
LEAST_VALUES: Final = 4
"""Of a figure, below which nothing is said of how it went."""
START_SECONDS, DRAIN_SECONDS, END_SECONDS = 300.0, 900.0, 120.0
SHOWN_LINES: Final = 20
_STANDING = '[standing]\nsources = ["Harbour Wire", "沪江财讯"]\n'


class Change(NamedTuple):
    """How a figure went."""

    name: str
    first: float
    """Mean over the first quarter of the samples."""
    last: float
    growth: float | None
    """Per cent; None from zero."""
    slope: float
    """An hour, of what follows the first quarter."""
    low: float
    high: float
    """The 95 % interval of the slope."""

    @classmethod
    def of(cls, name: str, hours: Sequence[float], values: Sequence[float]) -> Change:
        """The change of a figure that had these values at these hours."""
        quarter = max(1, len(values) // 4)
        first, last = statistics.mean(values[:quarter]), statistics.mean(values[-quarter:])
        slope, margin = line(np.array(hours[quarter:]), np.array(values[quarter:]))
        growth = 100 * (last / first - 1) if first else None
        return cls(name, first, last, growth, slope, slope - margin, slope + margin)

    def __str__(self) -> str:
        growth = "" if self.growth is None else f"{self.growth:+.1f} %"
        slope = f"{self.slope:+.2f} ({self.low:+.2f} to {self.high:+.2f})"
        return f"{self.name:42} {self.first:12,.2f} {self.last:12,.2f} {growth:>12}  {slope}"


def line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope of the least-squares line through three points or more, and half of its 95 % interval."""
    away = x - x.mean()
    slope = float(away @ y / (away @ away))
    left = y - y.mean() - slope * away
    return slope, float(t.ppf(0.975, len(x) - 2) * np.sqrt(left @ left / (len(x) - 2) / (away @ away)))


class House:
    """An installation in ``folder``, made as the README has a team make one.

    Args:
        receiver: whom alerts are told.
        profile: the models.

    Attributes:
        url: its address, once it runs.
        feeder, reader: the tokens of who pushes and of who asks.
    """

    def __init__(self, folder: Path, receiver: Receiver, profile: str) -> None:
        self.home, self.log = folder / "home", folder / "run.log"
        token, alerts = folder / "administrator", folder / "alerts.toml"
        token.write_text(secrets.token_hex(32), "utf-8")
        alerts.write_text(receiver.alerts_file + _STANDING, "utf-8")
        own = {"HOME": self.home, "PORT": 0, "PROFILE": profile, "ADMIN_TOKEN_FILE": token, "ALERTS_FILE": alerts}
        others = {name: value for name, value in os.environ.items() if not name.startswith("VOXPOP_")}
        self._environment = others | {f"VOXPOP_{name}": str(value) for name, value in own.items()}
        self.url = self.feeder = self.reader = ""

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """``voxpop run``, from its address on until the block ends; killed where the block fails."""
        self._say("watchlist", "load", str(sample.watchlist_path()))
        self.feeder, self.reader = (
            self._token(name, role) for name, role in (("feeder", "analyst"), ("reader", "viewer"))
        )
        with self.log.open("wb") as log:
            process = subprocess.Popen(self._command("run"), env=self._environment, stdout=log, stderr=log)
        try:
            self.url = self._address(process)
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "voxpop", *words]

    def _say(self, *words: str) -> str:
        done = subprocess.run(self._command(*words), env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"voxpop {' '.join(words)}: {done.stderr}")
        return done.stdout

    def _token(self, name: str, role: str) -> str:
        return str(json.loads(self._say("tokens", "create", name, "--role", role, "--json"))["token"])

    def _address(self, process: subprocess.Popen[bytes]) -> str:
        """The address, once it is announced."""
        ends = time.monotonic() + START_SECONDS
        while not (found := re.search(r"Dashboard: (\S+)", self.log.read_text("utf-8", "replace"))):
            if process.poll() is not None or time.monotonic() > ends:
                raise SystemExit(f"voxpop run does not start: {self.log.read_text('utf-8', 'replace')}")
            time.sleep(0.2)
        return found[1]


class Soak:
    """One run: its samples, answers and errors.

    Args:
        seconds: how long it is loaded.
        rate: items a second.
        pause: seconds between two questions of a reader.
        profile: the models.
    """

    def __init__(self, seconds: float, rate: float, pause: float, profile: str) -> None:
        self._seconds, self._rate, self._pause, self._profile = seconds, rate, pause, profile
        self.samples: list[dict[str, float]] = []
        self.hours: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.counts: dict[str, float] = {}

    def run(self, folder: Path) -> None:
        """Makes an installation in ``folder``, loads it, watches it and ends it."""
        with receiving() as receiver:
            house = House(folder, receiver, self._profile)
            with house.running() as process:
                logs = Logs(house.log, Place.of(house.home).log)
                with Watch(house.home, process.pid) as watch:
                    load = Load(house.url, house.feeder, house.reader, self._rate, self._pause)
                    with load.running():
                        self._watch(watch, load, logs)
                    self._settle(watch, load)
                self._end(process)
        time.sleep(5.0)  # the database outlives its last user for some seconds
        self.errors += left_over(house.home)
        logs.read()
        self.errors += [f"log: {line}" for line in logs.errors]
        self.warnings = logs.warnings

    def _watch(self, watch: Watch, load: Load, logs: Logs) -> None:
        """Takes a sample each minute, or more often in a short run, until the time is over or a process has died."""
        begun, pause = time.monotonic(), min(60.0, self._seconds / LEAST_SAMPLES)
        asked = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: asked.set())
        while (passed := time.monotonic() - begun) < self._seconds and not asked.wait(pause):
            if died := watch.died():
                self.errors += died
                return
            logs.read()
            self.hours.append((time.monotonic() - begun) / 3600)
            self.samples.append(
                {
                    **watch.sample(),
                    **self._answered(load),
                    "log: errors": len(logs.errors),
                    "log: warnings": len(logs.warnings),
                }
            )
            told(f"{passed / 60:.0f} min", self.samples[-1], logs)

    def _answered(self, load: Load) -> dict[str, float]:
        """How long each caller waited since the last sample; what was no good is an error."""
        came: dict[str, list[Answer]] = {}
        while load.answers:
            answer = load.answers.popleft()
            came.setdefault(answer.caller, []).append(answer)
            self.statuses[f"{answer.caller} {answer.status}"] += 1
            if not 0 < answer.status < 400:
                self.errors.append(f"{answer.caller} was answered by {answer.status or 'nothing'}")
        waits = {who: [answer.seconds for answer in came[who]] for who in CALLERS if who in came}
        return {f"{who}: p95, ms": 1e3 * float(np.quantile(seconds, 0.95)) for who, seconds in waits.items()}

    def _settle(self, watch: Watch, load: Load) -> None:
        """Waits until all that was pushed is stored, and accounts for it."""
        self._answered(load)
        ends = time.monotonic() + DRAIN_SECONDS
        while (left := watch.waiting()) and time.monotonic() < ends and not watch.died():
            time.sleep(1.0)
        pushed, stored = load.trickle.taken, watch.accounts()
        wanted = {
            "documents": pushed["new"] + pushed["revision"],
            "ids": pushed["new"],
            "latest": pushed["new"],
            "refused": pushed["refused"],
            "messages not sent": 0,
        }
        self.errors += [f"{name}: {stored[name]:.0f}, not {n}" for name, n in wanted.items() if stored[name] != n]
        if left:
            self.errors.append(f"{left:.0f} records were not read")
        self.counts = {**{f"pushed {kind}": float(n) for kind, n in pushed.items()}, **stored, "rings": load.rings}

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Ends ``voxpop run`` as Ctrl-C does."""
        process.send_signal(signal.SIGINT)
        try:
            if code := process.wait(END_SECONDS):
                self.errors.append(f"voxpop run ended with {code}")
        except subprocess.TimeoutExpired:
            process.kill()
            self.errors.append(f"voxpop run did not end within {END_SECONDS:.0f} s")

    def changes(self) -> list[Change]:
        """How each figure went; what there was no answer for in a sample is left out of it."""
        names = dict.fromkeys(name for one in self.samples for name in one)
        known = {name: [n for n, one in enumerate(self.samples) if name in one] for name in names}
        return [
            Change.of(name, [self.hours[n] for n in at], [self.samples[n][name] for n in at])
            for name, at in known.items()
            if len(at) >= LEAST_VALUES
        ]


CALLERS: Final = ("items", "trends", "alerts", "analyze", "pages")


def told(when: str, figures: dict[str, float], logs: Logs) -> None:
    """One line of progress on stderr."""
    chosen = [
        *("run: resident, MiB", "run: processor, s a minute", "run: open files", "connections", "records waiting"),
        *("door to store, p95 s", "pages: p95, ms", "analyze: p95, ms"),
    ]
    words = [f"{name} {figures[name]:,.1f}" for name in chosen if name in figures]
    print(
        f"{when}: {', '.join(words)}; log {len(logs.errors)} errors, {len(logs.warnings)} warnings",
        file=sys.stderr,
        flush=True,
    )


def shown(soak: Soak) -> Iterator[str]:
    """The lines of the report."""
    yield f"{'':42} {'first qu.':>12} {'last qu.':>12} {'growth':>12}  slope an hour (95 %)"
    yield from map(str, soak.changes())
    yield "\nanswers: " + ", ".join(f"{name}: {n:,}" for name, n in sorted(soak.statuses.items()))
    yield "items: " + ", ".join(f"{name} {n:,.0f}" for name, n in soak.counts.items())
    for title, lines in (("warnings", soak.warnings), ("errors", soak.errors)):
        yield f"{len(lines)} {title}"
        yield from (f"  {n} × {line}" for line, n in Counter(lines).most_common(SHOWN_LINES))


def as_json(soak: Soak) -> dict[str, Any]:
    """The same for a program, with every sample."""
    return {
        "changes": [change._asdict() for change in soak.changes()],
        "answers": soak.statuses,
        "items": soak.counts,
        "warnings": soak.warnings,
        "errors": soak.errors,
        "hours": soak.hours,
        "samples": soak.samples,
    }


def main() -> int:
    """Soaks for so many minutes, and tells what was seen."""
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--rate", type=float, default=2.0, help="items a second")
    options.add_argument("--pause", type=float, default=1.0, help="seconds between two questions of a reader")
    options.add_argument("--profile", default="bundled", help="the models")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="voxpop-soak-"))
    folder.chmod(0o755)  # the database of root runs as another user
    soak = Soak(60 * given.minutes, given.rate, given.pause, given.profile)
    soak.run(folder)
    print(json.dumps(as_json(soak)) if given.json else "\n".join(shown(soak)))
    if soak.errors:
        print(f"logs and data are kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
